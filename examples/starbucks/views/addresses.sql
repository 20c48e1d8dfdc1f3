-- The addresses are not in the data. All members got offers by e-mail, so each has one; which one is
-- unknown and not needed to plan.
SELECT person_id, 'email' AS channel, CAST(NULL AS VARCHAR) AS address FROM people
