-- By which channels may each prospect be reached, and how tired of each are they? Without a known
-- opt-in there is no consent, and nobody gets more than the cap. The plan knows nothing of its own
-- day, but a refusal on that day counts: messages go out after it is known.
WITH decisions AS (
    SELECT
        person_id, channel,
        consented(status, decided_at, $as_of)
            AND consented(status, decided_at, $as_of + INTERVAL '1 day') AS consented
    FROM consents
    GROUP BY person_id, channel
),
-- Who was erased stays so, whoever brings the address back: `jumeau erase` keeps a fingerprint.
reachable AS (
    SELECT DISTINCT person_id, channel
    FROM addresses
    WHERE address IS NOT NULL AND NOT EXISTS (
        SELECT 1 FROM opposed_addresses AS opposed
        WHERE opposed.person_id = addresses.person_id AND opposed.channel = addresses.channel
    )
),
history AS (
    SELECT
        person_id, channel,
        pressure(sent_at, $half_life, $as_of) AS pressure,
        count(*) FILTER (WHERE sent_at > $as_of - $cap_window) AS recent,
        max(sent_at) AS last_contact
    FROM contacts
    WHERE sent_at <= $as_of
    GROUP BY person_id, channel
)
SELECT
    reachable.person_id,
    reachable.channel,
    coalesce(consented, false) AS consented,
    coalesce(recent, 0) < CASE reachable.channel
        WHEN 'email' THEN $cap_email
        WHEN 'sms' THEN $cap_sms
        ELSE 0
    END AS under_cap,
    coalesce(pressure, 0.0) AS pressure,
    coalesce(recent, 0) AS recent,
    last_contact
FROM reachable
JOIN offers ON offers.person_id = reachable.person_id
LEFT JOIN decisions
    ON decisions.person_id = reachable.person_id AND decisions.channel = reachable.channel
LEFT JOIN history
    ON history.person_id = reachable.person_id AND history.channel = reachable.channel
