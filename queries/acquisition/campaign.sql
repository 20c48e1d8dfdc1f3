-- How good was an incentive campaign? Each step is a share of the step before it, with Wilson's
-- interval; `cost_per_one` is all that was spent by the people who got so far: the incentive and one
-- message for each opt-in.
WITH steps (position, step, reached, of) AS (
    VALUES
        (1, 'left a phone number', $phones, $leads),
        (2, 'opened', $opens, $phones),
        (3, 'clicked', $clicks, $phones),
        (4, 'clicked after opening', $clicks, $opens)
)
SELECT
    step, reached, of,
    round(CAST(reached AS DOUBLE) / nullif(of, 0), 4) AS rate,
    round(wilson_lower(reached, of), 4) AS low,
    round(wilson_upper(reached, of), 4) AS high,
    CAST(
        $phones * (CAST($incentive AS DECIMAL(18, 6)) + channel_cost($channel, 1)) / nullif(reached, 0)
        AS DECIMAL(18, 2)
    ) AS cost_per_one
FROM steps
ORDER BY position
