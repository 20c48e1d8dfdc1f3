-- Which customers are most like each prospect? Same sex, same age band, and the same categories,
-- where a rare category says more than one that everybody looks at. Unknown matches nobody.
-- stand-in: replaced by twins((SELECT … prospects), (SELECT … customers), k => $twins)
WITH persons AS (
    SELECT people.person_id, sex, age_band, customers.person_id IS NOT NULL AS is_customer
    FROM people
    LEFT JOIN customers ON customers.person_id = people.person_id
    WHERE created_at <= $as_of
),
features AS (
    SELECT DISTINCT persons.person_id, persons.is_customer, sex, age_band, category_id
    FROM persons
    JOIN identified_events ON identified_events.person_id = persons.person_id
    WHERE category_id IS NOT NULL
),
weights AS (
    SELECT
        category_id,
        ln(1.0 + (SELECT count(*) FROM customers) / CAST(count(*) AS DOUBLE)) AS idf
    FROM features
    WHERE is_customer
    GROUP BY category_id
),
vectors AS (
    SELECT
        features.*, idf * idf AS square,
        sqrt(sum(idf * idf) OVER (PARTITION BY person_id)) AS norm
    FROM features
    JOIN weights ON weights.category_id = features.category_id
),
pairs AS (
    SELECT
        prospect.person_id AS prospect,
        customer.person_id AS customer,
        -- Rounded, so that a tie is a tie whatever the order of the sum.
        round(sum(prospect.square) / (min(prospect.norm) * min(customer.norm)), 12) AS similarity,
        count(*) AS shared
    FROM vectors AS prospect
    JOIN vectors AS customer
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
