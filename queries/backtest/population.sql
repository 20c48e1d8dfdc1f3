-- Who was known at the cut-off, who had bought by then, and who bought within the horizon?
-- A customer is described as before the first order: what they did as a customer would not help
-- to find others.
WITH first_orders AS (
    SELECT person_id, min(order_time) AS first_order
    FROM orders
    GROUP BY person_id
)
SELECT
    people.person_id, sex, age_band, region, source,
    coalesce(first_order <= $cut_off, false) AS is_customer,
    coalesce(first_order > $cut_off AND first_order <= $cut_off + $horizon, false) AS label,
    CASE
        WHEN first_order <= $cut_off THEN date_trunc('day', first_order)
        ELSE CAST($cut_off AS TIMESTAMP)
    END AS seen_until
FROM people
LEFT JOIN first_orders ON first_orders.person_id = people.person_id
WHERE created_at <= $cut_off
