-- At which pressure does a message stop paying? A band with few messages is pulled towards its channel,
-- by as much as the bands of that channel agree (`beta_fit`); below `min_messages` it has no rate. An
-- order brings what orders brought so far, an opt-out costs `future_value`.
WITH counts AS (
    SELECT
        channel, band, count(*) AS messages,
        count(*) FILTER (WHERE opened) AS opens,
        count(*) FILTER (WHERE ordered) AS orders,
        count(*) FILTER (WHERE opted_out) AS opt_outs
    FROM messages
    GROUP BY channel, band
),
priors AS (
    SELECT
        channel,
        beta_fit(orders, messages) AS ordering,
        beta_fit(opt_outs, messages) AS refusing
    FROM counts
    GROUP BY channel
),
average_order AS (
    SELECT CAST(sum(margin) / count(*) AS DOUBLE) AS margin FROM orders WHERE order_time <= $as_of
),
rates AS (
    SELECT
        counts.channel, band, messages, opens, orders, opt_outs,
        min_support(
            shrunk_rate(orders, messages, ordering['rate'], coalesce(ordering['strength'], 1e9)),
            messages, $min_messages
        ) AS order_rate,
        min_support(
            shrunk_rate(opt_outs, messages, refusing['rate'], coalesce(refusing['strength'], 1e9)),
            messages, $min_messages
        ) AS opt_out_rate
    FROM counts
    JOIN priors ON priors.channel = counts.channel
)
SELECT
    channel, band, messages,
    round(min_support(opens / CAST(messages AS DOUBLE), messages, $min_messages), 4) AS open_rate,
    round(wilson_lower(opens, messages), 4) AS open_low,
    round(wilson_upper(opens, messages), 4) AS open_high,
    round(order_rate, 6) AS order_rate,
    round(opt_out_rate, 6) AS opt_out_rate,
    round(
        expected_margin(order_rate, margin, channel_cost(channel, 1), opt_out_rate, $future_value), 4
    ) AS next_is_worth,
    -- What an opt-out may cost before the message no longer pays.
    CAST(
        expected_margin(order_rate, margin, channel_cost(channel, 1)) / nullif(opt_out_rate, 0)
        AS DECIMAL(18, 2)
    ) AS opt_out_may_cost
FROM rates
CROSS JOIN average_order
ORDER BY channel, band
