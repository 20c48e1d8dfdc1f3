-- Did the score find the buyers? An AUC of 0.5 is chance; the lift is how many times more buyers
-- the best tenth holds than a random tenth. The chance spread is the standard deviation of the AUC of
-- a score that knows nothing: the fewer buyers, the further from 0.5 chance alone may go.
SELECT
    count(*) AS prospects,
    count(*) FILTER (WHERE label) AS buyers,
    avg(CASE WHEN label THEN 1.0 ELSE 0.0 END) AS base_rate,
    auc(score, label) AS auc,
    lift_at(score, label, 0.1) AS lift_at_10,
    auc(score, shuffled_label) AS shuffled_auc,
    lift_at(score, shuffled_label, 0.1) AS shuffled_lift_at_10,
    sqrt(
        (count(*) + 1.0)
        / nullif(12.0 * count(*) FILTER (WHERE label) * count(*) FILTER (WHERE NOT label), 0)
    ) AS chance_spread,
    (SELECT max(order_time) FROM orders) AS observed_until
FROM scores
