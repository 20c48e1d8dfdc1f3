//! Our figures against those of `SciPy`, scikit-learn, DuckDB and `ClickHouse`, in environments that these tests make
//! themselves.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use crate::support::root;

/// What a script of this folder says, which compares our figures with others and fails at the first difference.
fn agreed(python: &Path, script: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let asked = Command::new(python)
        .arg(root().join("tests/command").join(script))
        .arg(env!("CARGO_BIN_EXE_jumeau"))
        .arg(folder.path())
        .output()
        .unwrap();
    let agreed = String::from_utf8_lossy(&asked.stdout).into_owned();
    let failed = String::from_utf8_lossy(&asked.stderr);
    assert!(asked.status.success(), "{agreed}{failed}");
    agreed
}

#[test]
fn other_libraries_give_the_same_figures() {
    let agreed = agreed(&crate::tools::python(), "oracles.py");
    let agreed: BTreeSet<_> = agreed
        .lines()
        .filter_map(|line| line.split(':').next())
        .collect();
    for function in [
        "wilson_lower",
        "wilson_upper",
        "shrunk_rate",
        "beta_fit",
        "llr",
        "root_llr",
        "effective_n",
        "auc",
        "auc_ci",
        "log_loss",
        "brier",
        "calibration_error",
        "precision_at",
        "recall_at",
        "lift_at",
        "jaccard",
        "weighted_jaccard",
        "decayed_sum",
        "pressure",
        "affinity",
        "rfm",
        "plan_frontier",
        "recommend",
    ] {
        assert!(agreed.contains(function), "{function} among {agreed:?}");
    }
}

#[test]
fn clickhouse_says_the_same_of_clickstreams() {
    let agreed = agreed(&crate::tools::clickhouse(), "clickhouse.py");
    // All 16 combinations of modes with three windows each, seven patterns twice, and retention.
    for (function, questions) in [
        ("window_funnel ", 48),
        ("sequence_match ", 7),
        ("sequence_count ", 7),
        ("retention", 1),
    ] {
        let count = agreed.lines().filter(|line| line.starts_with(function));
        assert_eq!(count.count(), questions, "{function} in {agreed}");
    }
}
