-- May each address be written to, and if not, what is missing? Without a known opt-in there is no
-- consent; a tie counts as refusal.
WITH decisions AS (
    SELECT
        person_id, channel,
        consented(status, decided_at, $as_of) AS consented,
        max(decided_at) AS decided_at
    FROM consents
    WHERE decided_at <= $as_of
    GROUP BY person_id, channel
),
reachable AS (
    SELECT DISTINCT addresses.person_id, addresses.channel
    FROM addresses
    JOIN people ON people.person_id = addresses.person_id
    WHERE address IS NOT NULL AND created_at <= $as_of
),
standing AS (
    SELECT
        coalesce(reachable.person_id, decisions.person_id) AS person_id,
        coalesce(reachable.channel, decisions.channel) AS channel,
        coalesce(consented, false) AS consented,
        decided_at,
        reachable.person_id IS NOT NULL AS has_address
    FROM reachable
    FULL JOIN decisions
        ON decisions.person_id = reachable.person_id AND decisions.channel = reachable.channel
)
SELECT
    person_id, channel, consented, decided_at, has_address,
    CASE
        WHEN decided_at IS NULL THEN 'never asked'
        WHEN NOT consented THEN 'refused'
        WHEN NOT has_address THEN 'no address'
        WHEN retention_due(decided_at, $as_of, $consent_age) THEN 'too old'
        ELSE 'fine'
    END AS finding
FROM standing
