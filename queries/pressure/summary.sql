-- How many persons are in each case, and how many messages did they get lately?
SELECT
    reason, coalesce(channel, '-') AS channel, count(*) AS persons,
    CAST(sum(recent) / CAST(count(*) AS DOUBLE) AS DECIMAL(9, 2)) AS messages_in_window,
    CAST(sum(CAST(expected_margin AS DECIMAL(18, 9))) / count(*) AS DECIMAL(9, 4)) AS next_is_worth
FROM next_channel
GROUP BY reason, coalesce(channel, '-')
ORDER BY persons DESC
