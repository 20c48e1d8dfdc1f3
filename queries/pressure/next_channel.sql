-- By which channel should the next message go? One that somebody no longer opens is worth nothing more
-- than its price.
WITH worth AS (
    SELECT
        *,
        CASE
            WHEN unanswered <= $silence THEN -CAST(channel_cost(channel, 1) AS DOUBLE)
            ELSE next_is_worth
        END AS value
    FROM channels
),
chosen AS (
    SELECT
        person_id,
        next_best_channel(channel, value, consented, under_cap, last_sent) AS next,
        sum(recent) AS recent
    FROM worth
    GROUP BY person_id
)
SELECT
    person_id, next['channel'] AS channel, next['expected_margin'] AS expected_margin,
    next['reason'] AS reason, recent
FROM chosen
