//! Notebooks read the outputs: real pandas, Polars and DuckDB, in an environment that this test
//! makes itself.

use std::process::Command;

use crate::support::{root, run};

#[test]
fn pandas_polars_and_duckdb_read_every_output() {
    let python = crate::tools::python();
    let out = tempfile::tempdir().unwrap();
    for pack in [
        "prospecting",
        "audience",
        "acquisition",
        "portfolio",
        "pressure",
        "privacy",
        "timing",
        "welcome",
    ] {
        let folder = out.path().to_string_lossy();
        let output = run(&root(), &["run", pack, "--quiet", "--out", &folder]);
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        // Through the link, as a notebook would.
        let read = Command::new(&python)
            .arg(root().join("tests/command/notebooks.py"))
            .arg(out.path().join(pack).join("latest"))
            .output()
            .unwrap();
        assert!(
            read.status.success(),
            "{}",
            String::from_utf8_lossy(&read.stderr)
        );
        let seen = String::from_utf8_lossy(&read.stdout).lines().count();
        let queries = root().join("queries").join(pack).read_dir().unwrap();
        let queries = queries.filter(|file| {
            file.as_ref()
                .unwrap()
                .path()
                .extension()
                .is_some_and(|end| end == "sql")
        });
        assert_eq!(
            seen,
            queries.count(),
            "every query has an output that was read"
        );
    }
}
