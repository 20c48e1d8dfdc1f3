//! Packs as batch jobs run them: all outputs at once or none, checks before publication, the last
//! good run kept.

use std::fs;
use std::path::Path;

use crate::support::{root, run, transcript};
use insta::assert_snapshot;

fn pack(manifest: &str, queries: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("p")).unwrap();
    fs::write(folder.path().join("p/pack.toml"), manifest).unwrap();
    for (name, sql) in queries {
        fs::write(folder.path().join(format!("p/{name}.sql")), sql).unwrap();
    }
    folder
}

const MANIFEST: &str = "[pack]\ndescription = \"numbers\"\n[params]\n\
    divisor = { type = \"int\", default = 2, min = 0 }\n\
    [queries.b]\nchecks = [\"unique(half)\", \"rows = 10\"]\nshow = true\n";
const QUERIES: [(&str, &str); 2] = [
    ("b", "SELECT n / $divisor AS half FROM a"),
    ("a", "SELECT value * 2 AS n FROM generate_series(1, 10)"),
];

fn csv(folder: &Path, sql: &str) -> String {
    let output = run(folder, &["query", sql, "--format", "csv"]);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn queries_run_in_the_order_of_what_they_read() {
    let folder = pack(MANIFEST, &QUERIES);
    let output = run(folder.path(), &["run", "p", "--quiet"]);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let sum = csv(
        folder.path(),
        "SELECT sum(half) AS s FROM 'out/p/latest/b.parquet'",
    );
    assert_eq!(sum, "s\n55\n");
    let record = fs::read_dir(folder.path().join("out/p/records"))
        .unwrap()
        .next()
        .unwrap();
    let record: serde_json::Value =
        serde_json::from_slice(&fs::read(record.unwrap().path()).unwrap()).unwrap();
    assert_eq!(record["params"]["divisor"], "2");
    assert_eq!(record["queries"][1]["checks"][0]["passed"], true);
}

#[test]
fn failed_checks_publish_nothing_and_keep_the_failing_rows() {
    let folder = pack(MANIFEST, &QUERIES);
    assert!(run(folder.path(), &["run", "p"]).status.success());
    let good = fs::read_link(folder.path().join("out/p/latest")).unwrap();

    let output = run(folder.path(), &["run", "p", "--param", "divisor=4"]);
    assert_eq!(output.status.code(), Some(3));
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        message.contains("a check failed, nothing is published\n  b: unique(half)"),
        "{message}"
    );
    assert_eq!(
        fs::read_link(folder.path().join("out/p/latest")).unwrap(),
        good
    );
    let rejected = fs::read_dir(folder.path().join("out/p/rejected"))
        .unwrap()
        .next()
        .unwrap();
    let failing = rejected.unwrap().path().join("b.failing-1.parquet");
    let rows = csv(
        folder.path(),
        &format!("SELECT max(times) AS m FROM '{}'", failing.display()),
    );
    assert_eq!(rows, "m\n2\n");
}

