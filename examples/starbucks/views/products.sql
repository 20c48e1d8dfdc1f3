-- One row an offer. A shop has a price list; here the price is what a completed offer brought on average
-- over all 30 days, and the margin what was left of it. Offers that only inform cannot be completed and
-- have neither.
SELECT
    id AS product_id,
    offer_type AS category_id,
    CAST(NULL AS VARCHAR) AS brand,
    CAST(avg(revenue) AS DECIMAL(18, 6)) AS price,
    CAST(avg(margin) AS DECIMAL(18, 6)) AS margin
FROM portfolio
LEFT JOIN orders ON orders.product_id = id
GROUP BY id, offer_type
