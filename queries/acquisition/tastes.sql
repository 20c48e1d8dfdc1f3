-- Do people look at what they said they like? The favourite is the category with the highest faded
-- interest; on too few clicks it is unknown, and so is whether it agrees.
WITH owners AS (
    SELECT visitor_id, min(person_id) AS person_id
    FROM events
    WHERE person_id IS NOT NULL AND event_time <= $as_of
    GROUP BY visitor_id
    HAVING count(DISTINCT person_id) = 1
),
clicks AS (
    SELECT
        owners.person_id, events.category_id, events.event_time,
        CASE event_type WHEN 'purchase' THEN 8 WHEN 'add_to_cart' THEN 4 WHEN 'search' THEN 2 ELSE 1 END
            AS weight
    FROM events
    JOIN owners ON owners.visitor_id = events.visitor_id
    WHERE events.event_time <= $as_of AND events.category_id IS NOT NULL
),
liking AS (
    SELECT person_id, category_id, decayed_sum(weight, event_time, $half_life, $as_of) AS score
    FROM clicks
    GROUP BY person_id, category_id
),
evidence AS (
    SELECT person_id, affinity(weight, event_time, $half_life, $as_of) AS liked
    FROM clicks
    GROUP BY person_id
),
favourites AS (
    SELECT person_id, category_id, score
    FROM liking
    QUALIFY row_number() OVER (PARTITION BY person_id ORDER BY score DESC, category_id) = 1
)
SELECT
    people.person_id,
    people.declared_category AS declared,
    min_support(favourites.category_id, liked['evidence'], $min_evidence) AS observed,
    min_support(score / nullif(liked['score'], 0), liked['evidence'], $min_evidence) AS share,
    coalesce(liked['evidence'], 0.0) AS evidence,
    min_support(favourites.category_id = people.declared_category, liked['evidence'], $min_evidence)
        AS agrees
FROM people
LEFT JOIN favourites ON favourites.person_id = people.person_id
LEFT JOIN evidence ON evidence.person_id = people.person_id
WHERE declared_category IS NOT NULL AND created_at <= $as_of
