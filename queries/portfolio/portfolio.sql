-- What is the portfolio worth, and how much of it rests on thin evidence? `low` and `high` bound what
-- chance may make of the value. `thin` prospects count nothing but their planned cost; `thin_share` is the
-- part of the whole that they would make if they were like the others. `own_share` is the part of those
-- whose own clicks speak for them.
WITH parts AS (
    SELECT
        grouping(source) AS no_source, grouping(segment) AS no_segment, source, segment,
        portfolio_value(chance, margin, planned_cost) AS known,
        portfolio_value(as_others, margin, planned_cost) AS whole,
        portfolio_value(as_others, margin, planned_cost) FILTER (WHERE chance IS NULL) AS thin,
        portfolio_value(chance, margin, planned_cost) FILTER (WHERE own_clicks) AS own
    FROM prospects
    GROUP BY GROUPING SETS ((source), (segment), ())
)
SELECT
    CASE WHEN no_source = 0 THEN 'source' WHEN no_segment = 0 THEN 'segment' ELSE 'all' END AS by,
    coalesce(source, segment, 'total') AS part,
    known['prospects'] AS prospects,
    CAST(known['value'] AS DECIMAL(18, 2)) AS value,
    CAST(known['low'] AS DECIMAL(18, 2)) AS low,
    CAST(known['high'] AS DECIMAL(18, 2)) AS high,
    CAST(known['value'] / known['prospects'] AS DECIMAL(18, 2)) AS each,
    known['thin'] AS thin,
    CAST(coalesce(thin['value'], 0.0) / nullif(whole['value'], 0.0) AS DECIMAL(9, 3)) AS thin_share,
    CAST(coalesce(own['value'], 0.0) / nullif(known['value'], 0.0) AS DECIMAL(9, 3)) AS own_share
FROM parts
ORDER BY by, value DESC, part
