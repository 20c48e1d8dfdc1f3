-- Does the advice hold for messages that it did not learn from? Each message after the cut that went out
-- at the advised time is set against messages at the same time, weekday and channel to people with other
-- advice: that keeps apart what is good for everybody from what is good for this person. `expected` is
-- what those others would have opened; beyond two or three `deviations` it is hardly chance.
WITH times AS (
    SELECT
        messages.channel, messages.hours, messages.weekday, kind, basis, opened, sent_at,
        best_times.time = CASE kind WHEN 'hour' THEN messages.hours ELSE CAST(messages.weekday AS VARCHAR) END
            AS at_best
    FROM messages
    JOIN best_times
        ON best_times.day = messages.day AND best_times.person_id = messages.person_id
        AND best_times.channel = messages.channel
    WHERE tested AND messages.day < $as_of
),
cells AS (
    SELECT
        kind, basis, channel, hours, weekday,
        count(*) FILTER (WHERE at_best) AS best, count(*) FILTER (WHERE at_best AND opened) AS best_opens,
        count(*) FILTER (WHERE NOT at_best) AS other,
        count(*) FILTER (WHERE NOT at_best AND opened) AS other_opens,
        max(sent_at) AS tested_until
    FROM times
    GROUP BY kind, basis, channel, hours, weekday
),
expected AS (
    SELECT
        *,
        CAST(best * (other_opens / CAST(other AS DOUBLE)) AS DECIMAL(18, 6)) AS expected,
        -- Of the difference of two counted rates, at one common rate (Mantel and Haenszel 1959).
        CAST(
            ((best_opens + other_opens) / CAST(best + other AS DOUBLE))
                * (1 - (best_opens + other_opens) / CAST(best + other AS DOUBLE))
                * best * (best + other) / CAST(other AS DOUBLE)
            AS DECIMAL(18, 6)
        ) AS variance
    FROM cells
    WHERE best > 0 AND other > 0
)
SELECT
    kind, basis,
    sum(best) AS at_best,
    round(sum(best_opens) / CAST(sum(best) AS DOUBLE), 4) AS open_rate,
    round(wilson_lower(sum(best_opens), sum(best)), 4) AS low,
    round(wilson_upper(sum(best_opens), sum(best)), 4) AS high,
    round(CAST(sum(expected) AS DOUBLE) / sum(best), 4) AS others_rate,
    round(sum(best_opens) / CAST(sum(expected) AS DOUBLE), 3) AS ratio,
    round((sum(best_opens) - CAST(sum(expected) AS DOUBLE)) / sqrt(CAST(sum(variance) AS DOUBLE)), 2)
        AS deviations,
    max(tested_until) AS tested_until
FROM expected
GROUP BY kind, basis
ORDER BY kind, basis
