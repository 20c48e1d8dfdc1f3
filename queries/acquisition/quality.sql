-- What are the people of each source worth afterwards? The first message shows whether the address
-- works; orders count within the horizon, and who is younger than that is not asked yet. The rate of
-- orders is pulled towards the average of the sources, by as much as these agree (`beta_fit`).
WITH counts AS (
    SELECT
        source,
        count(*) FILTER (WHERE got_message) AS messages,
        count(*) FILTER (WHERE got_message AND opened) AS opens,
        count(*) FILTER (WHERE got_message AND clicked) AS clicks,
        count(ordered) AS old_enough,
        count(*) FILTER (WHERE ordered) AS buyers,
        sum(margin) AS margin
    FROM signups
    WHERE source IS NOT NULL
    GROUP BY source
),
priors AS (
    SELECT beta_fit(buyers, old_enough) AS buying FROM counts
)
SELECT
    source, messages,
    round(min_support(opens / CAST(messages AS DOUBLE), messages, $min_people), 4) AS open_rate,
    round(min_support(clicks / CAST(messages AS DOUBLE), messages, $min_people), 4) AS click_rate,
    old_enough, buyers,
    round(min_support(
        shrunk_rate(buyers, old_enough, buying['rate'], coalesce(buying['strength'], 1e9)),
        old_enough, $min_people
    ), 4) AS buyer_rate,
    round(wilson_lower(buyers, old_enough), 4) AS buyer_low,
    round(wilson_upper(buyers, old_enough), 4) AS buyer_high,
    CAST(min_support(margin / nullif(old_enough, 0), old_enough, $min_people) AS DECIMAL(18, 2))
        AS margin_per_person
FROM counts
CROSS JOIN priors
ORDER BY margin_per_person DESC NULLS LAST, source
