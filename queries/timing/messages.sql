-- When did each message go out, and was it opened? The latest are left out, as their answers may yet come.
-- On the day of the cut, messages after it are there too, to test with: `tested` marks them.
WITH days AS (
    SELECT CAST(day AS DATE) AS day
    FROM (VALUES (CAST($as_of AS DATE)), (CAST($as_of AS DATE) - $holdout)) AS days (day)
)
SELECT
    days.day, contacts.person_id, channel, sent_at,
    CASE
        WHEN date_part('hour', sent_at) < 6 THEN 'night'
        WHEN date_part('hour', sent_at) < 10 THEN 'morning'
        WHEN date_part('hour', sent_at) < 15 THEN 'midday'
        WHEN date_part('hour', sent_at) < 19 THEN 'afternoon'
        ELSE 'evening'
    END AS hours,
    CAST(date_part('dow', sent_at) AS BIGINT) AS weekday,
    coalesce(habits.hours, 'unknown') AS hours_habit,
    coalesce(habits.part, 'unknown') AS part_habit,
    -- Opened by then: what is learned on a day knows no later answer.
    coalesce(opened_at <= CASE WHEN sent_at > days.day - $answer_time THEN CAST($as_of AS TIMESTAMP)
        ELSE CAST(days.day AS TIMESTAMP) END, false) AS opened,
    sent_at > days.day - $answer_time AS tested
FROM contacts
CROSS JOIN days
LEFT JOIN habits ON habits.day = days.day AND habits.person_id = contacts.person_id
WHERE sent_at <= $as_of - $answer_time
