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

#[test]
fn pandas_polars_and_duckdb_read_lists_of_texts() {
    let python = crate::tools::python();
    let out = tempfile::tempdir().unwrap();
    let file = out.path().join("visits.parquet");
    let sql = "SELECT visitor_id, array_agg(DISTINCT category_id) AS categories FROM events GROUP BY visitor_id";
    let output = run(&root(), &["query", sql, "-o", &file.to_string_lossy()]);
    assert!(output.status.success());
    let read = Command::new(&python)
        .arg(root().join("tests/command/notebooks.py"))
        .arg(out.path())
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&read.stderr);
    assert!(read.status.success(), "{error}");
}
