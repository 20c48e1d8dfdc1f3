-- Which messages should never have gone out? Only what was decided before a message can allow it.
SELECT contacts.person_id, contacts.channel, contacts.campaign, contacts.sent_at
FROM contacts
LEFT JOIN consents
    ON consents.person_id = contacts.person_id AND consents.channel = contacts.channel
WHERE sent_at <= $as_of
GROUP BY contacts.person_id, contacts.channel, contacts.campaign, contacts.sent_at
HAVING NOT consented(status, decided_at, sent_at)
