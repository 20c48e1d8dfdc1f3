-- Who brings others? The margin is what the friends have brought within their first horizon so far.
SELECT
    referred_by AS person_id,
    count(*) AS friends,
    count(*) FILTER (WHERE opted_in) AS opt_ins,
    count(*) FILTER (WHERE ordered) AS customers,
    CAST(coalesce(sum(margin), 0) AS DECIMAL(18, 2)) AS margin
FROM signups
WHERE referred_by IS NOT NULL
GROUP BY referred_by
ORDER BY friends DESC, margin DESC, person_id
