-- Who must not be written to, by which channel, and was that kept? The list holds no address: it is
-- joined to the addresses where messages are sent from. Opposed are those whose last word is no.
WITH refused AS (
    SELECT
        person_id, channel,
        max(decided_at) FILTER (WHERE status = 'opt_out') AS since,
        consented(status, decided_at, $as_of) AS consented
    FROM consents
    WHERE decided_at <= $as_of
    GROUP BY person_id, channel
)
SELECT
    refused.person_id, refused.channel, since,
    count(contacts.sent_at) AS messages_after,
    max(contacts.sent_at) AS last_sent
FROM refused
LEFT JOIN contacts
    ON contacts.person_id = refused.person_id AND contacts.channel = refused.channel
    AND contacts.sent_at > since AND contacts.sent_at <= $as_of
WHERE NOT consented AND since IS NOT NULL
GROUP BY refused.person_id, refused.channel, since
