-- Which customers are most like each prospect? Same sex, same age band, and the same categories,
-- where a rare category says more than one that everybody looks at. Unknown matches nobody.
WITH persons AS (
    SELECT person_id, sex, age_band, is_customer, array_agg(category_id) AS categories
    FROM tastes
    GROUP BY person_id, sex, age_band, is_customer
)
SELECT prospect, customer, similarity, shared, rank
FROM twins(
    (SELECT person_id, sex, age_band, categories FROM persons WHERE NOT is_customer),
    (SELECT person_id, sex, age_band, categories FROM persons WHERE is_customer),
    k => $twins
)
