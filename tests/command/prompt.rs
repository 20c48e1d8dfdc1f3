//! The prompt in a real pseudo-terminal.

use std::process::Command;

#[cfg(unix)]
#[test]
fn a_person_types_cancels_and_leaves() {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new("python3")
        .arg(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/command/prompt.py"
        ))
        .arg(env!("CARGO_BIN_EXE_jumeau"))
        .arg(folder.path())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    insta::assert_snapshot!(String::from_utf8_lossy(&output.stdout), @r#"
    a statement over two lines
    ctrl-c cancels the query
    and keeps the prompt
    history comes back
    and the prompt ends
    "#);
    let history = folder.path().join("jumeau/history");
    assert!(
        std::fs::read_to_string(history)
            .unwrap()
            .contains(".help affinity")
    );
}
