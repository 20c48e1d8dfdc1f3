-- What became of earlier newcomers who stood in each state? Rates of few people are pulled towards all
-- states, by as much as these agree (`beta_fit`); very few have none.
WITH bought AS (
    SELECT DISTINCT progress.person_id
    FROM progress
    JOIN orders ON orders.person_id = progress.person_id
    WHERE order_time > moment AND order_time <= moment + $horizon AND order_time <= $as_of
),
refused AS (
    SELECT DISTINCT progress.person_id
    FROM progress
    JOIN consents ON consents.person_id = progress.person_id
    WHERE status = 'opt_out' AND decided_at > moment AND decided_at <= moment + $horizon
        AND decided_at <= $as_of
),
counts AS (
    SELECT
        state, count(*) AS people,
        count(bought.person_id) AS buyers, count(refused.person_id) AS leavers
    FROM progress
    LEFT JOIN bought ON bought.person_id = progress.person_id
    LEFT JOIN refused ON refused.person_id = progress.person_id
    WHERE NOT is_new
    GROUP BY state
),
priors AS (
    SELECT beta_fit(buyers, people) AS buying, beta_fit(leavers, people) AS leaving FROM counts
)
SELECT
    state, people,
    round(min_support(
        shrunk_rate(buyers, people, buying['rate'], coalesce(buying['strength'], 1e9)),
        people, $min_people
    ), 4) AS order_rate,
    round(wilson_lower(buyers, people), 4) AS order_low,
    round(wilson_upper(buyers, people), 4) AS order_high,
    round(min_support(
        shrunk_rate(leavers, people, leaving['rate'], coalesce(leaving['strength'], 1e9)),
        people, $min_people
    ), 4) AS opt_out_rate,
    round(wilson_lower(leavers, people), 4) AS opt_out_low,
    round(wilson_upper(leavers, people), 4) AS opt_out_high
FROM counts
CROSS JOIN priors
ORDER BY order_rate DESC NULLS LAST, state
