//! The rules that hold for every function, for every function.
//!
//! `contract/calls.rs` has one call of each function and says what its arguments are; each rule is tried on all
//! arguments that it concerns. A function without a call there fails the first test.

#![cfg(test)]

#[path = "contract/calls.rs"]
mod calls;
#[path = "support/slt.rs"]
mod support;

use std::collections::BTreeSet;

use jumeau_udfs::Function;
use sqllogictest::{DB, DBOutput};

use crate::calls::{CALLS, Call, Kind, Range};
use crate::support::Session;

/// Forty rows of everything; all times are midnights of June 2026, with ties, and some after the 15th.
const EVENTS: &str = "
    SELECT value AS id, value % 3 AS g,
      arrow_cast(1780272000 + value * 7 % 20 * 86400, 'Timestamp(Second, None)')::TIMESTAMP AS t,
      (value * 37 % 11)::DOUBLE / 4 AS w, (value * 17 % 20)::DOUBLE / 20 AS p, value * 5 % 7 < 3 AS yes,
      value % 2 = 0 AS c1, value % 5 < 2 AS c2, value % 7 = 3 AS c3,
      CASE WHEN value % 4 = 0 THEN 'sms' ELSE 'email' END AS channel,
      CASE WHEN value % 3 = 1 OR value % 9 = 5 THEN 'opt_out' ELSE 'opt_in' END AS status,
      value % 9 + 1 AS n, value % 9 / 2 AS s,
      ['a' || (value % 2), 'b' || (value % 3), 'c'] AS names, ['b' || (value % 2), 'c', 'd' || (value % 2)] AS others
    FROM generate_series(1, 40)";

/// A session with the table `events`.
fn session(settings: &[(&str, &str)]) -> Session {
    let mut session = Session::new(settings).unwrap();
    session
        .run(&format!("CREATE TABLE events AS {EVENTS}"))
        .unwrap();
    session
}

/// The rows of a result, one a line.
fn rows(session: &mut Session, sql: &str) -> String {
    match session.run(sql) {
        Ok(DBOutput::Rows { rows, .. }) => {
            let lines: Vec<_> = rows.iter().map(|row| row.join(" | ")).collect();
            lines.join("\n")
        }
        Ok(_) => String::new(),
        Err(error) => panic!("{sql}\n{error}"),
    }
}

fn error(session: &mut Session, sql: &str) -> String {
    match session.run(sql) {
        Ok(_) => panic!("no error: {sql}"),
        Err(error) => error.strip_backtrace(),
    }
}

fn is_aggregate(name: &str) -> bool {
    let all = jumeau_udfs::all();
    let function = all.iter().find(|function| function.name() == name).unwrap();
    matches!(function, Function::Aggregate(_))
}

fn aggregates() -> impl Iterator<Item = &'static Call> {
    CALLS.iter().filter(|call| is_aggregate(call.name))
}

/// A query that shows all results of a call: for each group, or for each row.
fn show(name: &str, sql: &str, from: &str) -> String {
    if is_aggregate(name) {
        format!("SELECT g, {sql} FROM {from} GROUP BY g ORDER BY g")
    } else {
        format!("SELECT id, {sql} FROM {from} ORDER BY id")
    }
}

#[test]
fn every_function_and_every_argument_has_its_rules() {
    let functions = jumeau_udfs::all();
    let registered = functions
        .iter()
        .filter(|function| !matches!(function, Function::Relation(_)));
    let registered: BTreeSet<_> = registered.map(Function::name).collect();
    let tried: BTreeSet<_> = CALLS.iter().map(|call| call.name).collect();
    assert_eq!(
        tried, registered,
        "contract/calls.rs has one call of each function"
    );
    assert_eq!(tried.len(), CALLS.len());
    for call in CALLS {
        let function = functions
            .iter()
            .find(|function| function.name() == call.name)
            .unwrap();
        let documented = function.documentation().unwrap().arguments.clone().unwrap();
        let documented: BTreeSet<_> = documented.into_iter().map(|(name, _)| name).collect();
        // Conditions are numbered: step1, c2.
        let bare = |name: &str| {
            name.trim_end_matches(|sign: char| sign.is_ascii_digit())
                .to_owned()
        };
        let tried = call.arguments.iter().map(|argument| match argument.1 {
            Kind::Condition if !documented.contains(argument.0) => bare(argument.0),
            _ => argument.0.to_owned(),
        });
        assert_eq!(tried.collect::<BTreeSet<_>>(), documented, "{}", call.name);
        assert_eq!(
            !call.empty.is_empty(),
            is_aggregate(call.name),
            "{}",
            call.name
        );
    }
}

