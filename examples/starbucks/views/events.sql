-- Two things that a member does: to view an offer, whose kind is the category, and to pay. A payment
-- names no product, so it tells how busy somebody is, not what they like. There are no browsers: the
-- member is the visitor.
SELECT
    happened_at AS event_time,
    person AS visitor_id,
    person AS person_id,
    CASE event WHEN 'offer viewed' THEN 'view' ELSE 'purchase' END AS event_type,
    offer_id AS product_id,
    offer_type AS category_id,
    CAST(NULL AS VARCHAR) AS source
FROM log
LEFT JOIN portfolio ON portfolio.id = offer_id
WHERE event IN ('offer viewed', 'transaction')
