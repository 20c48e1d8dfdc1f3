-- When did each prospect last give a sign of life: a visit, a click in a message, a decision, or the
-- sign-up? Who gave none for the time that data are kept must not be written to.
WITH signs AS (
    SELECT person_id, max(event_time) AS at FROM identified_events GROUP BY person_id
    UNION ALL
    SELECT person_id, max(clicked_at) AS at FROM contacts WHERE clicked_at <= $as_of GROUP BY person_id
    UNION ALL
    SELECT person_id, max(decided_at) AS at FROM consents WHERE decided_at <= $as_of GROUP BY person_id
    UNION ALL
    SELECT person_id, created_at AS at FROM people WHERE created_at <= $as_of
)
SELECT person_id, max(at) AS last_sign, coalesce(retention_due(max(at), $as_of), true) AS expired
FROM signs
GROUP BY person_id