#[test]
fn every_call_says_something() {
    let mut session = session(&[]);
    for call in CALLS {
        let shown = rows(&mut session, &show(call.name, &call.sql(), "events"));
        let mut results: Vec<_> = shown
            .lines()
            .map(|line| line.split_once(" | ").unwrap().1)
            .collect();
        results.sort_unstable();
        results.dedup();
        // A call that gives one answer for everything would prove nothing in the tests below.
        assert!(results.len() > 1, "{}: {shown}", call.name);
        assert!(!shown.contains("NaN"), "{}: {shown}", call.name);
    }
}

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

/// NaN or infinite weight, score, cost, probability; argument out of range: an error that names function and argument, at planning
/// when it is a literal.
#[test]
fn numbers_out_of_range_are_errors_that_name_the_argument() {
    let mut session = session(&[]);
    for call in CALLS {
        let numbers =
            call.of(|kind| matches!(kind, Kind::Number(_) | Kind::Unknown(_) | Kind::Messages));
        for (position, &(argument, kind, _)) in numbers {
            let (wrong, expected) = match kind {
                Kind::Number(range) | Kind::Unknown(range) => range.outside(),
                _ if call.name == "path_ngrams" => (&["0", "-1"][..], "a positive integer"),
                _ => (&["-1"][..], "zero or a positive integer"),
            };
            let mut wrong: Vec<_> = wrong.iter().map(|wrong| (*wrong).to_owned()).collect();
            match kind {
                Kind::Unknown(Range::None) => continue,
                Kind::Messages => {}
                _ => wrong.extend(
                    ["NaN", "Infinity", "-Infinity"].map(|number| format!("'{number}'::DOUBLE")),
                ),
            }
            for wrong in wrong {
                refuses(
                    &mut session,
                    call,
                    position,
                    &wrong,
                    &format!("'{argument}' must be {expected}"),
                );
            }
        }
        for (position, &(argument, _, _)) in
            call.of(|kind| matches!(kind, Kind::HalfLife | Kind::Length))
        {
            for wrong in [
                "INTERVAL '0 days'",
                "INTERVAL '-1 day'",
                "INTERVAL '-1 month'",
            ] {
                refuses(
                    &mut session,
                    call,
                    position,
                    wrong,
                    &format!("'{argument}' must be an interval above zero"),
                );
            }
            let text = call.with(position, "'two weeks'");
            let text = error(&mut session, &format!("EXPLAIN SELECT {text} FROM events"));
            assert!(
                text.contains(&format!(
                    "{}: argument '{argument}' must be an INTERVAL",
                    call.name
                )),
                "{text}"
            );
        }
    }
}

/// Unknown channel, status, mode, pattern: an error that says what is known.
#[test]
fn unknown_names_are_errors_that_say_what_is_known() {
    let mut session = session(&[]);
    for call in CALLS {
        for (position, &(argument, kind, _)) in
            call.of(|kind| matches!(kind, Kind::Channel | Kind::Status | Kind::Constant))
        {
            let known = match (kind, argument) {
                (Kind::Channel, _) => "one of 'email', 'sms', got 'pigeon'",
                (Kind::Status, _) => "'opt_in' or 'opt_out', got 'pigeon'",
                (_, "mode") => {
                    "'strict_deduplication', 'strict_order', 'strict_increase' or 'strict_once', got 'pigeon'"
                }
                _ => "a pattern such as '(?1).*(?t<=1800)(?2)', got 'pigeon",
            };
            refuses(
                &mut session,
                call,
                position,
                "'pigeon'",
                &format!("'{argument}' must be {known}"),
            );
        }
    }
}

/// More successes than trials cannot be.
#[test]
fn more_successes_than_trials_are_an_error() {
    let mut session = session(&[]);
    for call in CALLS
        .iter()
        .filter(|call| call.arguments[0].0 == "successes")
    {
        let message = error(
            &mut session,
            &format!("SELECT {} FROM events", call.with(0, "n + 1")),
        );
        assert!(
            message.contains(&format!("{}: argument 'successes' must be", call.name)),
            "{message}"
        );
    }
}

