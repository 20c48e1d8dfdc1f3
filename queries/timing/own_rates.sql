-- How often does each person open at each time? Pulled towards people of the same habit at that time: a
-- person with one message is them, a person with many is oneself.
WITH persons AS (
    SELECT day, person_id, channel, min(hours_habit) AS hours_habit, min(part_habit) AS part_habit
    FROM messages
    WHERE NOT tested
    GROUP BY day, person_id, channel
),
own AS (
    SELECT
        day, 'hour' AS kind, person_id, channel, hours AS time,
        count(*) AS messages, count(*) FILTER (WHERE opened) AS opens
    FROM messages
    WHERE NOT tested
    GROUP BY day, person_id, channel, hours
    UNION ALL
    SELECT
        day, 'weekday' AS kind, person_id, channel, CAST(weekday AS VARCHAR) AS time,
        count(*) AS messages, count(*) FILTER (WHERE opened) AS opens
    FROM messages
    WHERE NOT tested
    GROUP BY day, person_id, channel, weekday
)
SELECT
    persons.day, habit_rates.kind, persons.person_id, persons.channel, habit_rates.time,
    coalesce(own.messages, 0) AS messages,
    coalesce(own.opens, 0) AS opens,
    habit_rates.rate AS habit_rate,
    shrunk_rate(coalesce(own.opens, 0), coalesce(own.messages, 0), habit_rates.rate, strength) AS rate
FROM persons
JOIN habit_rates
    ON habit_rates.day = persons.day AND habit_rates.channel = persons.channel
    AND habit_rates.habit = CASE kind WHEN 'hour' THEN hours_habit ELSE part_habit END
LEFT JOIN own
    ON own.day = persons.day AND own.kind = habit_rates.kind AND own.person_id = persons.person_id
    AND own.channel = persons.channel AND own.time = habit_rates.time
WHERE habit_rates.rate IS NOT NULL
