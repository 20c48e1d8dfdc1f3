-- Which categories did each person look at, and how much does each say? A category that every
-- customer likes says little: its weight is idf = ln(1 + N/df), counted over the customers.
WITH features AS (
    SELECT DISTINCT person_id, category_id FROM identified_events WHERE category_id IS NOT NULL
),
weights AS (
    SELECT
        category_id,
        ln(1.0 + (SELECT count(*) FROM customers) / CAST(count(*) AS DOUBLE)) AS idf
    FROM features
    JOIN customers ON customers.person_id = features.person_id
    GROUP BY category_id
)
SELECT
    people.person_id, sex, age_band, customers.person_id IS NOT NULL AS is_customer,
    features.category_id, idf,
    sqrt(sum(idf * idf) OVER (PARTITION BY people.person_id)) AS norm
FROM features
JOIN weights ON weights.category_id = features.category_id
JOIN people ON people.person_id = features.person_id
LEFT JOIN customers ON customers.person_id = features.person_id
