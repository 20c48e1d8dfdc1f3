-- What came of each message, and how many did its receiver get lately? The pressure is what a message
-- meets: those before it, faded, at the moment it was sent. The latest messages are left out, as their
-- answers may yet come.
WITH met AS (
    SELECT
        message.person_id, message.channel, message.sent_at,
        message.opened_at, message.responded_at,
        pressure(earlier.sent_at, $half_life, message.sent_at) AS pressure
    FROM contacts AS message
    LEFT JOIN contacts AS earlier
        ON earlier.person_id = message.person_id AND earlier.channel = message.channel
        AND earlier.sent_at < message.sent_at
    WHERE message.sent_at <= $as_of - $answer_time
    GROUP BY
        message.person_id, message.channel, message.sent_at, message.opened_at, message.responded_at
),
-- An order belongs to a message when it comes within a day of the answer, an opt-out within a day of
-- the message.
ordered AS (
    SELECT DISTINCT met.person_id, channel, sent_at
    FROM met
    JOIN orders ON orders.person_id = met.person_id
    WHERE order_time >= responded_at AND order_time <= responded_at + INTERVAL '1 day'
        AND order_time <= $as_of
),
refused AS (
    SELECT DISTINCT met.person_id, met.channel, sent_at
    FROM met
    JOIN consents ON consents.person_id = met.person_id AND consents.channel = met.channel
    WHERE status = 'opt_out' AND decided_at > sent_at
        AND decided_at <= sent_at + INTERVAL '1 day' AND decided_at <= $as_of
)
SELECT
    met.person_id, met.channel, met.sent_at, pressure,
    CAST(least($top_band, round(pressure)) AS BIGINT) AS band,
    coalesce(opened_at <= $as_of, false) AS opened,
    ordered.sent_at IS NOT NULL AS ordered,
    refused.sent_at IS NOT NULL AS opted_out
FROM met
LEFT JOIN ordered
    ON ordered.person_id = met.person_id AND ordered.channel = met.channel
    AND ordered.sent_at = met.sent_at
LEFT JOIN refused
    ON refused.person_id = met.person_id AND refused.channel = met.channel
    AND refused.sent_at = met.sent_at
