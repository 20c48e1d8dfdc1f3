-- What is the best time of each person and channel? Their own, where they got enough messages; else that
-- of their habit. `advantage` is the rate at that time by the mean over all times.
WITH totals AS (
    SELECT
        *,
        sum(messages) OVER person AS own_messages,
        count(*) OVER person AS times
    FROM own_rates
    WINDOW person AS (PARTITION BY day, kind, person_id, channel)
),
chosen AS (
    SELECT
        *,
        CASE WHEN own_messages >= $own_messages THEN rate ELSE habit_rate END AS used
    FROM totals
    WHERE times > 1
),
means AS (
    SELECT *, avg(used) OVER (PARTITION BY day, kind, person_id, channel) AS mean_rate
    FROM chosen
)
SELECT
    day, kind, person_id, channel, time,
    CASE WHEN own_messages >= $own_messages THEN 'own' ELSE 'habit' END AS basis,
    CAST(own_messages AS BIGINT) AS own_messages,
    round(used, 9) AS rate,
    greatest(1.0, round(used / nullif(mean_rate, 0.0), 9)) AS advantage
FROM means
QUALIFY row_number() OVER (
    PARTITION BY day, kind, person_id, channel ORDER BY round(used, 9) DESC, time
) = 1
