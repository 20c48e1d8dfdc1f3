-- How many steps are there to send, by day?
SELECT due_on, step, channel, count(*) AS people, count(category_id) AS with_category
FROM next_steps
WHERE due_on IS NOT NULL
GROUP BY due_on, step, channel
ORDER BY due_on, step, channel
