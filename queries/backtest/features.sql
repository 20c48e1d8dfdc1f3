-- What was known of each person? One row a person and value; unknown is a value of its own.
WITH owners AS (
    SELECT visitor_id, min(person_id) AS person_id
    FROM events
    WHERE person_id IS NOT NULL AND event_time <= $cut_off
    GROUP BY visitor_id
    HAVING count(DISTINCT person_id) = 1
),
seen AS (
    SELECT population.person_id, seen_until, event_time, event_type, category_id
    FROM events
    JOIN owners ON owners.visitor_id = events.visitor_id
    JOIN population ON population.person_id = owners.person_id
    WHERE event_time <= seen_until
),
activity AS (
    SELECT
        population.person_id,
        count(event_time) AS clicks,
        date_part('epoch', min(population.seen_until) - max(event_time)) / 86400 AS days_ago
    FROM population
    LEFT JOIN seen ON seen.person_id = population.person_id
    GROUP BY population.person_id
)
SELECT person_id, 'sex' AS feature, coalesce(sex, 'unknown') AS value FROM population
UNION ALL
SELECT person_id, 'age band', coalesce(age_band, 'unknown') FROM population
UNION ALL
SELECT person_id, 'region', coalesce(region, 'unknown') FROM population
UNION ALL
SELECT person_id, 'source', coalesce(source, 'unknown') FROM population
UNION ALL
SELECT DISTINCT person_id, 'category', category_id FROM seen WHERE category_id IS NOT NULL
UNION ALL
SELECT DISTINCT person_id, 'did', event_type FROM seen WHERE event_type IN ('search', 'add_to_cart')
UNION ALL
SELECT person_id, 'clicks', CASE
    WHEN clicks <= 2 THEN '0 to 2' WHEN clicks <= 4 THEN '3 or 4' WHEN clicks <= 8 THEN '5 to 8'
    ELSE '9 or more'
END FROM activity
UNION ALL
SELECT person_id, 'last seen', CASE
    WHEN days_ago IS NULL THEN 'never' WHEN days_ago <= 3 THEN '3 days' WHEN days_ago <= 7 THEN 'week'
    WHEN days_ago <= 14 THEN 'fortnight' WHEN days_ago <= 30 THEN 'month' ELSE 'before'
END FROM activity
