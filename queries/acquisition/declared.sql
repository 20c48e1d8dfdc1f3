-- Where do declared and observed taste disagree? `by_chance` is the share of agreement if people had
-- declared without regard to what they look at: where the interval reaches down to it, what they say
-- tells nothing. `mostly` is what those who disagree look at most.
WITH known AS (
    SELECT declared, observed, agrees FROM tastes WHERE agrees IS NOT NULL
),
looks AS (
    SELECT observed, count(*) / CAST(sum(count(*)) OVER () AS DOUBLE) AS share
    FROM known
    GROUP BY observed
),
elsewhere AS (
    SELECT declared, observed
    FROM known
    WHERE NOT agrees
    GROUP BY declared, observed
    QUALIFY row_number() OVER (PARTITION BY declared ORDER BY count(*) DESC, observed) = 1
),
counts AS (
    SELECT
        declared, count(*) AS people, count(agrees) AS known, count(*) FILTER (WHERE agrees) AS agreeing
    FROM tastes
    GROUP BY declared
)
SELECT
    counts.declared, people, known,
    round(min_support(agreeing / CAST(nullif(known, 0) AS DOUBLE), known, $min_people), 4) AS agree_rate,
    round(wilson_lower(agreeing, known), 4) AS agree_low,
    round(wilson_upper(agreeing, known), 4) AS agree_high,
    round(looks.share, 4) AS by_chance,
    elsewhere.observed AS mostly
FROM counts
LEFT JOIN looks ON looks.observed = counts.declared
LEFT JOIN elsewhere ON elsewhere.declared = counts.declared
ORDER BY agree_rate DESC NULLS LAST, declared
