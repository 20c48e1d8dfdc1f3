//! What is not there: NULL, empty groups, unknown consent.

use sqllogictest::DB;

use crate::calls::{CALLS, Kind};
use crate::{aggregates, is_aggregate, rows, session, show};

/// NULL key, time or item in a row: the row is ignored.
#[test]
fn rows_with_a_null_are_ignored() {
    let mut session = session(&[]);
    session
        .run("CREATE TABLE doubled AS SELECT *, false AS copy FROM events UNION ALL SELECT *, true FROM events")
        .unwrap();
    for call in CALLS {
        let needed =
            call.of(|kind| matches!(kind, Kind::Time | Kind::Number(_) | Kind::Label | Kind::Key));
        for (position, &(argument, _, sample)) in needed {
            let with_nulls = call.with(position, &format!("CASE WHEN NOT copy THEN {sample} END"));
            let (name, whole) = (
                call.name,
                rows(&mut session, &show(call.name, &call.sql(), "events")),
            );
            if is_aggregate(name) {
                // A cut is the same for all rows.
                let ignored = rows(&mut session, &show(name, &with_nulls, "doubled"));
                assert_eq!(ignored, whole, "{name}: NULL {argument}");
            } else {
                let all = format!("(SELECT id, copy, {with_nulls} AS x FROM doubled)");
                let ignored = rows(
                    &mut session,
                    &format!("SELECT id, x FROM {all} WHERE NOT copy ORDER BY id"),
                );
                assert_eq!(ignored, whole, "{name}: NULL {argument}");
                let unknown = format!("SELECT DISTINCT x FROM {all} WHERE copy");
                assert_eq!(
                    rows(&mut session, &unknown),
                    "NULL",
                    "{name}: NULL {argument}"
                );
            }
        }
    }
}

/// NULL condition: false.
#[test]
fn a_null_condition_is_false() {
    let mut session = session(&[]);
    for call in CALLS {
        for (position, &(argument, _, sample)) in call.of(|kind| kind == Kind::Condition) {
            let null = call.with(position, &format!("CASE WHEN {sample} THEN true END"));
            assert_eq!(
                rows(&mut session, &show(call.name, &null, "events")),
                rows(&mut session, &show(call.name, &call.sql(), "events")),
                "{}: {argument}",
                call.name
            );
        }
    }
}

/// Empty group: counts are 0; rates and scores are NULL, never NaN or 0.
#[test]
fn an_empty_group_has_counts_of_zero_and_no_scores() {
    for partitions in ["1", "4"] {
        let mut session = session(&[("datafusion.execution.target_partitions", partitions)]);
        for call in aggregates() {
            let sql = call.sql();
            for (how, query) in [
                ("no rows", format!("SELECT {sql} FROM events WHERE id < 0")),
                (
                    "filtered",
                    format!("SELECT {sql} FILTER (WHERE id < 0) FROM events GROUP BY g LIMIT 1"),
                ),
                (
                    "subquery",
                    format!(
                        "SELECT (SELECT {sql} FROM events AS e WHERE e.id = o.id) FROM (VALUES (-1)) AS o(id)"
                    ),
                ),
                (
                    "empty frame",
                    format!(
                        "SELECT x FROM (SELECT id, {sql} OVER (ORDER BY id ROWS BETWEEN 1 FOLLOWING AND 3 FOLLOWING) AS x \
                         FROM events) WHERE id = 40"
                    ),
                ),
                (
                    "empty frame from the start",
                    format!(
                        "SELECT x FROM (SELECT id, {sql} OVER (ORDER BY id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS x \
                         FROM events) WHERE id = 1"
                    ),
                ),
            ] {
                assert_eq!(
                    rows(&mut session, &query),
                    call.empty,
                    "{}: {how}",
                    call.name
                );
            }
        }
    }
}

/// Unknown sex, age band …: never matches, not even another unknown.
#[test]
fn the_unknown_matches_nothing() {
    let mut session = session(&[]);
    let mut one = |sql: &str| rows(&mut session, &format!("SELECT {sql}"));
    assert_eq!(
        one("gower({'sex': NULL::TEXT}, {'sex': NULL::TEXT})"),
        "NULL"
    );
    assert_eq!(
        one("gower({'sex': NULL::TEXT, 'band': '30-39'}, {'sex': NULL::TEXT, 'band': '40-49'})"),
        "0.0"
    );
    assert_eq!(one("jaccard([NULL], [NULL])"), "NULL");
    assert_eq!(one("jaccard([NULL, 'a'], [NULL, 'b'])"), "0.0");
    assert_eq!(one("overlap_coefficient([NULL, 'a'], [NULL, 'b'])"), "0.0");
    assert_eq!(
        one(
            "weighted_jaccard(MAP {'a': NULL::DOUBLE, 'b': 1.0}, MAP {'a': NULL::DOUBLE, 'c': 1.0})"
        ),
        "0.0"
    );
}

/// Unknown consent: no consent.
#[test]
fn unknown_consent_is_none() {
    let mut session = session(&[]);
    let mut one = |sql: &str| rows(&mut session, &format!("SELECT {sql}"));
    assert_eq!(
        one("consented(NULL, DATE '2026-06-01', DATE '2026-06-15')"),
        "false"
    );
    assert_eq!(
        one("consented('opt_in', NULL::DATE, DATE '2026-06-15')"),
        "false"
    );
    assert_eq!(one("consented('opt_in', DATE '2026-06-01', NULL)"), "false");
    assert_eq!(
        one("consented('opt_in', DATE '2026-06-15', DATE '2026-06-15')"),
        "true"
    );
    assert_eq!(
        one("next_best_channel('sms', 5, NULL, true, NULL::DATE)"),
        "{channel: NULL, expected_margin: NULL, reason: no_consent}"
    );
}
