-- How likely is each prospect to convert within the horizon, by what was known on the day? A source that
-- nobody came from before is as good as the average of that interest, a new segment as the average.
WITH averages AS (
    SELECT day, interest, sum(converted) / CAST(sum(prospects) AS DOUBLE) AS rate
    FROM rates
    GROUP BY day, interest
),
overall AS (
    SELECT day, sum(converted) / CAST(sum(prospects) AS DOUBLE) AS rate FROM rates GROUP BY day
)
SELECT
    standing.day, person_id, standing.source, standing.segment, standing.interest, evidence,
    least(1.0, coalesce(rates.rate, averages.rate, overall.rate) * coalesce(ratio, 1.0)) AS chance,
    coalesce(rates.prospects, 0) AS learned_from,
    bought
FROM standing
JOIN overall ON overall.day = standing.day
LEFT JOIN averages ON averages.day = standing.day AND averages.interest = standing.interest
LEFT JOIN rates
    ON rates.day = standing.day AND rates.source = standing.source
    AND rates.interest = standing.interest
LEFT JOIN segments ON segments.day = standing.day AND segments.segment = standing.segment
