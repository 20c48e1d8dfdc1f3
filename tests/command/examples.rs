//! The examples run on the real data that they are made for, where it is at hand.

use std::fmt::Debug;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::str::FromStr;

/// The folder with the real data; it is no part of the project.
fn data() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/real");
    if folder.is_dir() {
        return Some(folder);
    }
    // Not through the test harness, which would keep it to itself.
    let _ = writeln!(std::io::stderr(), "skipped: the real data are not here");
    None
}

fn jumeau(data: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_jumeau"))
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("JUMEAU_DATA", data)
        .output()
        .unwrap()
}

/// Runs a pack on an example and expects success.
fn run(data: &Path, example: &str, out: &Path, arguments: &[&str]) {
    let project = format!("examples/{example}/jumeau.toml");
    let mut all = vec!["--project", &project, "run", "--out", out.to_str().unwrap()];
    all.extend(arguments);
    let output = jumeau(data, &all);
    assert_eq!(
        output.status.code(),
        Some(0),
        "{example}, {arguments:?}:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// The one value that a query over an output returns; `{}` stands for the output.
fn value<T: FromStr<Err: Debug>>(data: &Path, out: &Path, name: &str, sql: &str) -> T {
    let file = out.join(format!("{name}.parquet"));
    assert!(file.is_file(), "{} is missing", file.display());
    let sql = sql.replace("{}", &format!("'{}'", file.display()));
    let output = jumeau(data, &["--quiet", "query", &sql, "--format", "csv"]);
    assert!(
        output.status.success(),
        "{sql}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().nth(1).unwrap().parse().unwrap()
}

fn rows(data: &Path, out: &Path, name: &str) -> u64 {
    value(data, out, name, "SELECT count(*) FROM {}")
}

#[test]
fn the_clothing_shop_tells_interests() {
    let Some(data) = data() else { return };
    let folder = tempfile::tempdir().unwrap();
    let arguments = [
        "prospecting",
        "--select",
        "interests",
        "--as-of",
        "2008-08-14",
    ];
    run(&data, "eshop", folder.path(), &arguments);

    let out = folder.path().join("prospecting/latest");
    let clicks = rows(&data, &out, "identified_events");
    assert_eq!(clicks, 165_474, "every click belongs to a session");
    assert!(rows(&data, &out, "interests") > 0);
    let sql = "SELECT count(DISTINCT person_id) FROM {}";
    let persons: u64 = value(&data, &out, "interests", sql);
    assert_eq!(persons, 24_026, "no session is lost");
}

#[test]
fn the_rewards_programme_gets_a_plan() {
    let Some(data) = data() else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut arguments = vec!["prospecting", "--as-of", "2018-08-17"];
    arguments.extend(["--param", "budget=2", "--param", "answer_time=7 days"]);
    run(&data, "starbucks", folder.path(), &arguments);

    let out = folder.path().join("prospecting/latest");
    assert!(rows(&data, &out, "summary") > 0);
    assert!(rows(&data, &out, "interests") > 0);
    assert!(rows(&data, &out, "twin_products") > 0);
    // 2 € pay for 4,000 e-mails, and there are more prospects than that.
    assert_eq!(rows(&data, &out, "contact_plan"), 4_000);
    // Nobody drops out for having an unknown source or more messages than anybody before.
    let offers = rows(&data, &out, "offers");
    assert_eq!(rows(&data, &out, "candidates"), offers);
}

#[test]
fn the_rewards_programme_gets_a_proved_audience() {
    let Some(data) = data() else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut arguments = vec!["audience", "--as-of", "2018-08-30"];
    for param in ["horizon=13 days", "min_auc=0.6", "min_lift=1.3"] {
        arguments.extend(["--param", param]);
    }
    run(&data, "starbucks", folder.path(), &arguments);

    let out = folder.path().join("audience/latest");
    assert_eq!(rows(&data, &out, "audience"), 1_000);
    let auc: f64 = value(&data, &out, "proof", "SELECT auc FROM {}");
    assert!((0.6..0.95).contains(&auc), "the AUC is {auc}");
    let chance: f64 = value(&data, &out, "proof", "SELECT shuffled_auc FROM {}");
    assert!((0.47..0.53).contains(&chance), "shuffled: {chance}");
}
