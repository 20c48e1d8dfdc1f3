//! Look-alike weights and scores against scikit-learn, on made-up and on real people.

use std::io::Write;
use std::path::Path;
use std::process::Command;

use crate::support::root;

fn compare(arguments: &[&str]) {
    let output = Command::new(crate::tools::python())
        .arg(root().join("tests/command/lookalike.py"))
        .arg(env!("CARGO_BIN_EXE_jumeau"))
        .args(arguments)
        .output()
        .unwrap();
    let seen = String::from_utf8_lossy(&output.stdout);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{seen}\n{error}");
}

#[test]
fn coefficients_are_those_of_scikit_learn() {
    compare(&["coefficients"]);
}

#[test]
fn real_people_are_told_apart_as_well_as_by_scikit_learn() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/real");
    if !data.is_dir() {
        // Not through the test harness, which would keep it to itself.
        let _ = writeln!(std::io::stderr(), "skipped: the real data are not here");
        return;
    }
    compare(&["quality", data.to_str().unwrap()]);
}
