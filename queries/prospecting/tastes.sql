-- Which categories did each person look at? People as they are compared: sex, age band, categories.
WITH looks AS (
    SELECT person_id, array_agg(DISTINCT category_id ORDER BY category_id) AS categories
    FROM identified_events
    WHERE category_id IS NOT NULL
    GROUP BY person_id
)
SELECT
    people.person_id, sex, age_band, customers.person_id IS NOT NULL AS is_customer, categories
FROM looks
JOIN people ON people.person_id = looks.person_id
LEFT JOIN customers ON customers.person_id = people.person_id
