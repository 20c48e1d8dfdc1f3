-- Which clicks belong to whom? Those before the sign-up carry no person, but their visitor tells.
-- A browser that several people use tells nothing, and what happens after the day of the plan is
-- not known yet.
WITH owners AS (
    SELECT visitor_id, min(person_id) AS person_id
    FROM events
    WHERE person_id IS NOT NULL AND event_time <= $as_of
    GROUP BY visitor_id
    HAVING count(DISTINCT person_id) = 1
)
SELECT owners.person_id, events.event_time, events.event_type, events.product_id, events.category_id
FROM events
JOIN owners ON owners.visitor_id = events.visitor_id
WHERE events.event_time <= $as_of
