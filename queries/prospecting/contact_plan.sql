-- Which contacts to make within the budget? At most one channel a person: each euro goes where it
-- brings most, first to the cheap channel, then to the step up to the better one, if that step pays
-- less per euro than the cheap channel did; otherwise the cheap one is not worth a look.
-- stand-in: replaced by contact_plan(candidates, budget => $budget); exact for two channels
WITH options AS (
    SELECT
        person_id, channel, cost, value,
        max(value) OVER (
            PARTITION BY person_id ORDER BY cost, value DESC, channel
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) AS value_of_cheaper
    FROM candidates
),
useful AS (
    SELECT
        person_id, channel, cost, value,
        (lead(value) OVER steps - value) / CAST(lead(cost) OVER steps - cost AS DOUBLE) AS next_efficiency
    FROM options
    WHERE value_of_cheaper IS NULL OR value > value_of_cheaper
    WINDOW steps AS (PARTITION BY person_id ORDER BY cost)
),
steps AS (
    SELECT
        person_id, channel, cost, value,
        cost - lag(cost, 1, 0) OVER steps AS step_cost,
        (value - lag(value, 1, 0) OVER steps)
            / CAST(cost - lag(cost, 1, 0) OVER steps AS DOUBLE) AS efficiency
    FROM useful
    WHERE next_efficiency IS NULL OR next_efficiency <= value / CAST(cost AS DOUBLE)
    WINDOW steps AS (PARTITION BY person_id ORDER BY cost)
),
spent AS (
    SELECT
        *,
        sum(step_cost) OVER (ORDER BY efficiency DESC, person_id, cost ROWS UNBOUNDED PRECEDING) AS spend
    FROM steps
),
taken AS (
    SELECT person_id, channel, cost, value, efficiency
    FROM spent
    WHERE spend <= CAST($budget AS DECIMAL(18, 6))
    QUALIFY row_number() OVER (PARTITION BY person_id ORDER BY cost DESC) = 1
)
SELECT
    person_id, channel, CAST(cost AS DECIMAL(18, 6)) AS cost, value, efficiency,
    row_number() OVER (ORDER BY efficiency DESC, person_id) AS rank
FROM taken
