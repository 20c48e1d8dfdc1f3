//! Our figures against those of `SciPy`, scikit-learn and DuckDB, in an environment that this test makes itself.

use std::collections::BTreeSet;
use std::process::Command;

use crate::support::root;

#[test]
fn other_libraries_give_the_same_figures() {
    let folder = tempfile::tempdir().unwrap();
    let asked = Command::new(crate::tools::python())
        .arg(root().join("tests/command/oracles.py"))
        .arg(env!("CARGO_BIN_EXE_jumeau"))
        .arg(folder.path())
        .output()
        .unwrap();
    let agreed = String::from_utf8_lossy(&asked.stdout);
    let failed = String::from_utf8_lossy(&asked.stderr);
    assert!(asked.status.success(), "{agreed}{failed}");
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
