-- Which categories did each person look at? Each once, with what people are compared by.
WITH looks AS (
    SELECT DISTINCT person_id, category_id FROM identified_events WHERE category_id IS NOT NULL
)
SELECT
    people.person_id, sex, age_band, customers.person_id IS NOT NULL AS is_customer, category_id
FROM looks
JOIN people ON people.person_id = looks.person_id
LEFT JOIN customers ON customers.person_id = people.person_id
