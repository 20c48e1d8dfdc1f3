-- When are people described? Before a horizon whose outcome is known, to learn; before today, to choose. Once
-- more a horizon earlier, to see whether what was learned then came true. Times before a day are known on it.
SELECT $as_of - $horizon - $horizon AS described_at, 'learn for the proof' AS purpose
UNION ALL
SELECT $as_of - $horizon, 'prove, and learn for today'
UNION ALL
SELECT CAST($as_of AS TIMESTAMP), 'choose'
