//! `jumeau erase`: a person is in all tables or in none, and stays out of every plan.

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use crate::support::{jumeau, root};

const KEY: &str = "hush: a key of more than sixteen bytes";

fn with_key(folder: &Path) -> Command {
    let mut command = jumeau(folder);
    command.env("JUMEAU_KEY", KEY);
    command
}

/// Runs the command and expects this exit code. Nothing ever shows the key.
fn expect(code: i32, command: &mut Command) -> String {
    shown(code, &command.output().unwrap())
}

fn shown(code: i32, output: &Output) -> String {
    let text = [&output.stdout, &output.stderr]
        .map(|bytes| String::from_utf8_lossy(bytes))
        .concat();
    assert_eq!(output.status.code(), Some(code), "{text}");
    assert!(!text.contains("hush"), "{text}");
    text
}

fn erase(folder: &Path, person: &str) -> String {
    expect(0, with_key(folder).args(["erase", person]))
}

fn refused(folder: &Path, arguments: &[&str]) -> String {
    let before = bytes(folder);
    let text = expect(1, with_key(folder).arg("erase").args(arguments));
    assert_eq!(bytes(folder), before, "{text}");
    text
}

/// All rows, in the order of the file.
fn rows(folder: &Path, sql: &str) -> Vec<String> {
    let arguments = ["query", sql, "--format", "csv", "--threads", "1"];
    let output = with_key(folder).args(arguments).output().unwrap();
    shown(0, &output);
    String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .skip(1)
        .map(str::to_owned)
        .collect()
}

fn one(folder: &Path, sql: &str) -> String {
    rows(folder, sql).concat()
}

/// Every file below a folder with its bytes.
fn bytes(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(bytes(&path));
        } else {
            found.insert(path.clone(), fs::read(&path).unwrap());
        }
    }
    found
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.path().is_dir() {
            copy(&entry.path(), &to.join(entry.file_name()));
        } else {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

/// The sample project.
fn sample() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::copy(
        root().join("jumeau.toml"),
        folder.path().join("jumeau.toml"),
    )
    .unwrap();
    copy(&root().join("data"), &folder.path().join("data"));
    copy(&root().join("queries"), &folder.path().join("queries"));
    folder
}

