-- What would have been said a horizon ago of those who were prospects then, and what happened? The shuffled label
-- belongs to another prospect, chosen by a hash: no score can foresee it.
WITH scored AS (
    SELECT
        person_id, coalesce(score, 0) AS score, coalesce(probability, 0) AS probability, matched, converted,
        row_number() OVER (ORDER BY person_id) AS place,
        row_number() OVER (ORDER BY md5(CAST(person_id AS VARCHAR))) AS shuffled_place
    FROM prospects
    JOIN lookalike_score(
        (SELECT * EXCLUDE (described_at) FROM features WHERE described_at = $as_of - $horizon), past_weights
    ) AS scores ON scores.id = person_id
    WHERE described_at = $as_of - $horizon
)
SELECT
    scored.person_id, scored.score, scored.probability, scored.matched, scored.converted, shuffled.converted AS shuffled
FROM scored
JOIN scored AS shuffled ON shuffled.shuffled_place = scored.place
