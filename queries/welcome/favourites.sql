-- What does each newcomer like? The category with the highest faded interest; on too few clicks it is
-- unknown, and the message shows what sells best.
WITH owners AS (
    SELECT visitor_id, min(person_id) AS person_id
    FROM events
    WHERE person_id IS NOT NULL AND event_time <= $as_of
    GROUP BY visitor_id
    HAVING count(DISTINCT person_id) = 1
),
liking AS (
    SELECT
        owners.person_id, category_id,
        decayed_sum(
            CASE event_type WHEN 'purchase' THEN 8 WHEN 'add_to_cart' THEN 4 WHEN 'search' THEN 2 ELSE 1 END,
            event_time, $half_life, $as_of
        ) AS score,
        count(*) AS clicks
    FROM events
    JOIN owners ON owners.visitor_id = events.visitor_id
    JOIN newcomers ON newcomers.person_id = owners.person_id
    WHERE event_time <= $as_of AND category_id IS NOT NULL AND is_new
    GROUP BY owners.person_id, category_id
),
totals AS (
    SELECT *, CAST(sum(clicks) OVER (PARTITION BY person_id) AS DOUBLE) AS evidence FROM liking
)
SELECT
    person_id, evidence,
    min_support(category_id, evidence, $min_evidence) AS category_id
FROM totals
QUALIFY row_number() OVER (PARTITION BY person_id ORDER BY score DESC, category_id) = 1
