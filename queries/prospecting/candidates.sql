-- Which contacts could be made, which of them may be, and what are they worth? The value is the margin
-- of the offer times the chance of an order, less the message and less what an opt-out would lose.
-- A person of unknown source is as ready as the average.
WITH possible AS (
    SELECT
        channels.person_id,
        channels.channel,
        channels.consented,
        channels.under_cap AND NOT coalesce(last_signs.expired, true) AS allowed,
        offers.product_id,
        offers.margin,
        responses.order_rate * coalesce(readiness.readiness, 1.0) AS order_rate,
        responses.opt_out_rate,
        channel_cost(channels.channel, 1) AS cost
    FROM channels
    JOIN offers ON offers.person_id = channels.person_id
    JOIN people ON people.person_id = channels.person_id
    LEFT JOIN last_signs ON last_signs.person_id = channels.person_id
    LEFT JOIN readiness ON readiness.source = people.source
    JOIN responses
        ON responses.channel = channels.channel AND responses.recent = least(5, channels.recent)
),
priced AS (
    SELECT
        person_id, channel, cost, consented, allowed,
        expected_margin(least(1.0, order_rate), margin, cost, opt_out_rate, $future_value) AS value,
        product_id, order_rate, opt_out_rate
    FROM possible
)
SELECT * FROM priced
