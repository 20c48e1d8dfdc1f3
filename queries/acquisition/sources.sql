-- Which source brings opt-ins, and at what cost? A visitor belongs to the source of the first visit. An
-- opt-in costs what everybody who signs up gets, the incentive and a first message, by those who opt in.
-- The rate is pulled towards the average of the sources, by as much as these agree (`beta_fit`).
WITH visitors AS (
    SELECT source, count(*) AS visitors
    FROM (
        SELECT first_value(source ORDER BY event_time, source) AS source, min(event_time) AS first_visit
        FROM events
        WHERE event_time <= $as_of
        GROUP BY visitor_id
    )
    WHERE first_visit > $as_of - $period
    GROUP BY source
),
counts AS (
    SELECT
        source, count(*) AS people,
        count(*) FILTER (WHERE has_phone) AS phones,
        count(*) FILTER (WHERE opted_in) AS opt_ins
    FROM signups
    WHERE source IS NOT NULL
    GROUP BY source
),
priors AS (
    SELECT beta_fit(opt_ins, people) AS opting FROM counts
)
SELECT
    counts.source, visitors, people,
    round(min_support(least(1.0, people / CAST(visitors AS DOUBLE)), visitors, $min_people), 4)
        AS signup_rate,
    round(min_support(phones / CAST(people AS DOUBLE), people, $min_people), 4) AS phone_rate,
    opt_ins,
    round(min_support(
        shrunk_rate(opt_ins, people, opting['rate'], coalesce(opting['strength'], 1e9)),
        people, $min_people
    ), 4) AS opt_in_rate,
    round(wilson_lower(opt_ins, people), 4) AS opt_in_low,
    round(wilson_upper(opt_ins, people), 4) AS opt_in_high,
    CAST(
        people * (CAST($incentive AS DECIMAL(18, 6)) + channel_cost($channel, 1)) / nullif(opt_ins, 0)
        AS DECIMAL(18, 2)
    ) AS cost_per_opt_in
FROM counts
LEFT JOIN visitors ON visitors.source = counts.source
CROSS JOIN priors
ORDER BY cost_per_opt_in, counts.source
