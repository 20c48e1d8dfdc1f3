-- One row a member. Age 118 means unknown, and sex is missing for the same people; 'O' (other) is
-- NULL too, because the packs know F and M. Income has no column in Jumeau and is left out.
SELECT
    id AS person_id,
    CASE WHEN gender IN ('F', 'M') THEN gender END AS sex,
    CASE
        WHEN age = 118 THEN NULL
        WHEN age < 25 THEN '18-24'
        WHEN age < 35 THEN '25-34'
        WHEN age < 45 THEN '35-44'
        WHEN age < 55 THEN '45-54'
        WHEN age < 65 THEN '55-64'
        ELSE '65+'
    END AS age_band,
    CAST(NULL AS VARCHAR) AS region,
    CAST(NULL AS VARCHAR) AS source,
    to_timestamp(became_member_on, '%Y%m%d') AS created_at,
    CAST(NULL AS VARCHAR) AS referred_by,
    CAST(NULL AS VARCHAR) AS declared_category
FROM profile
