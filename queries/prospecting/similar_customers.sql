-- Which customers are most like each prospect? Same sex, same age band, and the same categories,
-- where a rare category says more than one that everybody looks at. Unknown matches nobody.
SELECT prospect, customer, similarity, shared, rank
FROM twins(
    (SELECT person_id, sex, age_band, categories FROM tastes WHERE NOT is_customer),
    (SELECT person_id, sex, age_band, categories FROM tastes WHERE is_customer),
    k => $twins
)
