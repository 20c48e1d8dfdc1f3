-- Whose data must be erased, and whom to ask in time whether they want to stay? Only who may be written
-- to can be asked.
WITH reachable AS (
    SELECT DISTINCT person_id FROM consent WHERE consented AND has_address
)
SELECT
    signs_of_life.person_id, last_sign, sign, expires_on, due,
    CASE
        WHEN due THEN 'erase now'
        WHEN reachable.person_id IS NOT NULL THEN 'ask now'
        ELSE 'erase soon'
    END AS status
FROM signs_of_life
LEFT JOIN reachable ON reachable.person_id = signs_of_life.person_id
WHERE expires_on <= $as_of + $notice
ORDER BY expires_on, person_id
