-- What comes next for each newcomer? First the welcome; an offer soon after a click; the favourite
-- category after an open; a reminder after silence, by text where that is allowed; nothing more after too
-- much silence, without consent, or once they have ordered. A step waits until its channel is under its
-- cap, and a step past due is due now.
WITH decisions AS (
    SELECT
        person_id, channel, consented(status, decided_at, $as_of) AS consented
    FROM consents
    WHERE decided_at <= $as_of
    GROUP BY person_id, channel
),
recent AS (
    SELECT
        person_id, channel,
        CASE channel
            WHEN 'email' THEN contact_allowed(sent_at, $cap_email, $cap_window, $as_of)
            ELSE contact_allowed(sent_at, $cap_sms, $cap_window, $as_of)
        END AS under_cap
    FROM contacts
    WHERE sent_at <= $as_of
    GROUP BY person_id, channel
),
nth AS (
    SELECT person_id, channel, sent_at + $cap_window AS free_from
    FROM contacts
    WHERE sent_at <= $as_of
    QUALIFY row_number() OVER (PARTITION BY person_id, channel ORDER BY sent_at DESC)
        = CASE channel WHEN 'email' THEN $cap_email ELSE $cap_sms END
),
reachable AS (
    SELECT DISTINCT person_id, channel FROM addresses WHERE address IS NOT NULL
),
channels AS (
    SELECT
        reachable.person_id,
        bool_or(reachable.channel = 'email' AND consented) AS email,
        bool_or(reachable.channel = 'sms' AND consented) AS sms,
        max(CASE WHEN reachable.channel = 'email' AND NOT coalesce(under_cap, true) THEN free_from END)
            AS email_from,
        max(CASE WHEN reachable.channel = 'sms' AND NOT coalesce(under_cap, true) THEN free_from END)
            AS sms_from
    FROM reachable
    JOIN decisions
        ON decisions.person_id = reachable.person_id AND decisions.channel = reachable.channel
    LEFT JOIN recent ON recent.person_id = reachable.person_id AND recent.channel = reachable.channel
    LEFT JOIN nth ON nth.person_id = reachable.person_id AND nth.channel = reachable.channel
    GROUP BY reachable.person_id
),
steps AS (
    SELECT
        progress.person_id, opted_in_at, state, messages,
        CASE
            WHEN state = 'customer' THEN 'none: a customer'
            WHEN NOT (coalesce(email, false) OR coalesce(sms, false)) THEN 'none: no consent'
            WHEN state = 'tired' THEN 'none: leave alone'
            WHEN state = 'clicked' THEN 'offer'
            WHEN state = 'opened' THEN 'favourite'
            WHEN state = 'silent' THEN 'reminder'
            ELSE 'welcome'
        END AS step,
        CASE
            WHEN state = 'silent' AND sms THEN 'sms'
            WHEN email THEN 'email'
            WHEN sms THEN 'sms'
        END AS channel,
        CASE state
            WHEN 'clicked' THEN last_click + $after_click
            WHEN 'opened' THEN last_sent + $after_open
            WHEN 'silent' THEN last_sent + $after_silence
            ELSE opted_in_at
        END AS planned,
        email_from, sms_from
    FROM progress
    LEFT JOIN channels ON channels.person_id = progress.person_id
    WHERE is_new
)
SELECT
    steps.person_id, opted_in_at, state, messages, step,
    CASE WHEN step NOT LIKE 'none%' THEN channel END AS channel,
    CASE WHEN step NOT LIKE 'none%' THEN
        CAST(date_trunc('day', greatest(
            CAST(CAST($as_of AS DATE) AS TIMESTAMP), CAST(planned AS TIMESTAMP),
            CAST(CASE channel WHEN 'email' THEN email_from WHEN 'sms' THEN sms_from END AS TIMESTAMP)
        )) AS DATE)
    END AS due_on,
    CASE WHEN step NOT LIKE 'none%' THEN category_id END AS category_id,
    coalesce(evidence, 0.0) AS evidence
FROM steps
LEFT JOIN favourites ON favourites.person_id = steps.person_id
