-- When did each person last give a sign of life? A visit, a click in a message, an order or a decision
-- comes from the person; a message that was sent does not, nor one that a program may have opened.
-- Without any, the day of the sign-up counts.
WITH owners AS (
    SELECT visitor_id, min(person_id) AS person_id
    FROM events
    WHERE person_id IS NOT NULL AND event_time <= $as_of
    GROUP BY visitor_id
    HAVING count(DISTINCT person_id) = 1
),
signs AS (
    SELECT owners.person_id, 'visit' AS sign, max(event_time) AS at
    FROM events
    JOIN owners ON owners.visitor_id = events.visitor_id
    WHERE event_time <= $as_of
    GROUP BY owners.person_id
    UNION ALL
    SELECT person_id, 'click' AS sign, max(clicked_at) AS at
    FROM contacts
    WHERE clicked_at <= $as_of
    GROUP BY person_id
    UNION ALL
    SELECT person_id, 'order' AS sign, max(order_time) AS at
    FROM orders
    WHERE order_time <= $as_of
    GROUP BY person_id
    UNION ALL
    SELECT person_id, 'decision' AS sign, max(decided_at) AS at
    FROM consents
    WHERE decided_at <= $as_of
    GROUP BY person_id
),
latest AS (
    SELECT person_id, max(at) AS at, first_value(sign ORDER BY at DESC, sign) AS sign
    FROM signs
    GROUP BY person_id
)
SELECT
    people.person_id,
    greatest(created_at, latest.at) AS last_sign,
    CASE WHEN latest.at >= created_at THEN sign ELSE 'sign-up' END AS sign,
    greatest(created_at, latest.at) + $keep AS expires_on,
    retention_due(greatest(created_at, latest.at), $as_of, $keep) AS due
FROM people
LEFT JOIN latest ON latest.person_id = people.person_id
WHERE created_at <= $as_of
