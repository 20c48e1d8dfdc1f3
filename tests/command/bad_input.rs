//! Bad input: one clear message that names the thing and hints at the cure, the right exit code,
//! nothing half-written.

use std::fs;
use std::path::Path;

use crate::support::{root, run, transcript};
use insta::assert_snapshot;

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

/// A pack of one query.
fn pack(manifest: &str, sql: &str) -> tempfile::TempDir {
    folder(&[("p/pack.toml", manifest), ("p/one.sql", sql)])
}

const HEAD: &str = "[pack]\ndescription = \"d\"\n";

fn query(folder: &Path, sql: &str) -> String {
    transcript(folder, &["query", sql])
}

#[test]
fn a_missing_file() {
    let folder = folder(&[("events.csv", "a\n1\n")]);
    assert_snapshot!(query(folder.path(), "SELECT * FROM 'event.csv'"), @r#"
    exit code: 1
    --- stdout
    --- stderr
    error: file not found: event.csv
    hint: did you mean 'events.csv'?
    "#);
}

#[test]
fn a_missing_file_of_a_project() {
    let folder = folder(&[(
        "jumeau.toml",
        "[tables.events]\npath = \"nowhere/events.parquet\"\n",
    )]);
    assert_snapshot!(query(folder.path(), "SELECT * FROM events"), @r#"
    exit code: 1
    --- stdout
    --- stderr
    error: table 'events': file not found: [folder]/nowhere/events.parquet
    hint: paths start at the current folder, or at jumeau.toml's
    "#);
    // The other tables are not in its way.
    assert_eq!(
        run(folder.path(), &["query", "SELECT 1"]).status.code(),
        Some(0)
    );
}

#[test]
fn a_truncated_parquet_file() {
    let folder = folder(&[]);
    let whole = fs::read(root().join("data/products.parquet")).unwrap();
    fs::write(folder.path().join("cut.parquet"), &whole[..whole.len() / 2]).unwrap();
    assert_snapshot!(query(folder.path(), "SELECT * FROM 'cut.parquet'"), @r#"
    exit code: 1
    --- stdout
    --- stderr
    error: cut.parquet: not a whole Parquet file: Invalid Parquet file. Corrupt footer
    hint: it may be truncated or of another format; write it again
    "#);
    fs::write(folder.path().join("empty.parquet"), "").unwrap();
    assert_snapshot!(query(folder.path(), "SELECT * FROM 'empty.parquet'"), @r#"
    exit code: 1
    --- stdout
    --- stderr
    error: empty.parquet: the file is empty: not even column names are there
    "#);
}

#[test]
fn a_parquet_file_with_a_broken_page() {
    let folder = folder(&[]);
    let mut bytes = fs::read(root().join("data/products.parquet")).unwrap();
    for byte in &mut bytes[100..1000] {
        *byte ^= 0x5a;
    }
    fs::write(folder.path().join("broken.parquet"), &bytes).unwrap();
    let output = run(
        folder.path(),
        &["query", "SELECT * FROM 'broken.parquet'", "-o", "r.csv"],
    );
    assert_eq!(output.status.code(), Some(1));
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        message.contains("broken.parquet: not a whole Parquet file"),
        "{message}"
    );
    assert!(!folder.path().join("r.csv").exists());
}

#[test]
fn a_csv_file_with_a_broken_row() {
    let folder = folder(&[("people.csv", "id,name\n1,a\n2,b,c\n3,d\n")]);
    assert_snapshot!(query(folder.path(), "SELECT * FROM 'people.csv'"), @r#"
    exit code: 1
    --- stdout
    --- stderr
    error: people.csv: CSV: Encountered unequal lengths between records on CSV file. Expected 2 records, found 3 records at line 3
    hint: every row needs the same fields; check the delimiter, quotes and column types
    "#);
}

#[test]
fn a_csv_value_of_the_wrong_type() {
    let mut rows = "id\n".to_owned() + &"1\n".repeat(2000);
    rows.push_str("x\n");
    let folder = folder(&[("people.csv", &rows)]);
    assert_snapshot!(query(folder.path(), "SELECT sum(id) FROM 'people.csv'"), @r#"
    exit code: 1
    --- stdout
    --- stderr
    error: [folder]/people.csv: wrong type: Error while parsing value 'x' as type 'Int64' for column 0 at line 2001. Row data: '[x]'
    hint: TRY_CAST gives NULL for a value that does not fit
    "#);
}

#[test]
fn a_json_file_that_is_not_json() {
    let folder = folder(&[("people.jsonl", "{\"id\": 1}\n{\"id\": \n")]);
    assert_snapshot!(query(folder.path(), "SELECT * FROM 'people.jsonl'"), @r#"
    exit code: 1
    --- stdout
    --- stderr
    error: people.jsonl: JSON: Not valid JSON: EOF while parsing a value at line 1 column 6
    hint: write one object a line
    "#);
}

#[test]
fn a_file_of_no_known_format() {
    let folder = folder(&[("sub/people.xyz", "1\n")]);
    assert_snapshot!(query(folder.path(), "SELECT * FROM 'sub/people.xyz'"), @r#"
    exit code: 2
    --- stdout
    --- stderr
    error: sub/people.xyz: the ending does not tell the format
    hint: name it .parquet, .csv, .json or .jsonl, or give the table a `format` in jumeau.toml
    "#);
}

#[test]
fn unknown_tables_columns_functions_parameters() {
    let all: Vec<String> = [
        "SELECT * FROM evnts",
        "SELECT evnt_type FROM events",
        "SELECT afinity(1, event_time, INTERVAL '1 day', DATE '2026-01-01') FROM events",
        "SELECT * FROM events WHERE event_time < $as_of",
        "SELECT sum(event_type) FROM events",
        "SELEKT 1",
        "SELECT 1 FROM",
    ]
    .iter()
    .map(|sql| query(&root(), sql))
    .collect();
    assert_snapshot!(all.join("\n"), @r#"
    exit code: 1
    --- stdout
    --- stderr
    error: no table named 'evnts'
    hint: did you mean 'events'?

    exit code: 1
    --- stdout
    --- stderr
    error: no column named 'evnt_type'
    hint: did you mean 'event_type'?

    exit code: 1
    --- stdout
    --- stderr
    error: Invalid function 'afinity'
    hint: did you mean 'affinity'?

    exit code: 2
    --- stdout
    --- stderr
    error: parameter '$as_of' has no value
    hint: give it one: --param as_of=…

    exit code: 1
    --- stdout
    --- stderr
    error: no function takes these arguments: sum(Utf8View)
    hint: cast the arguments; it can be sum(Decimal), sum(UInt64), sum(Int64), sum(Float64), sum(Duration), sum(Interval)

    exit code: 1
    --- stdout
    --- stderr
    error: SQL syntax: Expected: an SQL statement, found: SELEKT at Line: 1, Column: 1

    exit code: 1
    --- stdout
    --- stderr
    error: SQL syntax: Expected: identifier, found: EOF
    "#);
}

#[test]
fn arguments_of_the_wrong_type_or_out_of_range() {
    let all: Vec<String> = [
        "SELECT affinity(1, event_type, INTERVAL '1 day', DATE '2026-01-01') FROM events",
        "EXPLAIN SELECT pressure(sent_at, INTERVAL '-1 day', DATE '2026-01-01') FROM contacts",
        "SELECT channel_cost('fax', 3)",
        "SELECT wilson_lower(3, 2)",
    ]
    .iter()
    .map(|sql| query(&root(), sql))
    .collect();
    assert_snapshot!(all.join("\n"), @r#"
    exit code: 1
    --- stdout
    --- stderr
    error: affinity: argument 'event_time' must be a TIMESTAMP or DATE, got Utf8View
    hint: cast it, e.g. event_time::TIMESTAMP

    exit code: 1
    --- stdout
    --- stderr
    error: pressure: argument 'half_life' must be an interval above zero, got -1 days

    exit code: 1
    --- stdout
    --- stderr
    error: channel_cost: argument 'channel' must be one of 'email', 'sms', got 'fax'

    exit code: 1
    --- stdout
    --- stderr
    error: wilson_lower: argument 'successes' must be at most trials (2), got 3
    "#);
}

#[test]
fn a_malformed_project_names_the_line() {
    let folder = folder(&[(
        "jumeau.toml",
        "[tables.events]\npath = \"x.parquet\"\nsorted = true\n",
    )]);
    assert_snapshot!(query(folder.path(), "SELECT 1"), @r#"
    exit code: 2
    --- stdout
    --- stderr
    error: [folder]/jumeau.toml: TOML parse error at line 3, column 1
      |
    3 | sorted = true
      | ^^^^^^
    unknown field `sorted`, expected one of `path`, `format`, `partitioned_by`, `sort_order`, `header`, `delimiter`, `columns`
    hint: a project has [tables.NAME], [views], [tariff], [privacy] and [limits]
    "#);
    assert_snapshot!(transcript(folder.path(), &["query", "SELECT 1", "--project", "no.toml"]), @r#"
    exit code: 2
    --- stdout
    --- stderr
    error: project file no.toml: No such file or directory (os error 2)
    hint: check the spelling of the path
    "#);
}

#[test]
fn a_project_with_a_wrong_price_or_variable() {
    let wrong_price = folder(&[("jumeau.toml", "[tariff]\nsms = -1\n")]);
    assert_snapshot!(query(wrong_price.path(), "SELECT 1"), @r#"
    exit code: 2
    --- stdout
    --- stderr
    error: tariff: the price of 'sms' must be a number of euros, zero or positive, with at most 6 decimals, got '-1'
    "#);
    let unset = folder(&[(
        "jumeau.toml",
        "[tables.t]\npath = \"${JUMEAU_DATA}/t.csv\"\n",
    )]);
    assert_snapshot!(query(unset.path(), "SELECT 1"), @r#"
    exit code: 2
    --- stdout
    --- stderr
    error: [folder]/jumeau.toml: table 't', path: the environment variable 'JUMEAU_DATA' is not set
    hint: set it: JUMEAU_DATA=/path/to/data jumeau …
    "#);
}

#[test]
fn a_view_that_does_not_plan_is_named() {
    let folder = folder(&[
        (
            "jumeau.toml",
            "[views]\npeople = \"people.sql\"\nother = \"none.sql\"\n",
        ),
        ("people.sql", "SELECT * FROM persons"),
    ]);
    assert_snapshot!(query(folder.path(), "SELECT * FROM people"), @r#"
    exit code: 1
    --- stdout
    --- stderr
    error: view 'people' ([folder]/people.sql): no table named 'persons'
    hint: tables here: other, people
    "#);
    assert_snapshot!(query(folder.path(), "SELECT * FROM other"), @r#"
    exit code: 1
    --- stdout
    --- stderr
    error: view 'other', file [folder]/none.sql: No such file or directory (os error 2)
    hint: check the spelling of the path
    "#);
}

#[test]
fn unknown_packs_and_parameters() {
    assert_snapshot!(transcript(&root(), &["run", "prospectin"]), @r#"
    exit code: 2
    --- stdout
    --- stderr
    error: no pack named 'prospectin'
    hint: did you mean 'prospecting'?
    "#);
    assert_snapshot!(transcript(&root(), &["run", "prospecting", "--param", "bugdet=3"]), @r#"
    exit code: 2
    --- stdout
    --- stderr
    error: pack 'prospecting' has no parameter 'bugdet'
    hint: did you mean 'budget'?
    "#);
    assert_snapshot!(transcript(&root(), &["run", "prospecting", "--param", "budget=-3"]), @r#"
    exit code: 2
    --- stdout
    --- stderr
    error: parameter 'budget' must be at least 0, got -3
    "#);
    assert_snapshot!(transcript(&root(), &["run", "prospecting", "--as-of", "yesterday"]), @r#"
    exit code: 2
    --- stdout
    --- stderr
    error: parameter 'as_of' must be a date such as 2026-06-30, got 'yesterday'
    "#);
    assert_snapshot!(transcript(&root(), &["run", "prospecting", "--param", "budget"]), @r#"
    exit code: 2
    --- stdout
    --- stderr
    error: invalid value 'budget' for '--param <NAME=VALUE>': write it as name=value

    For more information, try '--help'.
    "#);
}

#[test]
fn malformed_packs() {
    let no_table = pack(HEAD, "SELECT * FROM nowhere");
    assert_snapshot!(transcript(no_table.path(), &["check", "p"]), @r#"
    exit code: 1
    --- stdout
    --- stderr
    error: p, query 'one': no table named 'nowhere'
    hint: name a file: FROM 'events.parquet', or write a jumeau.toml
    "#);
    let no_check = pack(
        &format!("{HEAD}[queries.one]\nchecks = [\"unique(y)\"]\n"),
        "SELECT 1 AS x",
    );
    assert_snapshot!(transcript(no_check.path(), &["check", "p"]), @r#"
    exit code: 1
    --- stdout
    --- stderr
    error: p, query 'one': check "unique(y)": no column named 'y'
    hint: columns here: x
    "#);
    let typo = pack(&format!("{HEAD}[querys.one]\n"), "SELECT 1 AS x");
    assert_snapshot!(transcript(typo.path(), &["check", "p"]), @r#"
    exit code: 2
    --- stdout
    --- stderr
    error: p: pack.toml: TOML parse error at line 3, column 2
      |
    3 | [querys.one]
      |  ^^^^^^
    unknown field `querys`, expected one of `pack`, `params`, `queries`
    hint: a pack has [pack], [params] and [queries.NAME]
    "#);
}

#[test]
fn an_output_folder_that_cannot_be_written() {
    let folder = pack(HEAD, "SELECT 1 AS x");
    fs::write(folder.path().join("file"), "in the way").unwrap();
    assert_snapshot!(transcript(folder.path(), &["run", "p", "--out", "file"]), @r#"
    exit code: 1
    --- stdout
    --- stderr
    p: d
    error: output folder file/p/staging: Not a directory (os error 20)
    "#);
    assert_snapshot!(transcript(folder.path(), &["query", "SELECT 1", "-o", "file/r.csv"]), @r#"
    exit code: 1
    --- stdout
    --- stderr
    error: file/r.csv: not a directory
    "#);
    assert_snapshot!(transcript(folder.path(), &["sample", "file", "--visitors", "1000"]), @r#"
    exit code: 1
    --- stdout
    --- stderr
    error: file: File exists (os error 17)
    "#);
}

#[test]
fn samples_and_projects_of_the_wrong_kind() {
    let folder = folder(&[("jumeau.toml", "")]);
    assert_snapshot!(transcript(folder.path(), &["sample", "s", "--visitors", "10"]), @r#"
    exit code: 2
    --- stdout
    --- stderr
    error: the number of visitors must be from 1000 to 10000000, got 10
    "#);
    assert_snapshot!(transcript(folder.path(), &["init", "."]), @r#"
    exit code: 2
    --- stdout
    --- stderr
    error: . already holds jumeau.toml
    hint: choose another folder; nothing was changed
    "#);
    assert!(!folder.path().join("s").exists() && !folder.path().join("data").exists());
}
