-- One row an offer sent. The channels belong to the offer, not to the sending, and all offers include
-- e-mail, the one channel with a price: each sending is one e-mail. Clicks are not recorded.
-- A completion answers the message only if the offer had been viewed: members also complete offers
-- that they never saw.
WITH viewed AS (
    SELECT sends.person, sends.offer_id, sent_at, min(happened_at) AS opened_at
    FROM sends
    JOIN log ON log.person = sends.person AND log.offer_id = sends.offer_id
    WHERE event = 'offer viewed'
        AND happened_at >= sent_at
        AND (sent_again_at IS NULL OR happened_at < sent_again_at)
    GROUP BY sends.person, sends.offer_id, sent_at
),
answered AS (
    SELECT sends.person, sends.offer_id, sends.sent_at, min(happened_at) AS responded_at
    FROM sends
    JOIN viewed
        ON viewed.person = sends.person
        AND viewed.offer_id = sends.offer_id
        AND viewed.sent_at = sends.sent_at
    JOIN log ON log.person = sends.person AND log.offer_id = sends.offer_id
    WHERE event = 'offer completed'
        AND happened_at BETWEEN opened_at AND valid_until
        AND (sent_again_at IS NULL OR happened_at < sent_again_at)
    GROUP BY sends.person, sends.offer_id, sends.sent_at
)
SELECT
    sends.person AS person_id,
    'email' AS channel,
    sends.offer_id AS campaign,
    sends.sent_at,
    opened_at,
    CAST(NULL AS TIMESTAMP) AS clicked_at,
    responded_at
FROM sends
LEFT JOIN viewed
    ON viewed.person = sends.person
    AND viewed.offer_id = sends.offer_id
    AND viewed.sent_at = sends.sent_at
LEFT JOIN answered
    ON answered.person = sends.person
    AND answered.offer_id = sends.offer_id
    AND answered.sent_at = sends.sent_at
