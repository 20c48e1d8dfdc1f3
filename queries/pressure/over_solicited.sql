-- Who gets too much? For them the next message is worth less than `worth_share` of what it would be
-- worth to somebody rested; they are rested enough again when their pressure has faded to a better band.
WITH bands AS (
    SELECT
        channel, band, next_is_worth,
        first_value(next_is_worth) OVER (PARTITION BY channel ORDER BY band) AS rested_is_worth
    FROM fatigue
),
good AS (
    SELECT channel, max(band) + 0.5 AS below
    FROM bands
    WHERE next_is_worth >= $worth_share * rested_is_worth
    GROUP BY channel
)
SELECT
    person_id, channels.channel, pressure, recent, unopened, channels.next_is_worth,
    bands.rested_is_worth,
    to_timestamp_micros(1000000 * CAST(
        date_part('epoch', CAST($as_of AS DATE)) + date_part('epoch', $half_life) * log2(pressure / below)
        AS BIGINT)) AS rested_at
FROM channels
JOIN good ON good.channel = channels.channel
JOIN bands
    ON bands.channel = channels.channel AND bands.band = least($top_band, round(pressure))
WHERE consented AND pressure >= below AND channels.next_is_worth < $worth_share * rested_is_worth
ORDER BY pressure DESC, person_id, channel
