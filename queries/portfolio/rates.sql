-- How often do prospects of a source and interest convert within the horizon? What is used on a day was
-- learned from who stood there one horizon before. A cell is pulled towards all prospects of that
-- interest, by as much as the sources agree (`beta_fit`).
WITH counts AS (
    SELECT
        day, source, interest, count(*) AS prospects, count(*) FILTER (WHERE bought) AS converted,
        max(seen_until) AS learned_until
    FROM standing
    WHERE bought IS NOT NULL
    GROUP BY day, source, interest
),
priors AS (
    SELECT day, interest, beta_fit(converted, prospects) AS prior
    FROM counts
    GROUP BY day, interest
)
SELECT
    CAST(counts.day + $horizon AS DATE) AS day, source, counts.interest, prospects, converted,
    shrunk_rate(converted, prospects, prior['rate'], coalesce(prior['strength'], 1e9)) AS rate,
    learned_until
FROM counts
JOIN priors ON priors.day = counts.day AND priors.interest = counts.interest
ORDER BY day, source, interest
