-- How many newcomers stand where, and what comes next?
SELECT
    state, step, coalesce(channel, '-') AS channel, count(*) AS people,
    count(*) FILTER (WHERE due_on = $as_of) AS due_now,
    max(due_on) AS last_due
FROM next_steps
GROUP BY state, step, coalesce(channel, '-')
ORDER BY state, step, people DESC
