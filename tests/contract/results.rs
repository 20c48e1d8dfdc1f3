//! What results depend on, and what not.

use std::collections::BTreeSet;

use jumeau_udfs::Function;
use sqllogictest::DB;

use crate::calls::{CALLS, Kind};
use crate::{aggregates, is_aggregate, rows, session, show};

/// Event after `as_of`: ignored. Moving `as_of` back never lets a later event in.
#[test]
fn no_score_sees_the_future() {
    let mut session = session(&[]);
    for call in CALLS {
        let Some(&(position, &(argument, _, _))) = call.of(|kind| kind == Kind::AsOf).first()
        else {
            assert!(
                call.arguments.iter().all(|argument| argument.0 != "as_of"),
                "{}",
                call.name
            );
            continue;
        };
        for day in [0, 1, 5, 14, 20, 31] {
            let as_of = format!("(DATE '2026-05-31' + INTERVAL '{day} days')");
            let sql = call.with(position, &as_of);
            if is_aggregate(call.name) {
                let all = format!(
                    "SELECT g, {sql} FILTER (WHERE t <= {as_of}) FROM events GROUP BY g ORDER BY g"
                );
                let past = rows(&mut session, &all);
                let all = rows(&mut session, &show(call.name, &sql, "events"));
                assert_eq!(all, past, "{}: {argument} day {day}", call.name);
            } else {
                // A later sign of life makes nothing due.
                let later = format!("SELECT DISTINCT {sql} FROM events WHERE t > {as_of}");
                let later = rows(&mut session, &later);
                assert!(
                    later == "false" || later.is_empty(),
                    "{}: {later}",
                    call.name
                );
            }
        }
    }
}

/// `half_life` is a true half-life; NULL means no decay.
#[test]
fn weights_halve_after_a_half_life_and_null_is_no_decay() {
    let mut session = session(&[]);
    let mut tried = BTreeSet::new();
    for (name, score) in [
        (
            "decayed_sum",
            "decayed_sum(1, day, HALF, DATE '2026-06-15')",
        ),
        (
            "affinity",
            "affinity(1, day, HALF, DATE '2026-06-15')['score']",
        ),
        ("pressure", "pressure(day, HALF, DATE '2026-06-15')"),
    ] {
        let mut score = |half: &str, day: &str| {
            let score = score.replace("HALF", half);
            rows(
                &mut session,
                &format!("SELECT {score} FROM (VALUES (DATE '{day}')) AS t(day)"),
            )
        };
        assert_eq!(score("INTERVAL '7 days'", "2026-06-15"), "1.0", "{name}");
        assert_eq!(score("INTERVAL '7 days'", "2026-06-08"), "0.5", "{name}");
        assert_eq!(score("INTERVAL '7 days'", "2026-06-01"), "0.25", "{name}");
        assert_eq!(score("'7 days'", "2026-06-08"), "0.5", "{name}: text");
        assert_eq!(score("NULL", "1926-06-01"), "1.0", "{name}: no decay");
        tried.insert(name);
    }
    let fading = CALLS
        .iter()
        .filter(|call| !call.of(|kind| kind == Kind::HalfLife).is_empty());
    assert_eq!(tried, fading.map(|call| call.name).collect());
}

/// Ties: the same result for any order of the rows and any number of threads or partitions; states that are merged say the same.
#[test]
fn order_and_partitions_change_nothing() {
    let mut reference = session(&[("datafusion.execution.target_partitions", "1")]);
    let spread = [
        ("datafusion.execution.target_partitions", "4"),
        ("datafusion.execution.batch_size", "3"),
        (
            "datafusion.execution.skip_partial_aggregation_probe_rows_threshold",
            "0",
        ),
    ];
    // The second one merges each row as a state of its own.
    for (ratio, keys) in [("1.0", [1, 16, 23]), ("0.0", [2, 19, 40])] {
        let mut settings = spread.to_vec();
        settings.push((
            "datafusion.execution.skip_partial_aggregation_probe_ratio_threshold",
            ratio,
        ));
        let mut session = session(&settings);
        for key in keys {
            let table = format!("shuffled_{key}");
            session
                .run(&format!(
                    "CREATE TABLE {table} AS SELECT * FROM events ORDER BY id * {key} % 41 DESC"
                ))
                .unwrap();
            for call in CALLS {
                assert_eq!(
                    rows(&mut session, &show(call.name, &call.sql(), &table)),
                    rows(&mut reference, &show(call.name, &call.sql(), "events")),
                    "{}: order {key}",
                    call.name
                );
            }
        }
    }
}

