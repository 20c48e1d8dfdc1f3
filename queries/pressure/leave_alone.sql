-- Who agreed to messages and should get none now, and until when? Under a cap, until enough messages
-- leave the window; under too much pressure, until it has faded to a band in which a message pays. Who
-- stopped reading has no date: time alone does not bring them back.
WITH paying AS (
    SELECT channel, max(band) + 0.5 AS below
    FROM fatigue
    WHERE next_is_worth > 0
    GROUP BY channel
),
windows AS (
    SELECT
        channels.person_id, channels.channel,
        contacts.sent_at + $cap_window AS free_from,
        row_number() OVER (
            PARTITION BY channels.person_id, channels.channel ORDER BY contacts.sent_at DESC
        ) AS nth
    FROM channels
    JOIN contacts
        ON contacts.person_id = channels.person_id AND contacts.channel = channels.channel
    WHERE NOT under_cap AND consented AND contacts.sent_at <= $as_of
),
cap_ends AS (
    SELECT person_id, channel, free_from
    FROM windows
    WHERE nth = CASE channel WHEN 'email' THEN $cap_email ELSE $cap_sms END
)
SELECT
    channels.person_id, channels.channel, reason, channels.pressure, channels.recent,
    channels.unopened,
    greatest(
        CASE WHEN NOT under_cap THEN CAST(free_from AS TIMESTAMP) END,
        CASE WHEN channels.unanswered > $silence AND channels.pressure >= below THEN to_timestamp_micros(1000000 * CAST(
            date_part('epoch', CAST($as_of AS DATE))
                + date_part('epoch', $half_life) * log2(channels.pressure / below)
            AS BIGINT))
        END
    ) AS until
FROM next_channel
JOIN channels ON channels.person_id = next_channel.person_id
LEFT JOIN paying ON paying.channel = channels.channel
LEFT JOIN cap_ends
    ON cap_ends.person_id = channels.person_id AND cap_ends.channel = channels.channel
WHERE channels.consented AND reason IN ('cap', 'stop')
