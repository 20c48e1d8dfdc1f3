-- How alike is each prospect to the customers, and what happened? The shuffled label belongs to
-- another prospect, chosen by a hash: no score can foresee it.
-- stand-in for the sum: replaced by lookalike_score(people, weights)
WITH scored AS (
    SELECT features.person_id, round(sum(weight), 12) AS score, count(*) AS matched
    FROM features
    JOIN weights ON weights.feature = features.feature AND weights.value = features.value
    GROUP BY features.person_id
),
prospects AS (
    SELECT
        population.person_id, coalesce(score, 0.0) AS score, coalesce(matched, 0) AS matched, label,
        row_number() OVER (ORDER BY population.person_id) AS place,
        row_number() OVER (ORDER BY md5(CAST(population.person_id AS VARCHAR))) AS shuffled_place
    FROM population
    LEFT JOIN scored ON scored.person_id = population.person_id
    WHERE NOT is_customer
)
SELECT
    prospects.person_id, prospects.score, prospects.matched, prospects.label,
    shuffled.label AS shuffled_label
FROM prospects
JOIN prospects AS shuffled ON shuffled.shuffled_place = prospects.place
