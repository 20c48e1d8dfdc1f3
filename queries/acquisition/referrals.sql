-- What do referrals bring? People sent by somebody who had ordered, sent by somebody who had not, and
-- people who came alone; whoever is younger than the horizon is not in the rates of orders.
WITH first_orders AS (
    SELECT person_id, min(order_time) AS first_order FROM orders WHERE order_time <= $as_of GROUP BY person_id
),
ways AS (
    SELECT
        CASE
            WHEN referred_by IS NULL THEN 'alone'
            WHEN first_order <= created_at THEN 'sent by a customer'
            ELSE 'sent by a prospect'
        END AS came,
        opted_in, ordered, margin
    FROM signups
    LEFT JOIN first_orders ON first_orders.person_id = signups.referred_by
)
SELECT
    came,
    count(*) AS people,
    round(count(*) FILTER (WHERE opted_in) / CAST(count(*) AS DOUBLE), 4) AS opt_in_rate,
    count(ordered) AS old_enough,
    round(min_support(
        count(*) FILTER (WHERE ordered) / CAST(nullif(count(ordered), 0) AS DOUBLE),
        count(ordered), $min_people
    ), 4) AS order_rate,
    round(wilson_lower(count(*) FILTER (WHERE ordered), count(ordered)), 4) AS order_low,
    round(wilson_upper(count(*) FILTER (WHERE ordered), count(ordered)), 4) AS order_high,
    CAST(
        min_support(sum(margin) / nullif(count(ordered), 0), count(ordered), $min_people)
        AS DECIMAL(18, 2)
    ) AS margin_per_person
FROM ways
GROUP BY came
ORDER BY came