/// A small project of text files.
fn project(toml: &str, files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let toml = format!("{toml}\n[privacy]\nkey_env = 'JUMEAU_KEY'\n");
    fs::write(folder.path().join("jumeau.toml"), toml).unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

const TABLES: [&str; 7] = [
    "addresses",
    "consents",
    "contacts",
    "events",
    "orders",
    "people",
    "products",
];

#[test]
fn every_table_forgets_the_person_and_nobody_else() {
    let folder = sample();
    let folder = folder.path();
    // Somebody who visited before signing up, ordered, and sent a friend.
    let person = one(
        folder,
        "SELECT min(person_id) FROM people AS p WHERE person_id IN (SELECT referred_by FROM people)
         AND person_id IN (SELECT person_id FROM orders) AND person_id IN (SELECT person_id FROM contacts)
         AND person_id IN (SELECT person_id FROM events WHERE visitor_id IN
             (SELECT visitor_id FROM events WHERE person_id IS NULL))",
    );
    let visitor = one(
        folder,
        &format!("SELECT DISTINCT visitor_id FROM events WHERE person_id = {person}"),
    );
    let all = |table: &str| rows(folder, &format!("SELECT * FROM {table}"));
    let before = TABLES.map(all);
    let files = bytes(folder);

    let dry = expect(0, with_key(folder).args(["erase", &person, "--dry-run"]));
    assert!(dry.contains("would be removed"), "{dry}");
    assert_eq!(bytes(folder), files, "a dry run changes nothing");

    let report = erase(folder, &person);
    assert_eq!(
        dry.split_once(":\n").unwrap().1,
        report.split_once(":\n").unwrap().1
    );
    for part in [
        "people      1 row removed, ",
        " set to NULL  (data/people.parquet)",
        "fingerprints added  (opposition.parquet)",
        "not touched: outputs of earlier runs",
    ] {
        assert!(report.contains(part), "{part}: {report}");
    }
    for (table, before) in TABLES.iter().zip(&before) {
        let columns = rows(folder, &format!("DESCRIBE {table}"));
        let columns: Vec<&str> = columns
            .iter()
            .filter_map(|row| row.split(',').next())
            .collect();
        let place = |name: &str| columns.iter().position(|column| *column == name);
        let (id, sender, browser) = (
            place("person_id"),
            place("referred_by"),
            place("visitor_id"),
        );
        let is = |fields: &[String], place: Option<usize>, value: &str| {
            place.is_some_and(|place| fields[place] == value)
        };
        let expected: Vec<String> = before
            .iter()
            .filter_map(|row| {
                let mut fields: Vec<String> = row.split(',').map(str::to_owned).collect();
                let anonymous = is(&fields, browser, &visitor) && is(&fields, id, "");
                if is(&fields, id, &person) || anonymous {
                    return None;
                }
                if is(&fields, sender, &person) {
                    fields[sender.unwrap()].clear();
                }
                Some(fields.join(","))
            })
            .collect();
        assert_eq!(all(table), expected, "{table}");
        let path = folder.join(format!("data/{table}.parquet"));
        let same = fs::read(&path).unwrap() == files[&path];
        assert_eq!(
            same,
            expected == *before,
            "{table}: only files that name the person are written again"
        );
    }
    assert!(before[3].len() > all("events").len() + 1);
    assert_eq!(
        one(folder, "SELECT count(DISTINCT fingerprint) FROM opposition"),
        one(folder, "SELECT count(*) FROM opposition")
    );
    let hidden: Vec<PathBuf> = bytes(folder)
        .into_keys()
        .filter(|path| path.file_name().unwrap().to_string_lossy().starts_with('.'))
        .collect();
    assert!(hidden.is_empty(), "{hidden:?}");

    let again = refused(folder, &[&person]);
    assert!(
        again.contains(&format!(
            "no table of the project names the person '{person}'"
        )),
        "{again}"
    );
}

#[test]
fn an_erased_address_is_in_no_plan_again_under_any_id() {
    let folder = sample();
    let folder = folder.path();
    let plan = || {
        expect(0, with_key(folder).args(["run", "prospecting", "--quiet"]));
        rows(
            folder,
            "SELECT person_id FROM 'out/prospecting/latest/contact_plan.parquet' ORDER BY rank",
        )
    };
    // Two people of the plan who can be reached both ways.
    let both = rows(
        folder,
        "SELECT person_id FROM addresses GROUP BY person_id HAVING count(DISTINCT channel) = 2",
    );
    let planned: Vec<String> = plan()
        .into_iter()
        .filter(|person| both.contains(person))
        .take(2)
        .collect();
    let [gone, newcomer] = &planned[..] else {
        panic!("{planned:?}")
    };
    let addresses = rows(
        folder,
        &format!(
            "SELECT channel || '|' || address FROM addresses WHERE person_id = {gone} ORDER BY channel"
        ),
    );
    erase(folder, gone);
    assert!(plan().contains(newcomer));

    // The newcomer brings the same addresses, written in another way.
    let [email, sms] = [0, 1].map(|index| addresses[index].split_once('|').unwrap().1);
    let (email, sms) = (
        email.to_uppercase(),
        sms.replace('+', "00").replace(' ', "."),
    );
    let sql = format!(
        "SELECT person_id, channel, CASE WHEN person_id <> {newcomer} THEN address
             WHEN channel = 'email' THEN '  {email} ' ELSE '{sms}' END AS address FROM addresses"
    );
    expect(
        0,
        with_key(folder).args(["query", &sql, "-o", "new.parquet"]),
    );
    fs::rename(
        folder.join("new.parquet"),
        folder.join("data/addresses.parquet"),
    )
    .unwrap();
    let opposed = rows(
        folder,
        "SELECT person_id, channel FROM opposed_addresses ORDER BY channel",
    );
    let expected = ["email", "sms"].map(|channel| format!("{newcomer},{channel}"));
    assert_eq!(opposed, expected);
    let plan = plan();
    assert!(plan.len() > 1000 && !plan.contains(newcomer) && !plan.contains(gone));
    let left_out = "SELECT prospects >= 1 FROM 'out/prospecting/latest/left_out.parquet' WHERE reason = 'opposition'";
    assert_eq!(rows(folder, left_out), ["true"]);

    // Without the key, or with another, nobody is planned at all.
    let text = expect(
        1,
        jumeau(folder)
            .env_remove("JUMEAU_KEY")
            .args(["check", "prospecting"]),
    );
    assert!(
        text.contains(
            "the opposition list needs its key: the environment variable 'JUMEAU_KEY' is not set"
        ),
        "{text}"
    );
    let text = expect(
        1,
        jumeau(folder)
            .env("JUMEAU_KEY", "another key of many bytes")
            .args(["check", "prospecting"]),
    );
    assert!(text.contains("the key is not the one that"), "{text}");
}

#[test]
fn what_cannot_be_done_is_said_and_nothing_is_touched() {
    let folder = project(
        "[tables.people]\npath = 'people.csv'\n[tables.addresses]\npath = 'addresses.csv'",
        &[
            ("people.csv", "person_id,name\n7,ann\n"),
            (
                "addresses.csv",
                "person_id,channel,address\n7,email,ann@example.com\n",
            ),
        ],
    );
    let folder = folder.path();
    let before = bytes(folder);
    let text = expect(
        1,
        jumeau(folder).env_remove("JUMEAU_KEY").args(["erase", "7"]),
    );
    assert!(
        text.contains("the opposition list needs its key") && text.contains("hint: "),
        "{text}"
    );
    let text = expect(
        1,
        jumeau(folder)
            .env("JUMEAU_KEY", "short")
            .args(["erase", "7"]),
    );
    assert!(text.contains("shorter than 16 bytes"), "{text}");
    let text = expect(2, with_key(folder).args(["--read-only", "erase", "7"]));
    assert!(text.contains("the session is read-only"), "{text}");
    let text = refused(folder, &["07"]);
    assert!(
        text.contains("no table of the project names the person '07'"),
        "{text}"
    );
    let lock = jumeau::transaction::Lock::take(folder).unwrap();
    let text = expect(1, with_key(folder).args(["erase", "7"]));
    assert!(text.contains("another erasure is at work"), "{text}");
    drop(lock);
    assert_eq!(bytes(folder), before);
    let nowhere = tempfile::tempdir().unwrap();
    let text = expect(2, with_key(nowhere.path()).args(["erase", "7"]));
    assert!(text.contains("there is no project here"), "{text}");
    expect(
        0,
        with_key(folder).args(["--read-only", "erase", "7", "--dry-run"]),
    );
    assert_eq!(bytes(folder), before);
}

#[test]
fn csv_and_json_lines_keep_all_other_bytes() {
    let people = "name;person_id;\"referred_by\"\r\n\"Ann; \"\"A\"\"\r\nB\";7;\r\nbob;8;7\r\n\r\n\"c\"\"\";\"9\";\"7\"\r\nd;70;6";
    let notes = "{ \"text\": \"7, {}\",  \"person_id\": 8, \"referred_by\" : 7 }\n\n{\"person_id\":7}\n{\"person_id\":70, \"text\":\"x\"}\n";
    let toml = "[tables.people]\npath = 'people.csv'\ndelimiter = ';'\n[tables.notes]\npath = 'notes.jsonl'\n\
                [tables.other]\npath = 'other.csv'\n[tables.bare]\npath = 'bare.csv'\nheader = false";
    let files = [
        ("people.csv", people),
        ("notes.jsonl", notes),
        ("other.csv", "id,x\n7,1\n"),
        ("bare.csv", "7,a\n8,b\n"),
    ];
    let folder = project(toml, &files);
    let folder = folder.path();
    let report = erase(folder, "7");
    assert!(
        report.contains("notes       1 row removed, 1 referrer set to NULL  (notes.jsonl)"),
        "{report}"
    );
    assert!(
        report.contains("people      1 row removed, 2 referrers set to NULL  (people.csv)"),
        "{report}"
    );
    assert!(report.contains("0 fingerprints added"), "{report}");
    let text = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
    assert_eq!(
        text("people.csv"),
        "name;person_id;\"referred_by\"\r\nbob;8;\r\n\r\n\"c\"\"\";\"9\";\r\nd;70;6"
    );
    assert_eq!(
        text("notes.jsonl"),
        "{ \"text\": \"7, {}\",  \"person_id\": 8, \"referred_by\" : null }\n\n{\"person_id\":70, \"text\":\"x\"}\n"
    );
    assert_eq!(text("other.csv"), files[2].1);
    assert_eq!(text("bare.csv"), files[3].1);
    assert!(!folder.join("opposition.parquet").exists());
}

#[test]
fn files_may_call_the_person_otherwise_once_the_project_says_so() {
    let toml = "[tables.crm]\npath = 'crm.csv'\n[tables.sent]\npath = 'sent.csv.gz'\n[views]\n\
                people = 'people.sql'\naddresses = 'addresses.sql'\n[privacy]\nkey_env = 'JUMEAU_KEY'\n";
    let files = [
        (
            "crm.csv",
            "customer,mail\n7,ann@example.com\n8,bob@example.com\n",
        ),
        ("people.sql", "SELECT customer AS person_id, mail FROM crm"),
        (
            "addresses.sql",
            "SELECT person_id, 'email' AS channel, mail AS address FROM people",
        ),
    ];
    let folder = project("", &files);
    let folder = folder.path();
    fs::write(folder.join("jumeau.toml"), toml).unwrap();
    fs::write(folder.join("sent.csv"), "customer\n9\n").unwrap();
    let packed = Command::new("gzip")
        .arg(folder.join("sent.csv"))
        .status()
        .unwrap();
    assert!(packed.success());

    let text = refused(folder, &["7"]);
    assert!(
        text.contains("names the person, and no file below it does")
            && text.contains("person_columns"),
        "{text}"
    );
    fs::write(
        folder.join("jumeau.toml"),
        format!("{toml}person_columns = ['customer']\n"),
    )
    .unwrap();
    let text = refused(folder, &["9"]);
    assert!(
        text.contains("table 'sent' names the person, and its files are compressed as a whole"),
        "{text}"
    );
    let report = erase(folder, "7");
    assert!(report.contains("1 fingerprint added"), "{report}");
    assert_eq!(
        fs::read_to_string(folder.join("crm.csv")).unwrap(),
        "customer,mail\n8,bob@example.com\n"
    );
    assert_eq!(
        rows(folder, "SELECT * FROM opposed_addresses"),
        Vec::<String>::new()
    );
}

#[test]
fn every_kind_of_column_can_have_names_of_its_own() {
    let folder = project(
        "[tables.clicks]\npath = 'clicks.jsonl'\n[tables.crm]\npath = 'crm.csv'\n[tables.orders]\npath = 'orders.csv'",
        &[
            (
                "clicks.jsonl",
                "{\"Cookie\":\"a\",\"customer\":null}\n{\"Cookie\":\"a\",\"customer\":7}\n\
                 {\"Cookie\":\"b\",\"customer\":8}\n",
            ),
            ("crm.csv", "customer,sponsor\n7,\n8,7\n9,8\n"),
            ("orders.csv", "person_id,buyer\n1,7\n7,2\n8,9\n"),
        ],
    );
    let folder = folder.path();
    let toml = fs::read_to_string(folder.join("jumeau.toml")).unwrap();
    let with =
        |lists: &str| fs::write(folder.join("jumeau.toml"), format!("{toml}{lists}")).unwrap();

    with("person_columns = ['custommer']\n");
    let text = refused_as_usage(folder);
    assert!(
        text.contains(
            "person_columns names 'custommer', and no table of the project has such a column"
        ) && text.contains("did you mean 'customer'"),
        "{text}"
    );
    with("person_columns = 'customer'\n");
    let text = refused_as_usage(folder);
    assert!(text.contains("must be a list of column names"), "{text}");

    with(
        "person_columns = ['customer', 'buyer']\nreferrer_columns = ['sponsor']\nvisitor_columns = ['cookie']\n",
    );
    let report = erase(folder, "7");
    assert!(report.contains("1 browser of this person"), "{report}");
    let left = |file: &str| fs::read_to_string(folder.join(file)).unwrap();
    assert_eq!(left("clicks.jsonl"), "{\"Cookie\":\"b\",\"customer\":8}\n");
    assert_eq!(left("crm.csv"), "customer,sponsor\n8,\n9,8\n");
    assert_eq!(left("orders.csv"), "person_id,buyer\n8,9\n");
}

fn refused_as_usage(folder: &Path) -> String {
    let before = bytes(folder);
    let text = expect(2, with_key(folder).args(["erase", "7"]));
    assert_eq!(bytes(folder), before);
    text
}

#[test]
fn links_and_patterns_lead_to_the_files_themselves() {
    let toml = "[tables.people]\npath = 'link.csv'\n[tables.same]\npath = 'data/*.csv'";
    let folder = project(
        toml,
        &[("data/people.csv", "person_id,name\n7,ann\n8,bob\n")],
    );
    let folder = folder.path();
    std::os::unix::fs::symlink("data/people.csv", folder.join("link.csv")).unwrap();
    let report = erase(folder, "7");
    assert_eq!(report.matches("1 row removed").count(), 1, "{report}");
    assert!(
        fs::symlink_metadata(folder.join("link.csv"))
            .unwrap()
            .is_symlink()
    );
    assert_eq!(rows(folder, "SELECT person_id FROM same"), ["8"]);
    assert_eq!(rows(folder, "SELECT person_id FROM people"), ["8"]);
}

#[test]
fn only_the_files_of_a_partitioned_folder_that_name_the_person_are_rewritten() {
    let toml =
        "[tables.events]\npath = 'events/'\npartitioned_by = [{ name = 'day', type = 'DATE' }]";
    let files = [
        (
            "events/day=2026-01-01/a.csv",
            "visitor_id,person_id,page\n1,,x\n2,,y\n",
        ),
        (
            "events/day=2026-01-02/a.csv",
            "visitor_id,person_id,page\n1,7,x\n1,8,y\n",
        ),
        (
            "events/day=2026-01-03/a.csv",
            "visitor_id,person_id,page\n2,9,x\n",
        ),
    ];
    let folder = project(toml, &files);
    let folder = folder.path();
    let report = erase(folder, "7");
    assert!(
        report
            .contains("with the visits of 1 browser of this person, those before the sign-up too"),
        "{report}"
    );
    let text = |index: usize| fs::read_to_string(folder.join(files[index].0)).unwrap();
    assert_eq!(
        text(0),
        "visitor_id,person_id,page\n2,,y\n",
        "before the sign-up"
    );
    assert_eq!(
        text(1),
        "visitor_id,person_id,page\n1,8,y\n",
        "somebody else at the same browser stays"
    );
    assert_eq!(text(2), files[2].1);
    assert_eq!(
        rows(folder, "SELECT day, visitor_id FROM events ORDER BY ALL"),
        ["2026-01-01,2", "2026-01-02,1", "2026-01-03,2"]
    );
}

#[test]
fn tables_that_cannot_be_rewritten_stop_the_erasure_only_when_they_name_the_person() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                crate::stores::serve(stream, "/far.csv", b"person_id,x\n7,1\n");
            });
        }
    });
    let far = format!("[tables.far]\npath = 'http://127.0.0.1:{port}/far.csv'");
    let folders =
        "[tables.far]\npath = 'far/'\npartitioned_by = [{ name = 'person_id', type = 'BIGINT' }]";
    let emptied = "[tables.far]\npath = 'far.jsonl'";
    for (far, reason) in [
        (far.as_str(), "its files are not on this machine"),
        (folders, "names the person in its folders, person_id=…"),
        (emptied, "would have no row left"),
    ] {
        let toml = format!("[tables.people]\npath = 'people.csv'\n{far}");
        let files = [
            ("people.csv", "person_id,name\n7,ann\n8,bob\n"),
            ("far/person_id=7/a.csv", "x\n1\n"),
            ("far.jsonl", "{\"person_id\":7}\n"),
        ];
        let folder = project(&toml, &files);
        let text = refused(folder.path(), &["7"]);
        assert!(
            text.contains(reason) && text.contains("nothing was changed"),
            "{text}"
        );
        erase(folder.path(), "8");
    }
}

