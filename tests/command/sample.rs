//! Sample data: the same bytes for the same seed, and memory that does not grow with scale.

use std::fs;
use std::process::Command;

use crate::support::run;

#[test]
fn one_seed_makes_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    for (name, seed) in [("a", "7"), ("b", "7"), ("c", "8")] {
        let args = [
            "sample",
            name,
            "--visitors",
            "20000",
            "--seed",
            seed,
            "--quiet",
        ];
        assert!(run(folder.path(), &args).status.success());
    }
    let bytes = |name: &str, file: &str| fs::read(folder.path().join(name).join(file)).unwrap();
    for table in [
        "events",
        "products",
        "people",
        "addresses",
        "consents",
        "contacts",
        "orders",
    ] {
        let file = format!("{table}.parquet");
        assert!(bytes("a", &file) == bytes("b", &file), "{table}");
    }
    assert!(bytes("a", "events.parquet") != bytes("c", "events.parquet"));
}

/// The shell's limit on address space makes a larger appetite fail.
#[cfg(target_os = "linux")]
#[test]
fn a_million_visitors_need_less_than_a_gigabyte() {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new("sh")
        .args([
            "-c",
            "ulimit -v 1000000 && exec \"$0\" sample million --visitors 1000000",
        ])
        .arg(env!("CARGO_BIN_EXE_jumeau"))
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let sql = "SELECT count(DISTINCT visitor_id) AS n FROM 'million/events.parquet'";
    let output = run(folder.path(), &["query", sql, "--format", "csv"]);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "n\n1000000\n");
}
