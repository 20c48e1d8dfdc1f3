-- What did each customer buy, and how recently? The last purchase of a product fades from 1 to 0.
WITH latest AS (
    SELECT person_id, product_id, max(order_time) AS order_time
    FROM orders
    WHERE order_time <= $as_of
    GROUP BY person_id, product_id
)
SELECT
    person_id AS customer,
    product_id AS product,
    affinity(1, order_time, $purchase_half_life, $as_of)['score'] AS recency
FROM latest
GROUP BY person_id, product_id
