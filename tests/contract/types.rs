//! Every type that can say the same gives the same.

use sqllogictest::DB;

use crate::calls::{CALLS, Kind, Range};
use crate::{is_aggregate, rows, session, show};

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
