-- Why is a prospect not in the plan? The first reason that holds, from the law to the budget.
WITH reached AS (
    SELECT
        offers.person_id,
        count(channels.channel) > 0 AS address,
        coalesce(bool_or(channels.consented), false) AS consented,
        coalesce(bool_or(channels.consented AND channels.under_cap), false) AS under_cap
    FROM offers
    LEFT JOIN channels ON channels.person_id = offers.person_id
    GROUP BY offers.person_id
),
profitable AS (
    SELECT DISTINCT person_id FROM candidates WHERE consented AND allowed AND value > 0
),
-- Erased people whose address came back under another id.
opposed AS (
    SELECT DISTINCT person_id FROM opposed_addresses
),
reasons AS (
    SELECT
        CASE
            WHEN contact_plan.person_id IS NOT NULL THEN 'planned'
            WHEN NOT address AND opposed.person_id IS NOT NULL THEN 'opposition'
            WHEN NOT address THEN 'no address'
            WHEN NOT reached.consented THEN 'no consent'
            WHEN coalesce(last_signs.expired, true) THEN 'retention'
            WHEN NOT under_cap THEN 'cap'
            WHEN profitable.person_id IS NULL THEN 'no profitable channel'
            ELSE 'budget'
        END AS reason
    FROM reached
    LEFT JOIN opposed ON opposed.person_id = reached.person_id
    LEFT JOIN last_signs ON last_signs.person_id = reached.person_id
    LEFT JOIN profitable ON profitable.person_id = reached.person_id
    LEFT JOIN contact_plan ON contact_plan.person_id = reached.person_id
)
SELECT reason, count(*) AS prospects FROM reasons GROUP BY reason ORDER BY prospects DESC, reason
