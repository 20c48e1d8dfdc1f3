//! The rules that hold for every function, for every function.
//!
//! `calls` has one call of each function and says what its arguments are; each rule is tried on all
//! arguments that it concerns. A function without a call there fails the first test.

#![cfg(test)]

mod bad_input;
mod calls;
mod nothing;
mod results;
#[path = "../support/slt.rs"]
mod support;
mod types;

use std::collections::BTreeSet;

use jumeau_udfs::Function;
use sqllogictest::{DB, DBOutput};

use crate::calls::{CALLS, Call, Kind};
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
    assert_eq!(tried, registered, "calls.rs has one call of each function");
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
