//! Wrong values and names are errors that say so.

use crate::calls::{CALLS, Call, Kind, Range};
use crate::support::Session;
use crate::{error, is_aggregate, session};

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
