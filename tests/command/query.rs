//! The command line as a user meets it: what it prints, where, and with which exit code.

use crate::support::{describe, jumeau, root, run, transcript};
use insta::assert_snapshot;
use std::io::Write;
use std::process::Stdio;

fn empty() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

#[test]
fn a_query_prints_a_table() {
    let folder = empty();
    assert_snapshot!(transcript(folder.path(), &["query", "SELECT 1 AS n, NULL AS nothing, 'a' AS t"]), @r#"
    exit code: 0
    --- stdout
    ┌───┬─────────┬───┐
    │ n ┆ nothing ┆ t │
    ╞═══╪═════════╪═══╡
    │ 1 ┆ NULL    ┆ a │
    └───┴─────────┴───┘
    --- stderr
    "#);
}

#[test]
fn every_text_format_goes_to_stdout() {
    let folder = empty();
    let sql = "SELECT * FROM (VALUES (1, 'a'), (2, NULL)) AS t(n, s) ORDER BY n";
    let all: Vec<String> = ["csv", "json", "jsonl", "markdown"]
        .iter()
        .map(|format| transcript(folder.path(), &["query", sql, "--format", format]))
        .collect();
    assert_snapshot!(all.join("\n"), @r#"
    exit code: 0
    --- stdout
    n,s
    1,a
    2,
    --- stderr

    exit code: 0
    --- stdout
    [{"n":1,"s":"a"},{"n":2,"s":null}]
    --- stderr

    exit code: 0
    --- stdout
    {"n":1,"s":"a"}
    {"n":2,"s":null}
    --- stderr

    exit code: 0
    --- stdout
    | n | s |
    | ---: | --- |
    | 1 | a |
    | 2 | NULL |
    --- stderr
    "#);
}

#[test]
fn parameters_are_bound_with_their_types() {
    let folder = empty();
    let args = [
        "query",
        "SELECT $day - INTERVAL '1 day' AS before, $n * 2 AS twice, $name AS name",
        "--param",
        "day=2026-03-01",
        "--param",
        "n=21",
        "--param",
        "name=x' OR 1=1 --",
        "--format",
        "csv",
    ];
    assert_snapshot!(transcript(folder.path(), &args), @r#"
    exit code: 0
    --- stdout
    before,twice,name
    2026-02-28,42,x' OR 1=1 --
    --- stderr
    "#);
}

#[test]
fn results_are_saved_in_the_format_of_the_ending() {
    let folder = empty();
    for name in ["r.csv", "r.parquet", "r.json", "r.jsonl", "r.md", "r.arrow"] {
        let output = run(
            folder.path(),
            &["query", "SELECT 7 AS n", "-o", name, "--quiet"],
        );
        assert!(
            output.status.success() && output.stdout.is_empty(),
            "{name}"
        );
        assert!(
            folder.path().join(name).metadata().unwrap().len() > 0,
            "{name}"
        );
    }
    assert_snapshot!(
        transcript(folder.path(), &["query", "SELECT * FROM 'r.parquet' UNION ALL FROM 'r.csv'", "--format", "csv"]), @r#"
    exit code: 0
    --- stdout
    n
    7
    7
    --- stderr
    "#);
}

#[test]
fn a_failed_query_leaves_the_old_result() {
    let folder = empty();
    let path = folder.path().join("r.csv");
    std::fs::write(&path, "old\n").unwrap();
    let sql = "SELECT 10 / (value - 900000) FROM generate_series(1, 1000000)";
    let output = run(folder.path(), &["query", sql, "-o", "r.csv"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "old\n");
    assert_eq!(
        std::fs::read_dir(folder.path()).unwrap().count(),
        1,
        "nothing half-written"
    );
}

#[test]
fn from_alone_selects_every_column() {
    assert_snapshot!(
        transcript(&root(), &["query", "FROM products ORDER BY product_id LIMIT 2", "--format", "csv"]), @r#"
    exit code: 0
    --- stdout
    product_id,category_id,brand,price,margin
    1,shoes,Alvera,105.900000,49.680000
    2,dresses,Bokari,55.900000,26.080000
    --- stderr
    "#);
}

#[test]
fn files_folders_globs_and_urls_are_tables() {
    let folder = empty();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("clicks/day=2026-01-01/a.csv", "id,n\n1,10\n");
    write("clicks/day=2026-01-02/b.csv", "id,n\n2,20\n3,30\n");
    write("clicks/_SUCCESS", "");
    write(
        "people.jsonl",
        "{\"id\": 1, \"name\": \"Ada\"}\n{\"id\": 2}\n",
    );
    write("semi.txt", "id;phone\n1;0033\n");
    write(
        "jumeau.toml",
        "[tables.clicks]\npath = \"clicks\"\n\
         partitioned_by = [{ name = \"day\", type = \"DATE\" }]\n\
         [tables.semi]\npath = \"semi.txt\"\nformat = \"csv\"\ndelimiter = \";\"\n\
         columns = { phone = \"VARCHAR\" }\n",
    );
    let here = folder.path().canonicalize().unwrap();
    let url = format!("file://{}/people.jsonl", here.display());
    let csv = |sql: &str| {
        let output = run(folder.path(), &["query", sql, "--format", "csv"]);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        String::from_utf8_lossy(&output.stdout).into_owned() + &error
    };
    // Declared partitions have their type, those of a bare folder are text.
    assert_eq!(
        csv("SELECT sum(n) AS n FROM clicks WHERE day >= DATE '2026-01-02'"),
        "n\n50\n"
    );
    assert_eq!(
        csv("SELECT sum(n) AS n FROM 'clicks/' WHERE day = '2026-01-01'"),
        "n\n10\n"
    );
    assert_eq!(csv("SELECT count(*) AS n FROM 'clicks/*/*.csv'"), "n\n3\n");
    assert_eq!(
        csv("SELECT name FROM 'people.jsonl' ORDER BY id"),
        "name\nAda\n\"\"\n"
    );
    assert_eq!(
        csv(&format!("SELECT count(name) AS n FROM '{url}'")),
        "n\n1\n"
    );
    assert_eq!(csv("SELECT phone FROM semi"), "phone\n0033\n");
}

#[test]
fn csv_files_of_one_folder_have_one_header() {
    let folder = empty();
    std::fs::create_dir(folder.path().join("d")).unwrap();
    std::fs::write(folder.path().join("d/a.csv"), "id,phone\n1,2\n").unwrap();
    std::fs::write(folder.path().join("d/b.csv"), "phone,id\n2,1\n").unwrap();
    let output = run(folder.path(), &["query", "FROM 'd/'"]);
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        error.contains("d/b.csv (phone, id) are not those of") && error.contains("d/a.csv"),
        "{error}"
    );
}

#[cfg(unix)]
#[test]
fn links_and_devices_stay_what_they_are() {
    let folder = empty();
    let link = folder.path().join("link.csv");
    std::fs::write(folder.path().join("real.csv"), "old\n").unwrap();
    std::os::unix::fs::symlink("real.csv", &link).unwrap();
    assert!(
        run(folder.path(), &["query", "SELECT 1 AS n", "-o", "link.csv"])
            .status
            .success()
    );
    assert!(link.is_symlink());
    let real = std::fs::read_to_string(folder.path().join("real.csv")).unwrap();
    assert_eq!(real, "n\n1\n");

    let pipe = folder.path().join("pipe");
    let made = std::process::Command::new("mkfifo")
        .arg(&pipe)
        .status()
        .unwrap();
    assert!(made.success());
    let reader = std::thread::spawn({
        let pipe = pipe.clone();
        move || std::fs::read_to_string(pipe).unwrap()
    });
    let args = ["query", "SELECT 2 AS n", "--format", "csv", "-o", "pipe"];
    assert!(run(folder.path(), &args).status.success());
    assert_eq!(reader.join().unwrap(), "n\n2\n");
}

#[test]
fn names_with_capitals_are_explained() {
    let folder = empty();
    std::fs::write(folder.path().join("x.csv"), "Name\na\n").unwrap();
    assert_snapshot!(transcript(folder.path(), &["query", "SELECT Name FROM 'x.csv'"]), @r#"
    exit code: 1
    --- stdout
    --- stderr
    error: no column named 'name'
    hint: it has capitals: write it in double quotes, "Name"
    "#);
}

#[test]
fn an_invisible_mark_of_an_editor_does_no_harm() {
    let folder = empty();
    std::fs::write(folder.path().join("q.sql"), "\u{feff}SELECT 1 AS n;\r\n").unwrap();
    let output = run(folder.path(), &["query", "-f", "q.sql", "--format", "csv"]);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "n\n1\n");
}

#[test]
fn a_closed_pipe_is_success() {
    let folder = empty();
    let mut child = jumeau(folder.path())
        .args([
            "query",
            "SELECT * FROM generate_series(1, 3000000)",
            "--format",
            "csv",
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_snapshot!(describe(folder.path(), &output), @r#"
    exit code: 0
    --- stdout
    --- stderr
    "#);
}

#[test]
fn a_long_table_says_that_it_is_cut() {
    let folder = empty();
    let output = run(
        folder.path(),
        &["query", "SELECT * FROM generate_series(1, 2500)"],
    );
    assert_eq!(output.status.code(), Some(0));
    assert_snapshot!(String::from_utf8_lossy(&output.stderr), @"only the first 1,000 rows are shown; --format csv prints them all");
    assert_eq!(
        String::from_utf8_lossy(&output.stdout).lines().count(),
        1000 + 4
    );
}

#[test]
fn a_script_on_stdin_runs_until_it_fails() {
    let folder = empty();
    let script = "SELECT 1 AS a;\n-- a comment; with a semicolon\nSELECT\n  'b;c' AS b;\n\
                  SELECT * FROM nowhere;\nSELECT 2 AS never;\n";
    let mut child = jumeau(folder.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(script.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert_snapshot!(describe(folder.path(), &output), @r#"
    exit code: 1
    --- stdout
    ┌───┐
    │ a │
    ╞═══╡
    │ 1 │
    └───┘
    ┌─────┐
    │ b   │
    ╞═════╡
    │ b;c │
    └─────┘
    --- stderr
    error: no table named 'nowhere'
    hint: name a file: FROM 'events.parquet', or write a jumeau.toml
    "#);
}

#[test]
fn read_only_refuses_statements_that_write() {
    let folder = empty();
    let args = ["query", "CREATE TABLE t AS SELECT 1", "--read-only"];
    assert_snapshot!(transcript(folder.path(), &args), @r#"
    exit code: 2
    --- stdout
    --- stderr
    error: this statement writes, and the session is read-only
    hint: leave --read-only out
    "#);
}

#[test]
fn settings_of_the_tariff_reach_the_functions() {
    let folder = empty();
    let sql = "SELECT channel_cost('sms', 1000) AS before; SET tariff.sms = '55'; \
               SELECT channel_cost('sms', 1000) AS after";
    assert_snapshot!(transcript(folder.path(), &["query", sql, "--format", "csv"]), @r#"
    exit code: 0
    --- stdout
    before
    60.000000
    after
    55.000000
    --- stderr
    "#);
}

#[test]
fn a_little_memory_is_enough_for_a_large_sort() {
    let folder = empty();
    let sql = "SELECT count(*) AS n FROM (SELECT value, row_number() OVER (ORDER BY value % 1000, \
               value) AS r FROM generate_series(1, 2000000)) WHERE r > 0";
    let args = [
        "query",
        sql,
        "--memory-limit",
        "60MB",
        "--threads",
        "2",
        "--format",
        "csv",
    ];
    assert_snapshot!(transcript(folder.path(), &args), @r#"
    exit code: 0
    --- stdout
    n
    2000000
    --- stderr
    "#);
}

#[test]
fn joins_do_not_claim_an_order_that_they_have_not() {
    // Both sides come in the order of their file, and probe rows repeat.
    let pairs = "SELECT a.person_id AS x, b.person_id AS y, count(*) AS n FROM contacts a \
                 JOIN contacts b ON a.campaign = b.campaign \
                 WHERE a.person_id <= 800 AND b.person_id <= 800 GROUP BY 1, 2";
    let sql = format!("SELECT count(*) = count(DISTINCT x * 1000 + y) AS whole FROM ({pairs})");
    for threads in ["1", "2"] {
        let args = [
            "query",
            sql.as_str(),
            "--threads",
            threads,
            "--format",
            "csv",
        ];
        let output = run(&root(), &args);
        assert_eq!(
            String::from_utf8_lossy(&output.stdout),
            "whole\ntrue\n",
            "{threads} threads"
        );
    }
}

#[test]
fn packs_are_listed_and_shown() {
    let folder = empty();
    assert_snapshot!(transcript(folder.path(), &["packs"]), @r#"
    exit code: 0
    --- stdout
    acquisition  Which sources and incentives bring opt-ins, at what cost, and what is known of the newcomers  [shipped]
    audience     A look-alike audience from those who bought lately: whom to add, why, and proof in time that it works  [shipped]
    portfolio    What the prospect base is worth, by source and segment, and how much of it rests on thin evidence  [shipped]
    pressure     Who is over-solicited, which channel has stopped working, who should be left alone  [shipped]
    privacy      Consent gaps, expired retention, and the opposition list  [shipped]
    prospecting  Which prospects to contact, by which channel, with which product, at what cost  [shipped]
    timing       The best hour and weekday for each person and channel, shrunk to their segment when evidence is thin  [shipped]
    welcome      The scenario after an opt-in: the next step of each newcomer, and its day  [shipped]
    --- stderr
    "#);
    assert_snapshot!(transcript(folder.path(), &["packs", "show", "audience"]), @r#"
    exit code: 0
    --- stdout
    audience: A look-alike audience from those who bought lately: whom to add, why, and proof in time that it works  [shipped]

    parameters
      alpha (decimal, default 10)  how strongly weights are drawn to zero
      as_of (date, default 2026-06-30)  the audience is made at the start of this day, and knows nothing later
      half_life (interval, default 14 days)  interest halves in this time
      horizon (interval, default 30 days)  the seed ordered within this time before the day; proof is taken over the same time
      method (text, default logistic)  how values are weighed: shared out among them, or each by itself
      min_auc (decimal, default 0.65)  an AUC below this fails the run; 0.5 is chance
      min_lift (decimal, default 2)  a lift of the best tenth below this fails the run; at most 1 / share of buyers
      size (int, default 1000)  how many people the audience has at most

    queries, in the order of a run
      moments
          The three days at which people are described: to learn for the proof, to prove, to choose
          check: rows = 3
          check: max(described_at) <= $as_of
      prospects  ← moments
          Who was a prospect at each of the days, and who of them ordered within the horizon
          check: unique(described_at, person_id)
          check: rows > 0
          check: count(*) FILTER (WHERE converted IS NULL AND described_at < $as_of) = 0
      features  ← moments, prospects
          What was known of each prospect at the day, paths through the site as steps
          check: unique(described_at, person_id)
          check: min(days_since_click) >= 0
          check: min(days_since_signup) >= 0
      past_weights  ← features, prospects
          The same one horizon earlier, as it would have been learned then
          check: unique(feature, value)
          check: max(seed_n) >= 100
          check: not_null(weight)
      proof_scores  ← features, past_weights, prospects
          The score of each earlier prospect, what happened then, and what happened shuffled
          check: unique(person_id)
          check: not_null(converted, shuffled)
      proof  ← proof_scores
          How well the earlier score found those who ordered, and that it finds nothing in shuffled data
          check: not_null(auc, lift_at_10, shuffled_auc)
          check: min(observed_until) >= $as_of
          check: min(auc) >= $min_auc
          check: min(lift_at_10) >= $min_lift
          check: max(abs(shuffled_auc - 0.5) / chance_spread) <= 4
      weights  ← features, prospects
          What speaks for those who ordered in the last horizon, and what against
          check: unique(feature, value)
          check: max(seed_n) >= 100
          check: not_null(weight)
      audience  ← features, weights
          The prospects of today who resemble the seed most
          check: unique(person_id)
          check: not_null(score)
          check: count(*) <= $size
          check: max(rank) = count(*)
      reasons  ← weights
          The values that tell most, for and against, with the counts that they rest on
          check: unique(feature, value)
          check: rows > 0

    outputs: out/audience/latest/<query>.parquet
    --- stderr
    "#);
}
