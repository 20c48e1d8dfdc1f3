-- Who was a prospect on the day, one horizon earlier and two horizons earlier, and what was known of
-- them then? The two earlier days are there to learn from and to test with: what came within the
-- horizon is known for them, and not yet for the day itself.
WITH days AS (
    SELECT CAST(day AS DATE) AS day
    FROM (VALUES
        (CAST($as_of AS DATE)),
        (CAST($as_of AS DATE) - $horizon),
        (CAST($as_of AS DATE) - $horizon - $horizon)
    ) AS days (day)
),
owners AS (
    SELECT day, visitor_id, min(person_id) AS person_id
    FROM events
    JOIN days ON events.event_time <= days.day
    WHERE person_id IS NOT NULL AND event_time <= $as_of
    GROUP BY day, visitor_id
    HAVING count(DISTINCT person_id) = 1
),
interests AS (
    SELECT owners.day, owners.person_id, affinity(1, event_time, $half_life, owners.day) AS liked
    FROM events
    JOIN owners ON owners.visitor_id = events.visitor_id
    WHERE event_time <= owners.day AND event_time <= $as_of
    GROUP BY owners.day, owners.person_id
),
first_orders AS (
    SELECT person_id, min(order_time) AS first_order
    FROM orders
    WHERE order_time <= $as_of
    GROUP BY person_id
),
brought AS (
    SELECT days.day, person_id, sum(margin) AS margin, max(order_time) AS last_order
    FROM orders
    JOIN days ON orders.order_time > days.day AND orders.order_time <= days.day + $horizon
    WHERE order_time <= $as_of
    GROUP BY days.day, person_id
)
SELECT
    days.day, people.person_id,
    coalesce(source, 'unknown') AS source,
    CASE WHEN sex IS NULL OR age_band IS NULL THEN 'unknown' ELSE sex || ' ' || age_band END AS segment,
    -- What is left of the clicks: 0 below 1/64 of one, then 1 up to 1/16, 2 up to 1/4, 3 up to 1, 4 up to
    -- 4, 5 above.
    CAST(coalesce(least(5, greatest(0, ceil((log2(greatest(liked['score'], 1e-9)) + 6) / 2))), 0) AS BIGINT)
        AS interest,
    coalesce(least(liked['evidence'], liked['score']), 0.0) AS evidence,
    CASE WHEN days.day < $as_of THEN brought.person_id IS NOT NULL END AS bought,
    CASE WHEN days.day < $as_of THEN brought.margin END AS margin,
    greatest(created_at, liked['last_time'], last_order) AS seen_until
FROM people
JOIN days ON people.created_at <= days.day
LEFT JOIN first_orders ON first_orders.person_id = people.person_id
LEFT JOIN interests ON interests.day = days.day AND interests.person_id = people.person_id
LEFT JOIN brought ON brought.day = days.day AND brought.person_id = people.person_id
WHERE (first_order IS NULL OR first_order > days.day) AND people.created_at <= $as_of
