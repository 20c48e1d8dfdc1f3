-- Which of today's prospects resemble the seed most? The probability is that of an order within the next horizon,
-- if it goes as in the last one.
SELECT id AS person_id, score, probability, matched, rank
FROM lookalike_expand(
    (SELECT * EXCLUDE (described_at) FROM features WHERE described_at = $as_of),
    weights, size => $size
)
