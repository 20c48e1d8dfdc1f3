-- The same a horizon earlier: nothing of it had seen what the proof is about.
WITH known AS (
    SELECT converted, features.*
    FROM features
    JOIN prospects ON prospects.person_id = features.person_id AND prospects.described_at = features.described_at
    WHERE features.described_at = $as_of - $horizon - $horizon
)
SELECT feature, value, low, high, weight, seed_n, base_n
FROM lookalike_weights(
    (SELECT * EXCLUDE (converted, described_at) FROM known WHERE converted),
    (SELECT * EXCLUDE (converted, described_at) FROM known WHERE NOT converted),
    method => $method, alpha => $alpha
)
