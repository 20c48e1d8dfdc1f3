-- The addresses are not in the data. All members got offers by e-mail, so each has one; an invented
-- one stands for it, which can never be registered.
SELECT person_id, 'email' AS channel, concat('member-', person_id, '@example.invalid') AS address FROM people
