-- Would the sum have been right one horizon ago? The chances are those that were known then, learned from
-- the horizon before it. Chance alone makes two deviations in one case of twenty.
SELECT
    coalesce(source, 'total') AS of_source,
    count(*) AS prospects,
    CAST(sum(CAST(chance AS DECIMAL(18, 9))) AS DECIMAL(18, 1)) AS expected,
    count(*) FILTER (WHERE bought) AS came,
    CAST(
        (count(*) FILTER (WHERE bought) - CAST(sum(CAST(chance AS DECIMAL(18, 9))) AS DOUBLE))
            / nullif(sqrt(CAST(sum(CAST(chance * (1 - chance) AS DECIMAL(18, 9))) AS DOUBLE)), 0.0)
        AS DECIMAL(9, 2)
    ) AS deviations,
    round(auc(chance, bought), 3) AS auc,
    round(calibration_error(chance, bought), 4) AS calibration_error
FROM scored
WHERE day < $as_of AND day = CAST($as_of AS DATE) - $horizon
GROUP BY ROLLUP (source)
ORDER BY grouping(scored.source), scored.source
