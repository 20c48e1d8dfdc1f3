-- What is there to do?
SELECT 'consent' AS topic, finding, channel, count(*) AS found
FROM consent
GROUP BY finding, channel
UNION ALL
SELECT 'message' AS topic, 'sent without consent' AS finding, channel, count(*) AS found
FROM messages_without_consent
GROUP BY channel
UNION ALL
SELECT 'opposition' AS topic, 'refused' AS finding, channel, count(*) AS found
FROM opposition
GROUP BY channel
UNION ALL
SELECT 'opposition' AS topic, 'written to all the same' AS finding, channel, count(*) AS found
FROM opposition
WHERE messages_after > 0
GROUP BY channel
UNION ALL
SELECT 'retention' AS topic, status AS finding, '-' AS channel, count(*) AS found
FROM retention
GROUP BY status
ORDER BY topic, finding, channel
