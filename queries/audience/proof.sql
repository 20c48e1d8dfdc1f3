-- Did the score find those who ordered? An AUC of 0.5 is chance; the lift is how many times more of them the best
-- tenth holds than a random tenth. The chance spread is the standard deviation of the AUC of a score that knows
-- nothing: the fewer orders, the further from 0.5 chance alone may go.
WITH figures AS (
    SELECT
        count(*) AS prospects,
        count(*) FILTER (WHERE converted) AS converted,
        auc_ci(score, converted) AS auc,
        lift_at(score, converted, 0.1) AS lift_at_10,
        calibration_error(probability, converted) AS calibration_error,
        auc(score, shuffled) AS shuffled_auc
    FROM proof_scores
)
SELECT
    prospects, converted,
    round(auc['auc'], 4) AS auc, round(auc['low'], 4) AS auc_low, round(auc['high'], 4) AS auc_high,
    round(lift_at_10, 3) AS lift_at_10, round(calibration_error, 4) AS calibration_error,
    round(shuffled_auc, 4) AS shuffled_auc,
    round(sqrt((prospects + 1.0) / nullif(12.0 * converted * (prospects - converted), 0)), 4) AS chance_spread,
    (SELECT max(order_time) FROM orders) AS observed_until
FROM figures