/// A moving frame gives what an aggregate over its rows gives.
#[test]
fn a_moving_frame_equals_its_rows() {
    let mut session = session(&[]);
    session
        .run("CREATE TABLE numbered AS SELECT *, row_number() OVER (PARTITION BY g ORDER BY t, id)::BIGINT AS at FROM events")
        .unwrap();
    for call in aggregates() {
        let (name, sql) = (call.name, call.sql());
        for (before, after) in [(5, 0), (2, 2), (0, 0), (4, -1)] {
            let end = match after {
                0 => "CURRENT ROW".to_owned(),
                1.. => format!("{after} FOLLOWING"),
                _ => format!("{} PRECEDING", -after),
            };
            let frame = format!(
                "SELECT id, {sql} OVER (PARTITION BY g ORDER BY t, id ROWS BETWEEN {before} PRECEDING AND {end}) \
                 FROM numbered ORDER BY id"
            );
            let alone = format!(
                "SELECT o, {sql} FILTER (WHERE inside) FROM (SELECT o.id AS o, e.at - o.at BETWEEN -{before} AND {after} AS inside, e.* \
                 FROM numbered AS o JOIN numbered AS e ON e.g = o.g) GROUP BY o ORDER BY o"
            );
            assert_eq!(
                rows(&mut session, &frame),
                rows(&mut session, &alone),
                "{name}: {before} {end}"
            );
        }
        // A filter may empty a frame that has rows; so may a range that nothing lies in.
        let frame = format!(
            "SELECT id, {sql} FILTER (WHERE c1) OVER (PARTITION BY g ORDER BY t RANGE BETWEEN INTERVAL '3 days' PRECEDING \
             AND INTERVAL '1 day' PRECEDING) FROM events ORDER BY id"
        );
        let alone = format!(
            "SELECT o, {sql} FILTER (WHERE inside AND c1) FROM (SELECT o.id AS o, \
             e.t BETWEEN o.t - INTERVAL '3 days' AND o.t - INTERVAL '1 day' AS inside, e.* \
             FROM events AS o JOIN events AS e ON e.g = o.g) GROUP BY o ORDER BY o"
        );
        assert_eq!(
            rows(&mut session, &frame),
            rows(&mut session, &alone),
            "{name}: filtered range"
        );
    }
}

/// Money: exact decimals of a euro, DECIMAL(18,6); budgets add up exactly.
#[test]
fn money_is_exact() {
    let mut session = session(&[]);
    let mut one = |sql: &str| rows(&mut session, sql);
    for money in [
        "channel_cost('email', 3)",
        "(SELECT rfm(t, w, DATE '2026-06-15')['monetary'] FROM events)",
    ] {
        assert_eq!(
            one(&format!("SELECT arrow_typeof({money})")),
            "Decimal128(18, 6)"
        );
    }
    assert_eq!(one("SELECT channel_cost('email', 3)"), "0.001500");
    // A million times 0.0015, which no binary fraction is.
    assert_eq!(
        one("SELECT sum(channel_cost('email', 3 + 0 * value)) FROM generate_series(1, 1000000)"),
        "1500.000000"
    );
    assert_eq!(
        one(
            "SELECT rfm(DATE '2026-06-01', channel_cost('sms', 1 + 0 * value), DATE '2026-06-15')['monetary'] \
             FROM generate_series(1, 100000)"
        ),
        "6000.000000"
    );
    assert_eq!(
        one(
            "SELECT rfm(DATE '2026-06-01', 0.1::DOUBLE + 0 * value, DATE '2026-06-15')['monetary'] FROM generate_series(1, 100000)"
        ),
        "10000.000000"
    );
}

