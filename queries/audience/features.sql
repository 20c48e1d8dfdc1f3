-- What was known of each prospect at the day? Steps are runs of two categories, one after the other. Who never
-- came has no categories and no steps; what is unknown stays NULL, which is a value of its own for the weights.
WITH owners AS (
    SELECT visitor_id, min(person_id) AS person_id
    FROM events
    WHERE person_id IS NOT NULL AND event_time <= $as_of
    GROUP BY visitor_id
    HAVING count(DISTINCT person_id) = 1
),
seen AS (
    SELECT
        described_at, owners.person_id,
        count(*) AS clicks,
        floor(date_part('epoch', described_at - max(event_time)) / 86400) AS days_since_click,
        round(decayed_sum(1, event_time, $half_life, described_at), 2) AS interest,
        bool_or(event_type = 'search') AS searched,
        bool_or(event_type = 'add_to_cart') AS put_in_cart,
        array_agg(category_id ORDER BY event_time, category_id) FILTER (WHERE category_id IS NOT NULL) AS path
    FROM events
    JOIN owners ON owners.visitor_id = events.visitor_id
    JOIN moments ON event_time <= described_at
    GROUP BY described_at, owners.person_id
)
SELECT
    prospects.described_at, prospects.person_id, sex, age_band, region, source, declared_category,
    floor(date_part('epoch', prospects.described_at - created_at) / 86400) AS days_since_signup,
    coalesce(clicks, 0) AS clicks, days_since_click, coalesce(interest, 0) AS interest,
    coalesce(searched, false) AS searched, coalesce(put_in_cart, false) AS put_in_cart,
    arrow_cast(coalesce(array_distinct(path), make_array()), 'List(Utf8)') AS categories,
    arrow_cast(coalesce(path_ngrams(path, 2), make_array()), 'List(Utf8)') AS steps
FROM prospects
LEFT JOIN seen ON seen.person_id = prospects.person_id AND seen.described_at = prospects.described_at