/// A wrong value fails while it is planned when it is a literal, and when it is met in the data.
fn refuses(session: &mut Session, call: &Call, position: usize, wrong: &str, says: &str) {
    let says = format!("{}: argument {says}", call.name);
    let literal = call.with(position, wrong);
    // DataFusion shows scalar functions the literals, not what is yet to be cast to them, as NaN has to be.
    let folded = !is_aggregate(call.name) && wrong.contains("::");
    let explain = if folded { "" } else { "EXPLAIN " };
    let message = error(session, &format!("{explain}SELECT {literal} FROM events"));
    assert!(message.contains(&says), "planning {literal}: {message}");
    // Of constants by nature the value is known only to the plan.
    if matches!(call.arguments[position].1, Kind::Constant) {
        return;
    }
    let column = call.with(position, &format!("CASE WHEN id > 0 THEN {wrong} END"));
    let message = error(session, &format!("SELECT {column} FROM events"));
    let constant = format!(
        "{}: argument '{}' must be a constant",
        call.name, call.arguments[position].0
    );
    assert!(
        message.contains(&says) || message.contains(&constant),
        "running {column}: {message}"
    );
}

/// Weights and keys of a map are checked like arguments.
#[test]
fn numbers_inside_maps_and_structs_are_checked() {
    let mut session = session(&[]);
    for wrong in ["'NaN'::DOUBLE", "'Infinity'::DOUBLE", "-1.0"] {
        let sql =
            format!("SELECT weighted_jaccard(MAP {{'x': {wrong}}}, MAP {{'x': 1.0}}) FROM events");
        let message = error(&mut session, &sql);
        assert!(
            message.contains("weighted_jaccard: argument 'a'"),
            "{message}"
        );
        let sql =
            format!("SELECT gower({{'age': 1.0}}, {{'age': 2.0}}, {{'age': {wrong}}}) FROM events");
        let message = error(&mut session, &sql);
        assert!(message.contains("gower: argument 'ranges'"), "{message}");
    }
    let message = error(
        &mut session,
        "SELECT gower({'age': 'NaN'::DOUBLE}, {'age': 2.0}, {'age': 5}) FROM events",
    );
    assert!(message.contains("gower: argument 'a'"), "{message}");
}

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

/// Strings: Utf8, `LargeUtf8`, `Utf8View` and Dictionary inputs give the same result.
#[test]
fn every_encoding_of_text_gives_the_same() {
    let mut session = session(&[]);
    for call in CALLS {
        let name = call.name;
        let expected = rows(&mut session, &show(name, &call.sql(), "events"));
        for (position, &(argument, kind, sample)) in call.of(|_| true) {
            let encodings: &[&str] = match kind {
                Kind::Key | Kind::Channel | Kind::Status => &[
                    "Utf8",
                    "LargeUtf8",
                    "Utf8View",
                    "Dictionary(Int32, Utf8)",
                    "Dictionary(UInt8, LargeUtf8)",
                ],
                Kind::Constant => &["Utf8", "LargeUtf8", "Utf8View"],
                Kind::List => &[
                    "List(Utf8)",
                    "List(LargeUtf8)",
                    "List(Utf8View)",
                    "LargeList(Utf8)",
                ],
                _ => continue,
            };
            for encoding in encodings {
                let sql = call.with(position, &format!("arrow_cast({sample}, '{encoding}')"));
                let got = rows(&mut session, &show(name, &sql, "events"));
                assert_eq!(got, expected, "{name}: {argument} as {encoding}");
            }
        }
    }
    for encoding in ["Utf8", "LargeUtf8", "Utf8View", "Dictionary(Int32, Utf8)"] {
        let alike =
            format!("gower({{'sex': arrow_cast(channel, '{encoding}')}}, {{'sex': 'sms'}})");
        assert_eq!(
            rows(&mut session, &show("gower", &alike, "events")),
            rows(
                &mut session,
                &show("gower", "gower({'sex': channel}, {'sex': 'sms'})", "events")
            )
        );
    }
}

