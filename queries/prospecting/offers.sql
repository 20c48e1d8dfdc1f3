-- Which product to show to each prospect? What their twins bought; else what sells best in the
-- category that they like most; else what sells best of all.
WITH sales AS (
    SELECT product AS product_id, category_id, round(sum(recency), 9) AS sold
    FROM recent_purchases
    JOIN products ON products.product_id = recent_purchases.product
    GROUP BY product, category_id
),
best_of_category AS (
    SELECT category_id, product_id, sold
    FROM sales
    QUALIFY row_number() OVER (PARTITION BY category_id ORDER BY sold DESC, product_id) = 1
),
best_of_all AS (
    SELECT product_id FROM best_of_category ORDER BY sold DESC, product_id LIMIT 1
),
favourites AS (
    SELECT person_id, category_id
    FROM interests
    WHERE share IS NOT NULL
    QUALIFY row_number() OVER (PARTITION BY person_id ORDER BY share DESC, category_id) = 1
),
choices AS (
    SELECT
        people.person_id,
        twin_products.product AS of_twins,
        best_of_category.product_id AS of_category,
        coalesce(twin_products.product, best_of_category.product_id, best_of_all.product_id) AS product_id,
        twin_products.lift
    FROM people
    CROSS JOIN best_of_all
    LEFT JOIN twin_products ON twin_products.prospect = people.person_id AND twin_products.rank = 1
    LEFT JOIN favourites ON favourites.person_id = people.person_id
    LEFT JOIN best_of_category ON best_of_category.category_id = favourites.category_id
    WHERE people.created_at <= $as_of
        AND NOT EXISTS (SELECT 1 FROM customers WHERE customers.person_id = people.person_id)
)
SELECT
    person_id, choices.product_id, category_id, brand, price, margin, lift,
    CASE
        WHEN of_twins IS NOT NULL THEN 'twins'
        WHEN of_category IS NOT NULL THEN 'category'
        ELSE 'bestseller'
    END AS reason
FROM choices
JOIN products ON products.product_id = choices.product_id
