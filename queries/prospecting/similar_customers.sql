-- Which customers are most like each prospect? Same sex, same age band, and the same categories,
-- where a rare category says more than one that everybody looks at. Unknown matches nobody.
-- stand-in: replaced by twins((SELECT … prospects), (SELECT … customers), k => $twins)
WITH pairs AS (
    SELECT
        prospect.person_id AS prospect,
        customer.person_id AS customer,
        round(CAST(sum(prospect.weight) AS DOUBLE) / (min(prospect.norm) * min(customer.norm)), 12)
            AS similarity,
        count(*) AS shared
    FROM tastes AS prospect
    JOIN tastes AS customer
        ON customer.sex = prospect.sex
        AND customer.age_band = prospect.age_band
        AND customer.category_id = prospect.category_id
    WHERE customer.is_customer AND NOT prospect.is_customer
    GROUP BY prospect.person_id, customer.person_id
)
SELECT
    prospect, customer, similarity, shared,
    row_number() OVER (PARTITION BY prospect ORDER BY similarity DESC, shared DESC, customer) AS rank
FROM pairs
QUALIFY rank <= $twins