/// Ids: any integer or string type groups and partitions alike, and the output has the input's type.
#[test]
fn ids_of_every_type_give_the_same() {
    let mut session = session(&[]);
    for kind in [
        "Int8",
        "Int16",
        "Int32",
        "Int64",
        "UInt8",
        "UInt16",
        "UInt32",
        "UInt64",
        "Utf8",
        "LargeUtf8",
        "Utf8View",
        "Dictionary(Int32, Utf8)",
    ] {
        let table = format!(
            "events_{}",
            kind.to_lowercase().replace(['(', ')', ',', ' '], "_")
        );
        session
            .run(&format!("CREATE TABLE {table} AS SELECT arrow_cast(g, '{kind}') AS g, * EXCLUDE (g) FROM events"))
            .unwrap();
        let kinds = format!(
            "SELECT DISTINCT arrow_typeof(g) FROM (SELECT g, effective_n(w) FROM {table} GROUP BY g)"
        );
        assert_eq!(rows(&mut session, &kinds), kind);
        for call in CALLS
            .iter()
            .filter(|call| is_aggregate(call.name) || call.name == "sessionize")
        {
            let query = show(call.name, &call.sql(), &table);
            assert_eq!(
                rows(&mut session, &query),
                rows(&mut session, &show(call.name, &call.sql(), "events")),
                "{} by {kind}",
                call.name
            );
        }
    }
}

/// Decay, time arithmetic: TIMESTAMP of any unit, DATE; time zones respected.
#[test]
fn times_of_every_type_give_the_same() {
    let mut session = session(&[]);
    for call in CALLS {
        let name = call.name;
        let expected = midnights(&rows(&mut session, &show(name, &call.sql(), "events")));
        let timed =
            call.of(|kind| matches!(kind, Kind::Time | Kind::AsOf | Kind::Unknown(Range::None)));
        for (position, &(argument, _, sample)) in timed {
            for kind in [
                "Timestamp(Second, None)",
                "Timestamp(Millisecond, None)",
                "Timestamp(Microsecond, None)",
                "Timestamp(Nanosecond, None)",
                "Date32",
                "Date64",
                "Timestamp(Second, Some(\"+00:00\"))",
                "Timestamp(Nanosecond, Some(\"+00:00\"))",
            ] {
                let sql = call.with(position, &format!("arrow_cast({sample}, '{kind}')"));
                let got = midnights(&rows(&mut session, &show(name, &sql, "events")));
                alike(&got, &expected, &format!("{name}: {argument} as {kind}"));
            }
            // The same moments, read from clocks elsewhere.
            for zone in ["+05:00", "-08:00", "Europe/Paris", "Asia/Kolkata"] {
                let utc =
                    format!("arrow_cast({sample}, 'Timestamp(Millisecond, Some(\"+00:00\"))')");
                let there =
                    format!("arrow_cast({utc}, 'Timestamp(Millisecond, Some(\"{zone}\"))')");
                let sql = call.with(position, &there);
                let sql = match name {
                    "funnel_events" => {
                        format!("arrow_cast({sql}, 'List(Timestamp(Second, Some(\"+00:00\")))')")
                    }
                    "affinity" => format!("({sql})['score']"),
                    _ => sql,
                };
                let got = midnights(&rows(&mut session, &show(name, &sql, "events")));
                let expected = if name == "affinity" {
                    rows(
                        &mut session,
                        &show(name, &format!("({})['score']", call.sql()), "events"),
                    )
                } else {
                    expected.clone()
                };
                alike(&got, &expected, &format!("{name}: {argument} at {zone}"));
            }
        }
    }
}

/// All times of the table are midnights in UTC, whatever their type.
fn midnights(shown: &str) -> String {
    shown.replace("T00:00:00", "").replace('Z', "")
}

/// The same but for the rounding of numbers: an age in seconds and one in nanoseconds differ in their last bit.
fn alike(got: &str, expected: &str, what: &str) {
    let words = |text: &str| -> Vec<String> {
        text.split([' ', '\n', ',', '{', '}', '[', ']'])
            .map(str::to_owned)
            .collect()
    };
    let (got_words, expected_words) = (words(got), words(expected));
    assert_eq!(
        got_words.len(),
        expected_words.len(),
        "{what}\n{got}\n{expected}"
    );
    for (one, other) in got_words.iter().zip(&expected_words) {
        let same = match (one.parse::<f64>(), other.parse::<f64>()) {
            (Ok(one), Ok(other)) => (one - other).abs() <= 1e-12 * other.abs(),
            _ => one == other,
        };
        assert!(same, "{what}: {one} {other}\n{got}\n{expected}");
    }
}
