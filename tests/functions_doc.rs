//! The function reference is up to date, and its examples are true.

#![cfg(test)]

#[path = "support/slt.rs"]
mod support;

use std::path::PathBuf;

use datafusion::arrow::util::pretty::pretty_format_batches;

use crate::support::Session;

#[test]
fn reference_is_up_to_date() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/functions.md");
    let generated = jumeau_udfs::reference_markdown();
    if std::env::var_os("JUMEAU_BLESS").is_some_and(|value| value == "1") {
        std::fs::write(&path, &generated).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == generated,
        "docs/functions.md is stale; run JUMEAU_BLESS=1 cargo test --test functions_doc"
    );
}

#[test]
fn examples_give_the_result_that_they_show() {
    for function in jumeau_udfs::all() {
        let name = function.name();
        let example = function
            .documentation()
            .unwrap()
            .sql_example
            .as_ref()
            .unwrap();
        let lines = example.lines().filter(|line| !line.starts_with("```"));
        let (shown, sql): (Vec<_>, Vec<_>) = lines.partition(|line| line.starts_with(['+', '|']));
        assert!(!shown.is_empty(), "{name} shows no result");
        let batches = Session::new(&[]).unwrap().query(&sql.join("\n")).unwrap();
        let printed = pretty_format_batches(&batches).unwrap().to_string();
        assert_eq!(printed, shown.join("\n"), "{name}");
    }
}