#[test]
fn a_failed_query_leaves_the_last_good_run() {
    let folder = pack(MANIFEST, &QUERIES);
    assert!(run(folder.path(), &["run", "p"]).status.success());
    let good = fs::read_link(folder.path().join("out/p/latest")).unwrap();
    assert_snapshot!(transcript(folder.path(), &["run", "p", "--quiet", "--param", "divisor=0"]), @r#"
    exit code: 1
    --- stdout
    --- stderr
    error: p, query 'b': division by zero
    hint: divide by NULLIF(x, 0) to get NULL
    "#);
    assert_eq!(
        fs::read_link(folder.path().join("out/p/latest")).unwrap(),
        good
    );
    assert!(
        !folder.path().join("out/p/staging").exists(),
        "nothing half-written"
    );
}

#[test]
fn a_selection_runs_what_it_needs() {
    let folder = pack(MANIFEST, &QUERIES);
    assert!(
        run(folder.path(), &["run", "p", "--select", "a"])
            .status
            .success()
    );
    assert!(folder.path().join("out/p/latest/a.parquet").exists());
    assert!(!folder.path().join("out/p/latest/b.parquet").exists());
}

#[test]
fn a_selection_does_not_replace_a_whole_run() {
    let folder = pack(MANIFEST, &QUERIES);
    assert!(run(folder.path(), &["run", "p"]).status.success());
    let output = run(folder.path(), &["run", "p", "--select", "a"]);
    assert!(output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("latest keeps the run"));
    assert!(folder.path().join("out/p/latest/b.parquet").exists());
}

#[test]
fn packs_only_read() {
    let folder = pack(
        "[pack]\ndescription = \"d\"\n",
        &[("a", "COPY (SELECT 1 AS x) TO 'sneaky.parquet'")],
    );
    let output = run(folder.path(), &["run", "p"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("a.sql: COPY is not a query"));
    assert!(!folder.path().join("sneaky.parquet").exists());
}

#[test]
fn a_number_that_does_not_fit_is_an_error_not_a_null() {
    let folder = pack(
        "[pack]\ndescription = \"d\"\n",
        &[(
            "a",
            "SELECT arrow_cast(17446744073709551615, 'UInt64') AS id",
        )],
    );
    let output = run(folder.path(), &["run", "p"]);
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        error.contains("17446744073709551615") && error.contains("hint: "),
        "{error}"
    );
}

#[cfg(unix)]
#[test]
fn a_terminated_run_leaves_nothing() {
    let folder = pack(
        "[pack]\ndescription = \"d\"\n",
        &[(
            "a",
            "SELECT count(*) AS n FROM generate_series(1, 3000000) a(x), generate_series(1, 3000000) b(y) WHERE x <> y",
        )],
    );
    let mut child = crate::support::jumeau(folder.path())
        .args(["run", "p"])
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let staging = folder.path().join("out/p/staging");
    while !staging
        .read_dir()
        .is_ok_and(|mut entries| entries.next().is_some())
    {
        assert!(child.try_wait().unwrap().is_none(), "it ended by itself");
        std::thread::yield_now();
    }
    let killed = std::process::Command::new("kill")
        .arg(child.id().to_string())
        .status();
    assert!(killed.unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(!staging.exists());
}

#[test]
fn an_empty_output_has_its_columns() {
    let folder = pack(
        "[pack]\ndescription = \"d\"\n",
        &[("none", "SELECT 1 AS x, 'a' AS y WHERE false")],
    );
    assert!(run(folder.path(), &["run", "p"]).status.success());
    assert_eq!(
        csv(folder.path(), "FROM 'out/p/latest/none.parquet'"),
        "x,y\n"
    );
}

#[test]
fn the_binary_alone_makes_a_project_and_a_plan() {
    let folder = tempfile::tempdir().unwrap();
    assert!(
        run(folder.path(), &["init", "demo", "--quiet"])
            .status
            .success()
    );
    let demo = folder.path().join("demo");
    let output = run(&demo, &["run", "prospecting", "--quiet"]);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let plan = csv(
        &demo,
        "SELECT count(*) > 0 AND count(*) = count(DISTINCT person_id) AND sum(cost) <= 1500 \
         AND min(value) > 0 AS sound FROM 'out/prospecting/latest/contact_plan.parquet'",
    );
    assert_eq!(plan, "sound\ntrue\n");
    // The sample that ships with the project is the one that `init` makes.
    for table in ["events", "people", "orders", "contacts"] {
        let name = format!("data/{table}.parquet");
        assert!(
            fs::read(demo.join(&name)).unwrap() == fs::read(root().join(&name)).unwrap(),
            "{name}"
        );
    }
}

#[test]
fn the_plan_keeps_consent_caps_and_budget() {
    let out = tempfile::tempdir().unwrap();
    let out = out.path().to_string_lossy().into_owned();
    for (budget, binds) in [("5", true), ("1500", false)] {
        let param = format!("budget={budget}");
        let args = [
            "run",
            "prospecting",
            "--quiet",
            "--out",
            &out,
            "--param",
            &param,
        ];
        let output = run(&root(), &args);
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let latest = format!("{out}/prospecting/latest");
        // Consent by another route than the pack's: the last word before the day of the plan.
        let sql = format!(
            "WITH last AS (SELECT person_id, channel, status, row_number() OVER (PARTITION BY \
             person_id, channel ORDER BY decided_at DESC, status DESC) AS r FROM consents \
             WHERE decided_at <= DATE '2026-06-30') \
             SELECT count(*) > 100 AS some, sum(p.cost) <= {budget} AS within, \
             sum(p.cost) > 0.99 * {budget} AS spent, \
             count(*) FILTER (WHERE last.status = 'opt_in') = count(*) AS consented \
             FROM '{latest}/contact_plan.parquet' p LEFT JOIN last ON last.person_id = p.person_id \
             AND last.channel = p.channel AND r = 1"
        );
        assert_eq!(
            csv(&root(), &sql),
            format!("some,within,spent,consented\ntrue,true,{binds},true\n")
        );
    }
}

#[test]
fn a_taste_needs_enough_fresh_clicks() {
    let out = tempfile::tempdir().unwrap();
    let out = out.path().to_string_lossy().into_owned();
    let args = [
        "run",
        "prospecting",
        "--quiet",
        "--out",
        &out,
        "--select",
        "interests",
    ];
    assert!(run(&root(), &args).status.success());
    // What is left of a person's clicks, summed by another route than the pack's.
    let sql = format!(
        "SELECT count(*) FILTER (WHERE share IS NOT NULL) > 1000 AS some, \
         count(*) FILTER (WHERE share IS NOT NULL AND left_over < 1.5 - 1e-9) = 0 AS fresh, \
         count(*) FILTER (WHERE share IS NULL AND least(left_over, evidence) >= 1.5 + 1e-9) = 0 AS all \
         FROM (SELECT share, evidence, sum(score) OVER (PARTITION BY person_id) AS left_over \
         FROM '{out}/prospecting/latest/interests.parquet')"
    );
    assert_eq!(csv(&root(), &sql), "some,fresh,all\ntrue,true,true\n");
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let mut runs = Vec::new();
    for threads in ["1", "2", "7"] {
        let out = tempfile::tempdir().unwrap();
        let out = out.path().to_string_lossy().into_owned();
        let args = [
            "run",
            "prospecting",
            "--quiet",
            "--threads",
            threads,
            "--out",
            &out,
        ];
        assert!(run(&root(), &args).status.success());
        let mut outputs = Vec::new();
        let latest = Path::new(&out).join("prospecting/latest");
        let mut files: Vec<_> = latest
            .read_dir()
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        files.sort();
        for file in files {
            let sql = format!("FROM '{}' ORDER BY ALL", file.display());
            outputs.push((file.file_name().unwrap().to_owned(), csv(&root(), &sql)));
        }
        runs.push(outputs);
    }
    assert!(runs[0].len() >= 10);
    for (index, (name, rows)) in runs[0].iter().enumerate() {
        for other in &runs[1..] {
            assert!(
                other[index] == (name.clone(), rows.clone()),
                "{}",
                name.display()
            );
        }
    }
}

#[test]
fn the_audience_is_proved_in_time_and_shuffled_labels_tell_nothing() {
    let out = tempfile::tempdir().unwrap();
    let out = out.path().to_string_lossy().into_owned();
    let output = run(&root(), &["run", "audience", "--quiet", "--out", &out]);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let latest = format!("{out}/audience/latest");
    let sql = format!(
        "SELECT auc >= 0.68 AS auc, auc_low > 0.65 AS low, lift_at_10 >= 2.5 AS lift, \
         abs(shuffled_auc - 0.5) <= 0.02 AS chance, calibration_error <= 0.01 AS calibrated \
         FROM '{latest}/proof.parquet'"
    );
    assert_eq!(
        csv(&root(), &sql),
        "auc,low,lift,chance,calibrated\ntrue,true,true,true,true\n"
    );
    // By another route than the pack's: nobody in the audience has ordered before its day.
    let sql = format!(
        "SELECT count(*) AS people, count(*) FILTER (WHERE o.person_id IS NOT NULL) AS customers \
         FROM '{latest}/audience.parquet' a LEFT JOIN (SELECT DISTINCT person_id FROM orders \
         WHERE order_time <= DATE '2026-06-30') o ON o.person_id = a.person_id"
    );
    assert_eq!(csv(&root(), &sql), "people,customers\n1000,0\n");
}
