-- Which channel has stopped working for whom? They agreed, got messages and opened none of the last
-- ones, more often in a row than chance explains. Another channel that they agreed to may still work.
SELECT
    silent.person_id, silent.channel, silent.messages, silent.unopened, silent.unanswered AS chance,
    silent.last_sent,
    min(other.channel) AS other_channel
FROM channels AS silent
LEFT JOIN channels AS other
    ON other.person_id = silent.person_id AND other.channel <> silent.channel
    AND other.consented AND other.unanswered > $silence
WHERE silent.consented AND silent.unanswered <= $silence
GROUP BY
    silent.person_id, silent.channel, silent.messages, silent.unopened, silent.unanswered,
    silent.last_sent
ORDER BY chance, unopened DESC, person_id, channel
