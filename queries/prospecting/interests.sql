-- What does each person like? Recent clicks count more than old ones, a purchase more than a look.
-- A share is pulled towards the taste of everybody, and is NULL when it rests on too few clicks.
WITH liking AS (
    SELECT
        person_id,
        category_id,
        affinity(
            CASE event_type
                WHEN 'purchase' THEN 8
                WHEN 'add_to_cart' THEN 4
                WHEN 'search' THEN 2
                ELSE 1
            END,
            event_time, $half_life, $as_of
        ) AS liked
    FROM identified_events
    WHERE category_id IS NOT NULL
    GROUP BY person_id, category_id
),
-- Sums of decimals are exact, so that no share depends on the order in which rows came.
exact AS (
    SELECT
        person_id, category_id, liked,
        CAST(liked['score'] AS DECIMAL(38, 12)) AS score,
        CAST(liked['evidence'] AS DECIMAL(38, 12)) AS evidence
    FROM liking
),
everybody AS (
    SELECT category_id, CAST(sum(score) AS DOUBLE) / CAST(sum(sum(score)) OVER () AS DOUBLE) AS share
    FROM exact
    GROUP BY category_id
),
persons AS (
    SELECT person_id, CAST(sum(score) AS DOUBLE) AS score, CAST(sum(evidence) AS DOUBLE) AS evidence
    FROM exact
    GROUP BY person_id
)
SELECT
    liking.person_id,
    liking.category_id,
    liking.liked['score'] AS score,
    liking.liked['events'] AS events,
    liking.liked['last_time'] AS last_time,
    persons.evidence,
    min_support(
        affinity_share(liking.liked['score'], persons.score, everybody.share, $strength),
        -- Old clicks are as many as ever, but no longer say much: what is left of them counts.
        least(persons.evidence, persons.score), $min_evidence
    ) AS share
FROM liking
JOIN everybody ON everybody.category_id = liking.category_id
JOIN persons ON persons.person_id = liking.person_id
