-- How often do people of a habit open at a time? A cell with few messages has no rate. `strength` tells how
-- many messages of one person the habit counts for, by how much persons of that habit differ.
WITH kinds AS (
    SELECT day, person_id, channel, opened, 'hour' AS kind, hours_habit AS habit, hours AS time
    FROM messages
    WHERE NOT tested
    UNION ALL
    SELECT
        day, person_id, channel, opened, 'weekday' AS kind, part_habit AS habit,
        CAST(weekday AS VARCHAR) AS time
    FROM messages
    WHERE NOT tested
),
persons AS (
    SELECT
        day, kind, channel, habit, time, person_id, count(*) AS messages,
        count(*) FILTER (WHERE opened) AS opens
    FROM kinds
    GROUP BY day, kind, channel, habit, time, person_id
),
cells AS (
    SELECT
        day, kind, channel, habit, time, sum(messages) AS messages, sum(opens) AS opens,
        beta_fit(opens, messages) AS prior
    FROM persons
    GROUP BY day, kind, channel, habit, time
)
SELECT
    day, kind, channel, habit, time, messages, opens,
    min_support(opens / CAST(messages AS DOUBLE), messages, $min_messages) AS rate,
    wilson_lower(opens, messages) AS low,
    wilson_upper(opens, messages) AS high,
    coalesce(prior['strength'], 1e9) AS strength
FROM cells
ORDER BY day, kind, channel, habit, time
