-- ASSUMED: joining the programme is taken as an opt-in to its e-mails. The data has neither consents
-- nor refusals. A real project must never do this: without a recorded opt-in there is no consent.
SELECT person_id, 'email' AS channel, 'opt_in' AS status, created_at AS decided_at FROM people
