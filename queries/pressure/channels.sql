-- How does each person stand with each channel today? Without a known opt-in there is no consent. The
-- next message is worth what messages at that pressure were worth. `unopened` counts the messages since
-- the last one that was opened; `unanswered` is the chance of so long a silence for somebody who opens
-- as others do under the same pressure.
WITH decisions AS (
    SELECT person_id, channel, consented(status, decided_at, $as_of) AS consented
    FROM consents
    WHERE decided_at <= $as_of
    GROUP BY person_id, channel
),
history AS (
    SELECT
        person_id, channel,
        pressure(sent_at, $half_life, $as_of) AS pressure,
        CASE channel
            WHEN 'email' THEN contact_allowed(sent_at, $cap_email, $cap_window, $as_of)
            WHEN 'sms' THEN contact_allowed(sent_at, $cap_sms, $cap_window, $as_of)
            ELSE false
        END AS under_cap,
        count(*) FILTER (WHERE sent_at > $as_of - $cap_window) AS recent,
        max(sent_at) AS last_sent
    FROM contacts
    WHERE sent_at <= $as_of
    GROUP BY person_id, channel
),
last_opens AS (
    SELECT person_id, channel, count(*) AS messages, max(sent_at) FILTER (WHERE opened) AS opened
    FROM messages
    GROUP BY person_id, channel
),
silences AS (
    SELECT
        messages.person_id, messages.channel,
        count(*) AS unopened,
        -- Decimals add up to the same sum in any order.
        exp(CAST(sum(CAST(ln(1.0 - fatigue.open_rate) AS DECIMAL(18, 9))) AS DOUBLE)) AS unanswered
    FROM messages
    JOIN last_opens
        ON last_opens.person_id = messages.person_id AND last_opens.channel = messages.channel
    JOIN fatigue ON fatigue.channel = messages.channel AND fatigue.band = messages.band
    WHERE last_opens.opened IS NULL OR messages.sent_at > last_opens.opened
    GROUP BY messages.person_id, messages.channel
)
SELECT
    addresses.person_id, addresses.channel,
    coalesce(consented, false) AS consented,
    coalesce(under_cap, CASE addresses.channel WHEN 'email' THEN $cap_email ELSE $cap_sms END > 0)
        AS under_cap,
    coalesce(pressure, 0.0) AS pressure,
    coalesce(recent, 0) AS recent,
    last_sent,
    coalesce(last_opens.messages, 0) AS messages,
    coalesce(unopened, 0) AS unopened,
    coalesce(unanswered, 1.0) AS unanswered,
    next_is_worth
FROM (SELECT DISTINCT person_id, channel FROM addresses WHERE address IS NOT NULL) AS addresses
JOIN people ON people.person_id = addresses.person_id
LEFT JOIN decisions
    ON decisions.person_id = addresses.person_id AND decisions.channel = addresses.channel
LEFT JOIN history
    ON history.person_id = addresses.person_id AND history.channel = addresses.channel
LEFT JOIN last_opens
    ON last_opens.person_id = addresses.person_id AND last_opens.channel = addresses.channel
LEFT JOIN silences
    ON silences.person_id = addresses.person_id AND silences.channel = addresses.channel
LEFT JOIN fatigue
    ON fatigue.channel = addresses.channel
    AND fatigue.band = least($top_band, round(coalesce(pressure, 0.0)))
WHERE people.created_at <= $as_of
