-- One row a model. One of the 217 was clicked once in a category that is not its own: the usual one
-- counts. The price is in US dollars; brand and margin are not in the file.
WITH shown AS (
    SELECT
        "page.2..clothing.model." AS product_id,
        CASE "page.1..main.category."
            WHEN 1 THEN 'trousers' WHEN 2 THEN 'skirts' WHEN 3 THEN 'blouses' WHEN 4 THEN 'sale'
        END AS category_id,
        price,
        count(*) AS clicks
    FROM clicks
    GROUP BY ALL
)
SELECT
    product_id,
    category_id,
    CAST(NULL AS VARCHAR) AS brand,
    CAST(price AS DECIMAL(18, 6)) AS price,
    CAST(NULL AS DECIMAL(18, 6)) AS margin
FROM shown
QUALIFY row_number() OVER (PARTITION BY product_id ORDER BY clicks DESC, category_id, price) = 1
