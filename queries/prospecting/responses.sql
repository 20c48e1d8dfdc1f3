-- How often does a message lead to an order or to an opt-out? That depends on how many messages the
-- person got before it. Each rate is pulled towards the one of its channel, which counts for 500
-- messages: what a few people did is no rule. The latest messages are left out, as their answers may yet
-- come: counting them as refused would make the persons with most messages look tired.
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
    WHERE sent.sent_at <= $as_of - $answer_time
    GROUP BY sent.channel, recent
),
rates AS (
    SELECT
        *,
        sum(orders) OVER channel / CAST(sum(messages) OVER channel AS DOUBLE) AS channel_orders,
        sum(opt_outs) OVER channel / CAST(sum(messages) OVER channel AS DOUBLE) AS channel_opt_outs
    FROM counts
    WINDOW channel AS (PARTITION BY channel)
),
-- Where nobody got so many messages yet, the closest smaller number that somebody got tells the rate:
-- the average of the channel would forget that messages tire.
steps AS (
    SELECT DISTINCT rates.channel, step.recent
    FROM rates
    CROSS JOIN (VALUES (0), (1), (2), (3), (4), (5)) AS step (recent)
),
shrunk AS (
    SELECT
        steps.channel, steps.recent, messages, orders, opt_outs,
        (orders + 500 * channel_orders) / (messages + 500) AS order_rate,
        (opt_outs + 500 * channel_opt_outs) / (messages + 500) AS opt_out_rate
    FROM steps
    LEFT JOIN rates ON rates.channel = steps.channel AND rates.recent = steps.recent
)
SELECT
    channel, recent,
    coalesce(messages, 0) AS messages, coalesce(orders, 0) AS orders, coalesce(opt_outs, 0) AS opt_outs,
    coalesce(
        last_value(order_rate) IGNORE NULLS OVER fewer, first_value(order_rate) IGNORE NULLS OVER more
    ) AS order_rate,
    coalesce(
        last_value(opt_out_rate) IGNORE NULLS OVER fewer, first_value(opt_out_rate) IGNORE NULLS OVER more
    ) AS opt_out_rate
FROM shrunk
WINDOW
    fewer AS (PARTITION BY channel ORDER BY recent ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW),
    more AS (PARTITION BY channel ORDER BY recent ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING)
