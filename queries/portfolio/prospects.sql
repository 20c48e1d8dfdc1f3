-- What is each prospect worth? A conversion brings what those of the last horizon brought on average;
-- planned are a few messages by the channels that the prospect agreed to. Where too few people of that
-- source and interest were seen, the chance is unknown, and so is the value; `as_others` is what it would
-- be if they were like the others. `own_clicks`: the prospect's own clicks are enough, and fresh enough,
-- to say something; without, the chance is that of people like them.
WITH decisions AS (
    SELECT person_id, channel
    FROM consents
    WHERE decided_at <= $as_of
    GROUP BY person_id, channel
    HAVING consented(status, decided_at, $as_of)
),
costs AS (
    SELECT
        person_id,
        sum(channel_cost(channel, CASE channel WHEN 'email' THEN $emails WHEN 'sms' THEN $texts ELSE 0 END))
            AS planned_cost
    FROM decisions
    GROUP BY person_id
),
average AS (
    SELECT CAST(sum(margin) / count(margin) AS DOUBLE) AS margin
    FROM standing
    WHERE bought AND day = CAST($as_of AS DATE) - $horizon
)
SELECT
    scored.person_id, source, segment, interest, evidence, learned_from,
    min_support(chance, learned_from, $min_prospects) AS chance,
    chance AS as_others,
    margin,
    coalesce(CAST(planned_cost AS DOUBLE), 0.0) AS planned_cost,
    min_support(
        chance * margin - coalesce(CAST(planned_cost AS DOUBLE), 0.0), learned_from, $min_prospects
    ) AS value,
    evidence >= $min_evidence AS own_clicks
FROM scored
CROSS JOIN average
LEFT JOIN costs ON costs.person_id = scored.person_id
WHERE day = $as_of