#[test]
fn files_in_s3_that_name_the_person_stop_the_erasure() {
    let bucket = tempfile::tempdir().unwrap();
    fs::create_dir_all(bucket.path().join("lake")).unwrap();
    fs::write(
        bucket.path().join("lake/orders.csv"),
        "person_id,product_id\n7,1\n",
    )
    .unwrap();
    let server = crate::stores::Server::start(bucket.path());
    let folder = project(
        "[tables.people]\npath = 'people.csv'\n[tables.orders]\npath = 's3://lake/orders.csv'",
        &[("people.csv", "person_id,name\n7,ann\n8,bob\n")],
    );
    let before = bytes(folder.path());
    let text = expect(
        1,
        server
            .known(&mut with_key(folder.path()))
            .args(["erase", "7"]),
    );
    assert!(
        text.contains("table 'orders' names the person, and its files are not on this machine"),
        "{text}"
    );
    assert_eq!(bytes(folder.path()), before);
    expect(
        0,
        server
            .known(&mut with_key(folder.path()))
            .args(["erase", "8"]),
    );
    assert_eq!(rows(folder.path(), "SELECT person_id FROM people"), ["7"]);
}

/// Kills the process at many moments; the next command finds the person everywhere or nowhere.
#[test]
fn killed_at_any_moment_the_person_is_everywhere_or_nowhere() {
    const FILES: usize = 24;
    let toml = "[tables.events]\npath = 'events/'\n[tables.people]\npath = 'people.csv'\n[tables.addresses]\npath = 'addresses.csv'";
    let events: Vec<(String, String)> = (0..FILES)
        .map(|day| {
            (
                format!("events/day={day}/a.csv"),
                "visitor_id,person_id\n1,\n1,7\n2,8\n".to_owned(),
            )
        })
        .collect();
    let mut files: Vec<(&str, &str)> = events
        .iter()
        .map(|(name, text)| (name.as_str(), text.as_str()))
        .collect();
    files.push(("people.csv", "person_id,referred_by\n7,\n8,7\n"));
    files.push((
        "addresses.csv",
        "person_id,channel,address\n7,email,ann@example.com\n8,email,bob@example.com\n",
    ));
    let template = project(toml, &files);
    let counts = |folder: &Path| {
        let sql = "SELECT (SELECT count(*) FROM events) AS a, (SELECT count(*) FROM people) AS b,
                   (SELECT count(*) FROM addresses) AS c, (SELECT count(referred_by) FROM people) AS d,
                   (SELECT count(*) FROM opposition) AS e";
        one(folder, sql)
    };
    let everywhere = format!("{},2,2,1,0", 3 * FILES);
    let nowhere = format!("{FILES},1,1,0,1");
    assert_eq!(counts(template.path()), everywhere);
    let fresh = || {
        let folder = tempfile::tempdir().unwrap();
        copy(template.path(), folder.path());
        folder
    };
    let whole = {
        let folder = fresh();
        let started = Instant::now();
        erase(folder.path(), "7");
        assert_eq!(counts(folder.path()), nowhere);
        started.elapsed()
    };
    let (mut old, mut new) = (0, 0);
    for round in 0..24_u32 {
        let folder = fresh();
        let path = folder.path();
        let mut child = with_key(path)
            .args(["erase", "7"])
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        // At a moment of the whole run, while files are staged, or while they get their names.
        let started = Instant::now();
        let share = f64::from(round) / 24.0;
        let limit = Duration::from_secs(30);
        while child.try_wait().unwrap().is_none() && started.elapsed() < limit {
            let staged = || {
                path.join(format!("events/day={}", round as usize % FILES))
                    .read_dir()
                    .unwrap()
                    .count()
                    > 1
            };
            let now = match round % 3 {
                0 => started.elapsed() >= whole.mul_f64(share),
                1 => staged(),
                _ => path.join(".jumeau-journal").exists(),
            };
            if now {
                break;
            }
            std::hint::spin_loop();
        }
        let _ = child.kill();
        let _ = child.wait();
        let found = counts(path);
        if found == nowhere {
            new += 1;
        } else {
            assert_eq!(found, everywhere, "round {round}");
            old += 1;
        }
        let left: Vec<_> = bytes(path)
            .into_keys()
            .filter(|file| file.to_string_lossy().contains("/.jumeau"))
            .collect();
        assert!(
            left.iter().all(|file| file.ends_with(".jumeau-lock")),
            "round {round}: {left:?}"
        );
        if found == everywhere {
            erase(path, "7");
            assert_eq!(counts(path), nowhere);
        }
    }
    assert!(old > 0 && new > 0, "{old} times before, {new} times after");
}
