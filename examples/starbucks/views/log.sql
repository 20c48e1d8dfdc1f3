-- The transcript with times: it counts hours from the start and knows no calendar.
SELECT
    person,
    event,
    start + CAST(hours || ' hours' AS INTERVAL) AS happened_at,
    offer_id,
    amount,
    reward
FROM transcript
CROSS JOIN assumptions
