-- Each offer sent, until when it may be used, and when the same person was sent the same offer again.
-- A view or a completion names the offer, not the sending: the last sending before it counts.
SELECT
    person,
    offer_id,
    happened_at AS sent_at,
    happened_at + CAST(CAST(duration AS BIGINT) || ' days' AS INTERVAL) AS valid_until,
    lead(happened_at) OVER (PARTITION BY person, offer_id ORDER BY happened_at) AS sent_again_at
FROM log
JOIN portfolio ON portfolio.id = offer_id
WHERE event = 'offer received'
