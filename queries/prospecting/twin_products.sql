-- What did the customers like a prospect buy, more than others did? Without the prior, the few
-- purchases of ten twins would lose to plain popularity.
-- stand-in: replaced by twin_products(similar_customers, (SELECT … FROM orders), k => 10)
WITH popularity AS (
    SELECT product, sum(recency) / (SELECT count(*) FROM customers) AS prior
    FROM recent_purchases
    GROUP BY product
),
audience AS (
    SELECT prospect, sum(similarity) AS similarity
    FROM similar_customers
    GROUP BY prospect
),
votes AS (
    SELECT prospect, product, sum(similarity * recency) AS vote, count(*) AS twins
    FROM similar_customers
    JOIN recent_purchases ON recent_purchases.customer = similar_customers.customer
    GROUP BY prospect, product
    HAVING count(*) >= $min_twins
),
scores AS (
    SELECT
        votes.prospect, votes.product, twins, prior,
        round((vote + 20 * prior) / (audience.similarity + 20), 12) AS score
    FROM votes
    JOIN audience ON audience.prospect = votes.prospect
    JOIN popularity ON popularity.product = votes.product
)
SELECT
    prospect, product, score, round(score / prior, 9) AS lift, twins,
    row_number() OVER (PARTITION BY prospect ORDER BY score DESC, twins DESC, product) AS rank
FROM scores
QUALIFY rank <= 10
