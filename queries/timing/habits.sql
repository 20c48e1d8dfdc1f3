-- When is each person about? The part of the day and of the week with most clicks, as known on the day
-- and on the day where the check stops learning. On too few clicks it is unknown.
WITH days AS (
    SELECT CAST(day AS DATE) AS day
    FROM (VALUES (CAST($as_of AS DATE)), (CAST($as_of AS DATE) - $holdout)) AS days (day)
),
owners AS (
    SELECT day, visitor_id, min(person_id) AS person_id
    FROM events
    JOIN days ON events.event_time <= days.day
    WHERE person_id IS NOT NULL AND event_time <= $as_of
    GROUP BY day, visitor_id
    HAVING count(DISTINCT person_id) = 1
),
visits AS (
    SELECT
        owners.day, owners.person_id, event_time,
        CASE
            WHEN date_part('hour', event_time) < 6 THEN 'night'
            WHEN date_part('hour', event_time) < 10 THEN 'morning'
            WHEN date_part('hour', event_time) < 15 THEN 'midday'
            WHEN date_part('hour', event_time) < 19 THEN 'afternoon'
            ELSE 'evening'
        END AS hours,
        CASE WHEN date_part('dow', event_time) IN (0, 6) THEN 'weekend' ELSE 'week' END AS part
    FROM events
    JOIN owners ON owners.visitor_id = events.visitor_id
    WHERE event_time <= owners.day AND event_time <= $as_of
),
hours AS (
    SELECT day, person_id, hours
    FROM visits
    GROUP BY day, person_id, hours
    QUALIFY row_number() OVER (PARTITION BY day, person_id ORDER BY count(*) DESC, hours) = 1
)
SELECT
    visits.day, visits.person_id, count(*) AS clicks, max(event_time) AS last_visit,
    coalesce(min_support(min(hours.hours), count(*), $min_visits), 'unknown') AS hours,
    -- The weekend has two days of seven: more than that share of the clicks is a habit.
    coalesce(
        min_support(
            CASE WHEN count(*) FILTER (WHERE part = 'weekend') > count(*) * 2 / 7.0
                THEN 'weekend' ELSE 'week' END,
            count(*), $min_visits
        ),
        'unknown'
    ) AS part
FROM visits
JOIN hours ON hours.day = visits.day AND hours.person_id = visits.person_id
GROUP BY visits.day, visits.person_id
