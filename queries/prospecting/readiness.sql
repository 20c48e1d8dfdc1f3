-- How much more readily than others do the people of a source become customers? 1 is the average;
-- the average counts for 100 people, so that a source with few people stays close to it.
WITH counts AS (
    SELECT source, count(*) AS persons, count(customers.person_id) AS customers
    FROM people
    LEFT JOIN customers ON customers.person_id = people.person_id
    WHERE created_at <= $as_of
    GROUP BY source
),
average AS (
    SELECT sum(customers) / CAST(sum(persons) AS DOUBLE) AS share FROM counts
)
SELECT
    source, persons, customers,
    (customers + 100 * share) / (persons + 100) / share AS readiness
FROM counts
CROSS JOIN average
