//! The next items of real sessions against a plain implementation.

use std::io::Write;
use std::path::Path;
use std::process::Command;

use crate::support::root;

#[test]
fn real_sessions_get_the_items_that_a_plain_implementation_finds() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/real");
    if !data.is_dir() {
        // Not through the test harness, which would keep it to itself.
        let _ = writeln!(std::io::stderr(), "skipped: the real data are not here");
        return;
    }
    let output = Command::new(crate::tools::python())
        .arg(root().join("tests/command/next_items.py"))
        .arg(env!("CARGO_BIN_EXE_jumeau"))
        .arg(data)
        .output()
        .unwrap();
    let seen = String::from_utf8_lossy(&output.stdout);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{seen}\n{error}");
}
