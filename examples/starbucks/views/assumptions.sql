-- What the data does not say and somebody must decide: the day of hour 0, after the last member had
-- joined (2018-07-26), and the share of a payment that is left before the reward.
SELECT TIMESTAMP '2018-08-01 00:00:00' AS start, CAST(0.6 AS DECIMAL(3, 2)) AS gross_margin
