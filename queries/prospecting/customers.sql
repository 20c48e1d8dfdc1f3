-- Who is a customer? Everybody with an order by the day of the plan; the others are prospects.
SELECT person_id, count(*) AS orders, min(order_time) AS first_order, max(order_time) AS last_order
FROM orders
WHERE order_time <= $as_of
GROUP BY person_id
