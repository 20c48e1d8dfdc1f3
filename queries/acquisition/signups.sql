-- Who came in the period, and what came of them? An opt-in counts for the campaign when it was given
-- with the sign-up, even if it was taken back later; the first message tells whether the address works.
-- Orders count within the horizon; who is younger than that has no answer yet.
WITH newcomers AS (
    SELECT * FROM people WHERE created_at <= $as_of AND created_at > $as_of - $period
),
opt_ins AS (
    SELECT
        newcomers.person_id,
        bool_or(channel = 'email') AS email,
        bool_or(channel = 'sms') AS sms
    FROM newcomers
    JOIN consents ON consents.person_id = newcomers.person_id
    WHERE status = 'opt_in' AND decided_at <= created_at + INTERVAL '1 hour' AND decided_at <= $as_of
    GROUP BY newcomers.person_id
),
phones AS (
    SELECT DISTINCT person_id FROM addresses WHERE channel = 'sms' AND address IS NOT NULL
),
first_messages AS (
    SELECT person_id, opened_at <= $as_of AS opened, clicked_at <= $as_of AS clicked
    FROM contacts
    WHERE sent_at <= $as_of - INTERVAL '2 days'
    QUALIFY row_number() OVER (PARTITION BY person_id ORDER BY sent_at, channel) = 1
),
bought AS (
    SELECT newcomers.person_id, sum(margin) AS margin
    FROM newcomers
    JOIN orders ON orders.person_id = newcomers.person_id
    WHERE order_time >= created_at AND order_time <= created_at + $horizon AND order_time <= $as_of
    GROUP BY newcomers.person_id
)
SELECT
    newcomers.person_id, source, created_at, referred_by, declared_category,
    phones.person_id IS NOT NULL AS has_phone,
    coalesce(email, false) AS email_opt_in,
    coalesce(sms, false) AS sms_opt_in,
    coalesce(email, false) OR coalesce(sms, false) AS opted_in,
    first_messages.person_id IS NOT NULL AS got_message,
    coalesce(opened, false) AS opened,
    coalesce(clicked, false) AS clicked,
    CASE WHEN created_at <= $as_of - $horizon THEN bought.person_id IS NOT NULL END AS ordered,
    CASE WHEN created_at <= $as_of - $horizon THEN coalesce(margin, 0) END AS margin
FROM newcomers
LEFT JOIN phones ON phones.person_id = newcomers.person_id
LEFT JOIN opt_ins ON opt_ins.person_id = newcomers.person_id
LEFT JOIN first_messages ON first_messages.person_id = newcomers.person_id
LEFT JOIN bought ON bought.person_id = newcomers.person_id
