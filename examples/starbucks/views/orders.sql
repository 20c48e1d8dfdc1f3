-- One row a completed offer: the offer is the product. The payment of the same hour completed it; one
-- payment may complete several offers and is then shared among them. The reward is a cost.
WITH payments AS (
    SELECT person, happened_at, sum(amount) AS amount
    FROM log
    WHERE event = 'transaction'
    GROUP BY person, happened_at
),
completed AS (
    SELECT
        log.person, log.happened_at, offer_id, reward,
        payments.amount / count(*) OVER (PARTITION BY log.person, log.happened_at) AS revenue
    FROM log
    JOIN payments ON payments.person = log.person AND payments.happened_at = log.happened_at
    WHERE event = 'offer completed'
)
SELECT
    row_number() OVER (ORDER BY happened_at, person, offer_id) AS order_id,
    person AS person_id,
    offer_id AS product_id,
    happened_at AS order_time,
    1 AS quantity,
    CAST(revenue AS DECIMAL(18, 6)) AS revenue,
    CAST(revenue * gross_margin - reward AS DECIMAL(18, 6)) AS margin
FROM completed
CROSS JOIN assumptions