/// Not enough evidence: NULL with the evidence beside it, never a confident number.
#[test]
fn little_evidence_is_no_confident_number() {
    let mut session = session(&[]);
    let one_class = "(VALUES (0.2, true), (0.4, true)) AS t(score, label)";
    let nothing = "(SELECT * FROM events WHERE false)";
    let mut tried = BTreeSet::new();
    for (name, call, from, expected) in [
        ("wilson_lower", "wilson_lower(0, 0)", "", "NULL"),
        ("wilson_upper", "wilson_upper(0, 0)", "", "NULL"),
        ("shrunk_rate", "shrunk_rate(0, 0, 0.07, 20)", "", "0.07"),
        (
            "beta_fit",
            "beta_fit(1, 2)",
            "",
            "{rate: 0.5, strength: NULL}",
        ),
        ("llr", "llr(0, 0, 0, 0)", "", "0.0"),
        ("root_llr", "root_llr(0, 0, 0, 0)", "", "0.0"),
        ("effective_n", "effective_n(w)", nothing, "0.0"),
        ("min_support", "min_support(0.5, 2, 3)", "", "NULL"),
        (
            "decayed_sum",
            "decayed_sum(w, t, NULL, DATE '2026-06-15')",
            nothing,
            "NULL",
        ),
        (
            "affinity",
            "affinity(2, DATE '2026-06-15', NULL, DATE '2026-06-15')",
            "",
            "{score: 2.0, events: 1, evidence: 1.0, last_time: 2026-06-15}",
        ),
        ("affinity_share", "affinity_share(0, 0, 0.2, 2)", "", "0.2"),
        ("affinity_share", "affinity_share(0, 0, 0.2, 0)", "", "NULL"),
        ("jaccard", "jaccard([], [])", "", "NULL"),
        (
            "overlap_coefficient",
            "overlap_coefficient([], ['a'])",
            "",
            "NULL",
        ),
        (
            "weighted_jaccard",
            "weighted_jaccard(MAP {'a': 0}, MAP {'a': 0})",
            "",
            "NULL",
        ),
        (
            "gower",
            "gower({'age': NULL}, {'age': 3}, {'age': 9})",
            "",
            "NULL",
        ),
        (
            "rfm",
            "rfm(t, w, DATE '2026-06-15')",
            nothing,
            "{recency: NULL, frequency: 0, monetary: NULL}",
        ),
        (
            "portfolio_value",
            "portfolio_value(NULL, 20, NULL)",
            "",
            "{value: NULL, low: NULL, high: NULL, prospects: 1, thin: 1}",
        ),
        ("auc", "auc(score, label)", one_class, "NULL"),
        (
            "auc_ci",
            "auc_ci(score, label)",
            one_class,
            "{auc: NULL, low: NULL, high: NULL}",
        ),
        (
            "lift_at",
            "lift_at(score, NOT label, 0.5)",
            one_class,
            "NULL",
        ),
        (
            "precision_at",
            "precision_at(score, label, 1)",
            one_class,
            "NULL",
        ),
        (
            "recall_at",
            "recall_at(score, NOT label, 1)",
            one_class,
            "NULL",
        ),
        ("log_loss", "log_loss(score, label)", one_class, "NULL"),
        ("brier", "brier(score, label)", one_class, "NULL"),
        (
            "calibration_error",
            "calibration_error(score, label)",
            one_class,
            "NULL",
        ),
    ] {
        let from = if from.is_empty() {
            String::new()
        } else {
            format!("FROM {from}")
        };
        assert_eq!(
            rows(&mut session, &format!("SELECT {call} {from}")),
            expected,
            "{name}"
        );
        tried.insert(name);
    }
    // Everything of these areas, and nothing of the others, is a rate, a score or a measure.
    for function in jumeau_udfs::all() {
        let scored = ["Evidence", "Affinity", "Look-alikes", "Value", "Evaluation"]
            .contains(&function.area());
        if !matches!(function, Function::Relation(_)) {
            assert_eq!(
                tried.contains(function.name()),
                scored,
                "{} of {}",
                function.name(),
                function.area()
            );
        }
    }
}
