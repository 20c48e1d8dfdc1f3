-- Every click is a view of a model. The file has a date and a click number, but no clock time: the
-- number stands for the seconds after midnight, which keeps the order and nothing more.
-- Visitors are known only per session: each session is taken as one anonymous person, so that its
-- taste can be told. Nobody is recognised when they come back.
SELECT
    to_timestamp(concat_ws('-', year, month, day), '%Y-%m-%d') + CAST("order" || ' seconds' AS INTERVAL)
        AS event_time,
    "session.ID" AS visitor_id,
    "session.ID" AS person_id,
    'view' AS event_type,
    "page.2..clothing.model." AS product_id,
    CASE "page.1..main.category."
        WHEN 1 THEN 'trousers' WHEN 2 THEN 'skirts' WHEN 3 THEN 'blouses' WHEN 4 THEN 'sale'
    END AS category_id,
    CAST(NULL AS VARCHAR) AS source
FROM clicks
