-- Which categories did each person look at, and how much does each say? A category that every
-- customer likes says little: its weight is idf² with idf = ln(1 + N/df), counted over the
-- customers. Decimals add up to the same sum in any order, so that ties stay ties.
WITH features AS (
    SELECT DISTINCT person_id, category_id FROM identified_events WHERE category_id IS NOT NULL
),
weights AS (
    SELECT
        category_id,
        CAST(
            power(ln(1.0 + (SELECT count(*) FROM customers) / CAST(count(*) AS DOUBLE)), 2)
            AS DECIMAL(18, 9)
        ) AS weight
    FROM features
    JOIN customers ON customers.person_id = features.person_id
    GROUP BY category_id
)
SELECT
    people.person_id, sex, age_band, customers.person_id IS NOT NULL AS is_customer,
    features.category_id, weight,
    sqrt(CAST(sum(weight) OVER (PARTITION BY people.person_id) AS DOUBLE)) AS norm
FROM features
JOIN weights ON weights.category_id = features.category_id
JOIN people ON people.person_id = features.person_id
LEFT JOIN customers ON customers.person_id = features.person_id
