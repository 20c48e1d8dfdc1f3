-- What did the customers like a prospect buy, more than others did? Without the prior, the few
-- purchases of a few twins would lose to plain popularity.
SELECT prospect, product, score, lift, twins, rank
FROM twin_products(
    similar_customers,
    (SELECT person_id, product_id, order_time FROM orders),
    half_life => $purchase_half_life, as_of => $as_of, min_twins => $min_twins
)
