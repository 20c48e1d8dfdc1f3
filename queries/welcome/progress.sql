-- What did each newcomer get and do by that moment? Whoever ordered is a customer, and whoever clicked
-- is further than who opened. `silent` got messages and opened none; after `max_silent` of them, `tired`.
WITH answers AS (
    SELECT
        newcomers.person_id,
        count(*) AS messages,
        count(*) FILTER (WHERE opened_at <= moment) AS opened,
        count(*) FILTER (WHERE clicked_at <= moment) AS clicked,
        max(sent_at) AS last_sent,
        max(CASE WHEN clicked_at <= moment THEN clicked_at END) AS last_click
    FROM newcomers
    JOIN contacts ON contacts.person_id = newcomers.person_id
    WHERE sent_at >= opted_in_at AND sent_at <= moment AND sent_at <= $as_of
    GROUP BY newcomers.person_id
),
customers AS (
    SELECT newcomers.person_id, min(order_time) AS first_order
    FROM newcomers
    JOIN orders ON orders.person_id = newcomers.person_id
    WHERE order_time <= moment AND order_time <= $as_of
    GROUP BY newcomers.person_id
)
SELECT
    newcomers.person_id, opted_in_at, is_new, moment,
    coalesce(messages, 0) AS messages,
    coalesce(opened, 0) AS opened,
    coalesce(clicked, 0) AS clicked,
    last_sent, last_click,
    CASE
        WHEN first_order IS NOT NULL THEN 'customer'
        WHEN clicked > 0 THEN 'clicked'
        WHEN opened > 0 THEN 'opened'
        WHEN messages >= $max_silent THEN 'tired'
        WHEN messages > 0 THEN 'silent'
        ELSE 'no message'
    END AS state
FROM newcomers
LEFT JOIN answers ON answers.person_id = newcomers.person_id
LEFT JOIN customers ON customers.person_id = newcomers.person_id
