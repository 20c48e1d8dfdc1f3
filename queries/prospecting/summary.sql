-- What does the plan do, by channel and in all?
SELECT
    coalesce(channel, 'total') AS channel,
    count(*) AS contacts,
    sum(cost) AS cost,
    CAST(1000 * sum(cost) / count(*) AS DECIMAL(18, 2)) AS cost_per_thousand,
    CAST(sum(value) AS DECIMAL(18, 2)) AS expected_margin,
    CAST(sum(value) / nullif(sum(cost), 0) AS DECIMAL(18, 2)) AS margin_per_euro
FROM contact_plan
GROUP BY ROLLUP (channel)
ORDER BY grouping(contact_plan.channel), contacts
