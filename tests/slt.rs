//! Runs the SQL cases in `tests/sql`.

#![cfg(test)]

#[path = "support/slt.rs"]
mod support;

use std::path::PathBuf;

use sqllogictest::Runner;

use crate::support::Session;

/// One thread and whole batches; then many partitions, tiny batches and no partial aggregation, so that states
/// are merged in every way. No result may differ.
const SETTINGS: [&[(&str, &str)]; 2] = [
    &[("datafusion.execution.target_partitions", "1")],
    &[
        ("datafusion.execution.target_partitions", "4"),
        ("datafusion.execution.batch_size", "2"),
        (
            "datafusion.execution.skip_partial_aggregation_probe_rows_threshold",
            "0",
        ),
        (
            "datafusion.execution.skip_partial_aggregation_probe_ratio_threshold",
            "0.0",
        ),
    ],
];

#[test]
fn sql_cases() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/sql");
    let entries = std::fs::read_dir(folder).unwrap();
    let mut files: Vec<_> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "slt"))
        .collect();
    files.sort();
    assert!(!files.is_empty());
    let mut failures = Vec::new();
    for file in &files {
        for settings in SETTINGS {
            let mut runner = Runner::new(|| async { Session::new(settings) });
            if let Err(error) = runner.run_file(file) {
                failures.push(format!("with {settings:?}\n{}", error.display(false)));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}
