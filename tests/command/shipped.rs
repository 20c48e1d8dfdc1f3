//! The packs that ship, on the sample: what they find is there by another route too, and nothing
//! that happens after `as_of` changes a row.

use std::fs;
use std::path::{Path, PathBuf};

use insta::assert_snapshot;

use crate::support::{root, run};

/// The packs whose every query asks about the start of the day `as_of`.
const PACKS: [&str; 3] = ["acquisition", "pressure", "privacy"];

/// Runs a pack of the sample project, and gives the folder of its outputs.
fn outputs(out: &Path, project: &Path, pack: &str, more: &[&str]) -> PathBuf {
    let folder = out.to_string_lossy();
    let mut args = vec!["run", pack, "--quiet", "--out", &folder];
    args.extend(more);
    let output = run(project, &args);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{pack}: {error}");
    out.join(pack).join("latest")
}

/// A query on the sample and on outputs, which stand in it as `{name}`.
fn csv(latest: &Path, sql: &str) -> String {
    let sql = sql
        .replace('{', &format!("'{}/", latest.display()))
        .replace('}', ".parquet'");
    let output = run(&root(), &["query", &sql, "--format", "csv"]);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{sql}\n{error}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn rows(file: &Path) -> String {
    csv(file, &format!("FROM '{}' ORDER BY ALL", file.display()))
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = folder
        .read_dir()
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files
}

/// The sample project without anything that happens after a day.
fn project_until(folder: &Path, day: &str) {
    let data = root().join("data").to_string_lossy().into_owned();
    let mut toml = String::new();
    let mut views = String::from("[views]\n");
    let known =
        |column: &str| format!("CASE WHEN {column} <= DATE '{day}' THEN {column} END AS {column}");
    let answers = ["opened_at", "clicked_at", "responded_at"]
        .map(known)
        .join(", ");
    for (table, columns, condition) in [
        ("events", "*".to_owned(), "event_time"),
        ("people", "*".to_owned(), "created_at"),
        ("consents", "*".to_owned(), "decided_at"),
        ("orders", "*".to_owned(), "order_time"),
        (
            "contacts",
            format!("person_id, channel, campaign, sent_at, {answers}"),
            "sent_at",
        ),
    ] {
        toml += &format!("[tables.all_{table}]\npath = \"{data}/{table}.parquet\"\n");
        views += &format!("{table} = \"{table}.sql\"\n");
        let sql = format!("SELECT {columns} FROM all_{table} WHERE {condition} <= DATE '{day}'");
        fs::write(folder.join(format!("{table}.sql")), sql).unwrap();
    }
    for table in ["products", "addresses"] {
        toml += &format!("[tables.{table}]\npath = \"{data}/{table}.parquet\"\n");
    }
    fs::write(folder.join("jumeau.toml"), toml + &views).unwrap();
}

#[test]
fn what_happens_after_the_day_changes_nothing() {
    let day = "2026-05-20";
    let folder = tempfile::tempdir().unwrap();
    project_until(folder.path(), day);
    let out = tempfile::tempdir().unwrap();
    let param = format!("as_of={day}");
    for pack in PACKS {
        let more = ["--param", param.as_str()];
        let whole = outputs(&out.path().join("whole"), &root(), pack, &more);
        let past = outputs(&out.path().join("past"), folder.path(), pack, &more);
        let names = files(&whole);
        assert!(names.len() >= 4, "{pack}");
        for file in names {
            let name = file.file_name().unwrap();
            assert!(
                rows(&file) == rows(&past.join(name)),
                "{pack}: {} reads what comes after {day}",
                name.display()
            );
        }
    }
}

#[test]
fn packs_give_the_same_rows_on_one_thread_and_on_seven() {
    let out = tempfile::tempdir().unwrap();
    for pack in PACKS {
        let [one, seven] = ["1", "7"].map(|threads| {
            outputs(
                &out.path().join(threads),
                &root(),
                pack,
                &["--threads", threads],
            )
        });
        for file in files(&one) {
            let name = file.file_name().unwrap();
            assert!(
                rows(&file) == rows(&seven.join(name)),
                "{pack}: {}",
                name.display()
            );
        }
    }
}

#[test]
fn pressure_counts_messages_answers_and_caps_as_the_data_do() {
    let out = tempfile::tempdir().unwrap();
    let latest = outputs(out.path(), &root(), "pressure", &[]);
    // The pressure by its formula, in days and without the function.
    let wrong = "WITH formula AS (
            SELECT a.person_id, a.channel, a.sent_at, coalesce(sum(power(2.0,
                (date_part('epoch', b.sent_at) - date_part('epoch', a.sent_at)) / (14 * 86400.0))), 0.0) AS p
            FROM contacts a LEFT JOIN contacts b ON a.person_id = b.person_id AND a.channel = b.channel
                AND b.sent_at < a.sent_at
            WHERE a.person_id <= 5000 AND a.sent_at <= DATE '2026-06-28' GROUP BY 1, 2, 3)
        SELECT count(*) > 1000 AS some, max(abs(p - pressure)) < 1e-9 AS same
        FROM formula JOIN {messages} m USING (person_id, channel, sent_at)";
    assert_eq!(csv(&latest, wrong), "some,same\ntrue,true\n");
    assert_snapshot!(csv(&latest, "SELECT channel, band, messages, open_rate, opt_out_rate, next_is_worth FROM {fatigue} ORDER BY 1, 2"), @r#"
    channel,band,messages,open_rate,opt_out_rate,next_is_worth
    email,0,27724,0.5101,0.001478,0.214
    email,1,44444,0.4331,0.003724,0.1687
    email,2,38373,0.3612,0.006851,0.119
    email,3,21570,0.3119,0.012229,0.0737
    email,4,5961,0.2771,0.019506,0.0208
    email,5,657,0.2511,0.023512,0.0394
    sms,0,6400,0.8431,0.010547,0.3609
    sms,1,616,0.6997,0.010547,0.3609
    "#);
    // Nobody without consent, and nobody above a cap, gets another message.
    let plan = "WITH last AS (SELECT person_id, channel, status, row_number() OVER (PARTITION BY person_id,
                channel ORDER BY decided_at DESC, status DESC) AS r FROM consents
                WHERE decided_at <= DATE '2026-06-30'),
            sent AS (SELECT person_id, channel, count(*) AS n FROM contacts
                WHERE sent_at > DATE '2026-05-31' AND sent_at <= DATE '2026-06-30' GROUP BY 1, 2)
        SELECT count(*) > 10000 AS some, count(*) = count(CASE WHEN status = 'opt_in' THEN 1 END) AS agreed,
            max(CASE WHEN next.channel = 'email' THEN coalesce(n, 0) END) = 5 AS emails,
            max(CASE WHEN next.channel = 'sms' THEN coalesce(n, 0) END) = 0 AS texts
        FROM {next_channel} next
        LEFT JOIN last ON last.person_id = next.person_id AND last.channel = next.channel AND r = 1
        LEFT JOIN sent ON sent.person_id = next.person_id AND sent.channel = next.channel
        WHERE next.channel IS NOT NULL";
    assert_eq!(
        csv(&latest, plan),
        "some,agreed,emails,texts\ntrue,true,true,true\n"
    );
    // On the day `rested_at`, the pressure is that of the better band, by the formula again.
    let rested = "SELECT count(*) AS people, max(abs(pressure * power(2.0, (date_part('epoch', DATE '2026-06-30')
            - date_part('epoch', rested_at)) / (14 * 86400.0)) - 2.5)) < 1e-5 AS faded FROM {over_solicited}";
    assert_snapshot!(csv(&latest, rested), @r#"
    people,faded
    2743,true
    "#);
    assert_snapshot!(csv(&latest, "SELECT channel, count(*) AS n, min(unopened) AS at_least FROM {stopped} GROUP BY 1 ORDER BY 1"), @r#"
    channel,n,at_least
    email,393,5
    sms,61,2
    "#);
    assert_snapshot!(csv(&latest, "SELECT count(*) AS rows, count(DISTINCT person_id) AS people, count(until) AS dated FROM {leave_alone}"), @r#"
    rows,people,dated
    1902,1790,1583
    "#);
}

#[test]
fn acquisition_reproduces_the_campaign_and_counts_what_came() {
    let out = tempfile::tempdir().unwrap();
    let latest = outputs(out.path(), &root(), "acquisition", &[]);
    assert_snapshot!(csv(&latest, "SELECT step, rate, low, high, cost_per_one FROM {campaign}"), @r#"
    step,rate,low,high,cost_per_one
    left a phone number,0.72,0.7021,0.7373,2.06
    opened,0.43,0.4073,0.453,4.79
    clicked,0.18,0.1629,0.1984,11.44
    clicked after opening,0.4186,0.3843,0.4537,11.44
    "#);
    // Opt-ins and buyers of a source, counted without the pack.
    let counted = "WITH cohort AS (SELECT * FROM people WHERE source = 'social' AND created_at <= DATE '2026-06-30'
                AND created_at > DATE '2026-06-30' - INTERVAL '180 days'),
            old AS (SELECT * FROM cohort WHERE created_at <= DATE '2026-05-01')
        SELECT (SELECT count(*) FROM cohort) = people AS people,
            (SELECT count(DISTINCT c.person_id) FROM consents c JOIN cohort USING (person_id)
             WHERE status = 'opt_in' AND decided_at = created_at) = opt_ins AS opt_ins,
            (SELECT count(*) FROM old) = old_enough AS old_enough,
            (SELECT count(DISTINCT o.person_id) FROM orders o JOIN old USING (person_id)
             WHERE order_time < created_at + INTERVAL '60 days' AND order_time < DATE '2026-06-30') = buyers AS buyers
        FROM {sources} JOIN {quality} USING (source) WHERE source = 'social'";
    assert_eq!(
        csv(&latest, counted),
        "people,opt_ins,old_enough,buyers\ntrue,true,true,true\n"
    );
    assert_snapshot!(csv(&latest, "SELECT source, opt_in_rate, cost_per_opt_in, buyer_rate, margin_per_person FROM {sources} JOIN {quality} USING (source) ORDER BY source"), @r#"
    source,opt_in_rate,cost_per_opt_in,buyer_rate,margin_per_person
    affiliate,0.6964,2.97,0.0762,2.15
    direct,0.6945,2.99,0.2302,9.10
    email,0.6972,2.97,0.1693,6.15
    referral,0.6984,2.96,0.3061,13.16
    search,0.7044,2.91,0.1899,6.82
    social,0.7002,2.94,0.1153,3.71
    "#);
    assert_snapshot!(csv(&latest, "SELECT came, people, order_rate FROM {referrals} ORDER BY came"), @r#"
    came,people,order_rate
    alone,30388,0.1619
    sent by a customer,263,0.3285
    sent by a prospect,1900,0.3114
    "#);
    // The truth of the sample: one declared taste in four is random, and a segment likes several categories.
    let honest = "SELECT min(agree_rate / by_chance) > 1 AS all_tell, count(*) FILTER (WHERE agree_low <= by_chance) AS unsure FROM {declared}";
    assert_snapshot!(csv(&latest, honest), @r#"
    all_tell,unsure
    true,3
    "#);
}

#[test]
fn privacy_finds_what_is_expired_and_who_refused() {
    let out = tempfile::tempdir().unwrap();
    let latest = outputs(out.path(), &root(), "privacy", &[]);
    assert_snapshot!(csv(&latest, "FROM {summary}"), @r#"
    topic,finding,channel,found
    consent,fine,email,18358
    consent,fine,sms,8077
    consent,never asked,email,9300
    consent,never asked,sms,3706
    consent,refused,email,5031
    consent,refused,sms,3135
    consent,too old,email,46
    opposition,refused,email,5031
    opposition,refused,sms,3135
    retention,ask now,-,5
    retention,erase now,-,363
    retention,erase soon,-,59
    "#);
    // Expired by another route: nothing from the person in the years after the day three years ago.
    let expired = "WITH alive AS (
            SELECT person_id FROM people WHERE created_at > DATE '2023-06-30'
            UNION SELECT person_id FROM consents WHERE decided_at > DATE '2023-06-30' AND decided_at <= DATE '2026-06-30'
            UNION SELECT person_id FROM orders WHERE order_time <= DATE '2026-06-30'
            UNION SELECT person_id FROM contacts WHERE clicked_at <= DATE '2026-06-30'
            UNION SELECT person_id FROM events WHERE person_id IS NOT NULL AND event_time <= DATE '2026-06-30')
        SELECT count(*) = (SELECT count(*) FROM {retention} WHERE due) AS same
        FROM people WHERE person_id NOT IN (SELECT person_id FROM alive)";
    assert_eq!(csv(&latest, expired), "same\ntrue\n");
    // Nobody is both opposed and fine, and every opposed address is on the list.
    let opposed = "SELECT count(*) FILTER (WHERE c.finding <> 'refused') AS wrong,
            count(*) = (SELECT count(*) FROM {consent} WHERE finding = 'refused') AS whole
        FROM {opposition} o LEFT JOIN {consent} c USING (person_id, channel)";
    assert_eq!(csv(&latest, opposed), "wrong,whole\n0,true\n");
}

#[test]
fn a_message_without_consent_is_found() {
    let folder = tempfile::tempdir().unwrap();
    project_until(folder.path(), "2026-06-30");
    // One opt-in less than there was.
    let consents = "SELECT * FROM all_consents WHERE decided_at <= DATE '2026-06-30' AND NOT (person_id = 28994)";
    fs::write(folder.path().join("consents.sql"), consents).unwrap();
    let out = tempfile::tempdir().unwrap();
    let latest = outputs(out.path(), folder.path(), "privacy", &[]);
    let found =
        "SELECT count(*) = (SELECT count(*) FROM contacts WHERE person_id = 28994) AS all_of_them,
        min(person_id) AS a, max(person_id) AS b FROM {messages_without_consent}";
    assert_eq!(csv(&latest, found), "all_of_them,a,b\ntrue,28994,28994\n");
}
