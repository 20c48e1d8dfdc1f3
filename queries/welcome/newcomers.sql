-- Who opted in, and when are they looked at? Newcomers are today's; earlier ones are looked at as they
-- stood some days after their opt-in, to see what became of them since. Those in between are neither:
-- their outcome is not known yet.
WITH opt_ins AS (
    SELECT person_id, min(decided_at) AS opted_in_at
    FROM consents
    WHERE status = 'opt_in' AND decided_at <= $as_of
    GROUP BY person_id
)
SELECT
    opt_ins.person_id, opted_in_at,
    opted_in_at > $as_of - $welcome_time AS is_new,
    CASE
        WHEN opted_in_at > $as_of - $welcome_time THEN CAST(CAST($as_of AS DATE) AS TIMESTAMP)
        ELSE opted_in_at + $judged_after
    END AS moment
FROM opt_ins
JOIN people ON people.person_id = opt_ins.person_id
WHERE created_at <= $as_of
    AND (opted_in_at > $as_of - $welcome_time OR opted_in_at + $judged_after <= $as_of - $horizon)
