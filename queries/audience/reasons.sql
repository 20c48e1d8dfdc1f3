-- Which values tell most? Evidence is the signed root of the likelihood ratio: beyond 2 or so, chance is unlikely.
-- Shares are of the seed and of the others; the weight is what the value adds to a score.
WITH sizes AS (
    SELECT seed_n AS seed, base_n AS base FROM weights WHERE feature = '(intercept)'
),
told AS (
    SELECT
        feature, coalesce(value, 'unknown') AS value, weight,
        CAST(seed_n AS DOUBLE) / seed AS seed_share, CAST(base_n AS DOUBLE) / base AS base_share, seed_n, base_n,
        root_llr(seed_n, base_n, seed - seed_n, base - base_n) AS evidence
    FROM weights
    CROSS JOIN sizes
    WHERE feature NOT LIKE '(%'
),
ranked AS (
    SELECT *, row_number() OVER (PARTITION BY evidence > 0 ORDER BY abs(evidence) DESC, feature, value) AS place
    FROM told
    WHERE abs(evidence) >= 2
)
SELECT
    CASE WHEN evidence > 0 THEN 'for' ELSE 'against' END AS speaks,
    feature, value, round(weight, 2) AS weight, round(seed_share, 3) AS seed_share, round(base_share, 3) AS base_share,
    seed_n, base_n, round(evidence, 1) AS evidence
FROM ranked
WHERE place <= 8
ORDER BY evidence DESC
