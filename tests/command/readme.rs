//! The tour of the README: its commands, run as they stand, print what it says.

use std::process::Command;

use crate::support::root;

#[test]
fn the_tour_prints_what_the_readme_says() {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let binaries = std::path::Path::new(env!("CARGO_BIN_EXE_jumeau"))
        .parent()
        .unwrap();
    let path = format!("{}:{}", binaries.display(), std::env::var("PATH").unwrap());
    let mut at = folder.path().to_owned();
    let mut commands = 0;
    for block in readme.split("```\n$ ").skip(1) {
        let block = block.split("```").next().unwrap();
        let (command, shown) = split(block);
        let output = Command::new("sh")
            .args(["-c", command])
            .current_dir(&at)
            .env("PATH", &path)
            .output()
            .unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command}\n{error}");
        assert_eq!(
            String::from_utf8_lossy(&output.stdout).trim_end(),
            shown.trim_end(),
            "{command}"
        );
        if let Some((_, below)) = command.split_once("&& cd ") {
            at = at.join(below.trim());
        }
        commands += 1;
    }
    assert!(commands >= 4, "the tour has {commands} commands");
}

/// The command, which may go on over lines while a quote is open, and what it prints.
pub(crate) fn split(block: &str) -> (&str, &str) {
    let mut end = 0;
    for line in block.split_inclusive('\n') {
        end += line.len();
        if block[..end].matches('"').count().is_multiple_of(2) {
            break;
        }
    }
    block.split_at(end)
}
