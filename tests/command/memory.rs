//! Aggregates of half a million groups under little memory: the same result from disk, or an error that says what
//! to do, and an end in any case.

use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::support::{jumeau, root};

/// Two million rows of half a million groups.
const ROWS: &str = "(SELECT value % 500000 AS g, arrow_cast(1780272000 + value % 1000 * 8640, 'Timestamp(Second, None)') AS t, \
    (value % 7)::DOUBLE AS w, value % 3 = 0 AS c1, (value / 500000) % 2 = 0 AS c2, \
    CASE WHEN value % 5 = 0 THEN 'opt_out' ELSE 'opt_in' END AS status, \
    CASE WHEN value % 5 < 2 THEN 'sms' ELSE 'email' END AS channel FROM generate_series(1, 2000000))";

/// Aggregates with small and with large states, and what to count of their results.
const CALLS: [&str; 8] = [
    "affinity(w, t, INTERVAL '7 days', DATE '2026-09-15')['score']",
    "window_funnel(INTERVAL '2 days', t, c1, c2)",
    "array_length(funnel_events(INTERVAL '2 days', t, c1, c2))",
    "consented(status, t, DATE '2026-09-15')",
    "next_best_channel(channel, w, c1, c2, t)['reason']",
    "auc(w, c2)",
    "calibration_error(w / 10, c2)",
    "sum(w)",
];

fn start(call: &str, limit: &str) -> Child {
    let sql = format!(
        "SELECT count(*) AS groups, count(DISTINCT x) AS kinds, min(x) AS low, max(x) AS high, sum(length(x)) AS signs \
         FROM (SELECT g, ({call})::TEXT AS x FROM {ROWS} GROUP BY g)"
    );
    jumeau(&root())
        .args([
            "query",
            "--quiet",
            "--format",
            "csv",
            "--threads",
            "2",
            "--memory-limit",
            limit,
            &sql,
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// The result, or the error; a query that never ends is ended here.
fn finish(child: Child, what: &str) -> Result<String, String> {
    let id = child.id().to_string();
    let (sender, receiver) = mpsc::channel();
    let waiting = thread::spawn(move || sender.send(child.wait_with_output()));
    let Ok(output) = receiver.recv_timeout(Duration::from_mins(4)) else {
        Command::new("kill").arg(id).status().unwrap();
        panic!("{what}: no end");
    };
    waiting.join().unwrap().unwrap();
    let output = output.unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() {
        Ok(text(&output.stdout))
    } else {
        Err(text(&output.stderr))
    }
}

#[test]
fn aggregates_of_many_groups_spill_or_say_what_to_do() {
    for call in CALLS {
        let expected = finish(start(call, "4GB"), call).unwrap();
        assert!(expected.contains("\n500000,"), "{call}: {expected}");
        let mut completed = 0;
        for limit in ["48MB", "8MB", "3MB"] {
            match finish(start(call, limit), &format!("{call} in {limit}")) {
                Ok(result) => {
                    assert_eq!(result, expected, "{call} in {limit}");
                    completed += 1;
                }
                Err(error) => {
                    assert!(
                        error.contains("error: out of memory"),
                        "{call} in {limit}: {error}"
                    );
                    assert!(
                        error.contains("hint: raise --memory-limit"),
                        "{call} in {limit}: {error}"
                    );
                }
            }
        }
        // An aggregate that can never spill would pass all of the above.
        assert!(completed > 0, "{call} never spilled");
    }
}
