-- How often does a message lead to an order or to an opt-out? That depends on how many messages the
-- person got before it. Each rate is pulled towards the one of its channel, which counts for 500
-- messages: what a few people did is no rule.
WITH sent AS (
    SELECT
        person_id, channel, sent_at, responded_at,
        least(5, count(*) OVER (
            PARTITION BY person_id, channel ORDER BY sent_at
            RANGE BETWEEN $cap_window PRECEDING AND CURRENT ROW
        ) - 1) AS recent
    FROM contacts
    WHERE sent_at <= $as_of
),
-- An order belongs to a message when it comes within a day of the answer.
ordered AS (
    SELECT DISTINCT sent.person_id, channel, sent_at
    FROM sent
    JOIN orders ON orders.person_id = sent.person_id
    WHERE order_time >= responded_at AND order_time <= responded_at + INTERVAL '1 day'
        AND order_time <= $as_of
),
refused AS (
    SELECT DISTINCT sent.person_id, sent.channel, sent_at
    FROM sent
    JOIN consents ON consents.person_id = sent.person_id AND consents.channel = sent.channel
    WHERE status = 'opt_out' AND decided_at > sent_at
        AND decided_at <= sent_at + INTERVAL '1 day' AND decided_at <= $as_of
),
counts AS (
    SELECT
        sent.channel, recent,
        count(*) AS messages, count(ordered.sent_at) AS orders, count(refused.sent_at) AS opt_outs
    FROM sent
    LEFT JOIN ordered USING (person_id, channel, sent_at)
    LEFT JOIN refused USING (person_id, channel, sent_at)
    GROUP BY sent.channel, recent
),
rates AS (
    SELECT
        *,
        sum(orders) OVER channel / CAST(sum(messages) OVER channel AS DOUBLE) AS channel_orders,
        sum(opt_outs) OVER channel / CAST(sum(messages) OVER channel AS DOUBLE) AS channel_opt_outs
    FROM counts
    WINDOW channel AS (PARTITION BY channel)
)
SELECT
    channel, recent, messages, orders, opt_outs,
    (orders + 500 * channel_orders) / (messages + 500) AS order_rate,
    (opt_outs + 500 * channel_opt_outs) / (messages + 500) AS opt_out_rate
FROM rates
