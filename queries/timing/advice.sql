-- The best hour and weekday of each person and channel, as known on the day. Advice of a kind that did not
-- hold for messages it had not seen (`holdout`) is not given: NULL, with the advantage that it claimed.
WITH given AS (
    SELECT
        best_times.kind, person_id, best_times.channel,
        CASE WHEN deviations >= $min_deviations THEN time END AS time,
        best_times.basis, rate, advantage, own_messages
    FROM best_times
    LEFT JOIN holdout ON holdout.kind = best_times.kind AND holdout.basis = best_times.basis
    WHERE day = $as_of
)
SELECT
    hour.person_id, hour.channel,
    hour.time AS hours, hour.basis AS hours_from, round(hour.rate, 4) AS hours_rate,
    round(hour.advantage, 3) AS hours_advantage,
    weekday.time AS weekday, weekday.basis AS weekday_from,
    round(weekday.advantage, 3) AS weekday_advantage,
    hour.own_messages
FROM given AS hour
LEFT JOIN given AS weekday
    ON weekday.person_id = hour.person_id AND weekday.channel = hour.channel
    AND weekday.kind = 'weekday'
WHERE hour.kind = 'hour'
