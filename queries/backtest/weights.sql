-- How much more common is each value among customers than among all? A smoothed log-odds, and
-- nothing for values that fewer than five customers share.
-- stand-in: replaced by lookalike_weights(seed, base)
WITH sizes AS (
    SELECT count(*) FILTER (WHERE is_customer) AS seed_size, count(*) AS base_size FROM population
),
counts AS (
    SELECT feature, value, count(*) FILTER (WHERE is_customer) AS seed_n, count(*) AS base_n
    FROM features
    JOIN population ON population.person_id = features.person_id
    GROUP BY feature, value
)
SELECT
    feature, value,
    ln((seed_n + 1.0) / (seed_size + 2.0)) - ln((base_n + 1.0) / (base_size + 2.0)) AS weight,
    seed_n, base_n
FROM counts
CROSS JOIN sizes
WHERE seed_n >= 5
