-- Who had never ordered by each day, and who of them did within the horizon after it? All are described at the
-- same day: a customer described before the first order and a prospect described today would differ by that alone.
WITH first_orders AS (
    SELECT person_id, min(order_time) AS first_order
    FROM orders
    WHERE order_time <= $as_of
    GROUP BY person_id
)
SELECT
    described_at, people.person_id, sex, age_band, region, source, declared_category, created_at,
    CASE
        WHEN described_at < $as_of
        THEN coalesce(first_order <= described_at + $horizon, false)
    END AS converted
FROM people
CROSS JOIN moments
LEFT JOIN first_orders ON first_orders.person_id = people.person_id
WHERE created_at <= described_at AND (first_order IS NULL OR first_order > described_at)
