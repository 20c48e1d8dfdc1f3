-- Does a segment convert more readily than its sources and interests explain? Learned from the same
-- horizon as the rates; the average counts for `strength` expected conversions.
SELECT
    rates.day, segment,
    count(*) AS prospects,
    count(*) FILTER (WHERE bought) AS converted,
    CAST(sum(CAST(rate AS DECIMAL(18, 9))) AS DOUBLE) AS expected,
    (count(*) FILTER (WHERE bought) + CAST($strength AS DOUBLE))
        / (CAST(sum(CAST(rate AS DECIMAL(18, 9))) AS DOUBLE) + CAST($strength AS DOUBLE)) AS ratio
FROM standing
JOIN rates
    ON rates.day = CAST(standing.day + $horizon AS DATE) AND rates.source = standing.source
    AND rates.interest = standing.interest
WHERE bought IS NOT NULL
GROUP BY rates.day, segment
ORDER BY rates.day, segment
