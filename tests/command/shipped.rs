//! The packs that ship, on the sample: what they find is there by another route too, and nothing
//! that happens after `as_of` changes a row.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use insta::assert_snapshot;

use crate::support::{root, run};

/// The packs whose every query asks about the start of the day `as_of`.
const PACKS: [&str; 6] = [
    "acquisition",
    "portfolio",
    "pressure",
    "privacy",
    "timing",
    "welcome",
];

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
        writeln!(
            toml,
            "[tables.all_{table}]\npath = \"{data}/{table}.parquet\""
        )
        .unwrap();
        writeln!(views, "{table} = \"{table}.sql\"").unwrap();
        let sql = format!("SELECT {columns} FROM all_{table} WHERE {condition} <= DATE '{day}'");
        fs::write(folder.join(format!("{table}.sql")), sql).unwrap();
    }
    for table in ["products", "addresses"] {
        writeln!(toml, "[tables.{table}]\npath = \"{data}/{table}.parquet\"").unwrap();
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
        FROM {sources} s JOIN {quality} q USING (source) WHERE s.source = 'social'";
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

#[test]
fn the_portfolio_adds_up_and_would_have_been_right_a_month_ago() {
    let out = tempfile::tempdir().unwrap();
    let latest = outputs(out.path(), &root(), "portfolio", &[]);
    assert_snapshot!(csv(&latest, "SELECT prospects, value, low, high, thin, thin_share, own_share FROM {portfolio} WHERE by = 'all'"), @r#"
    prospects,value,low,high,thin,thin_share,own_share
    27102,36485.25,34507.55,38462.96,282,0.023,0.148
    "#);
    // The whole is the sum of its parts, and of its prospects with the cost of those of unknown chance.
    let sums = "WITH whole AS (SELECT value, prospects, thin FROM {portfolio} WHERE by = 'all')
        SELECT by, abs(sum(p.value) - min(whole.value)) < 0.2 AS value, sum(p.prospects) = min(whole.prospects) AS prospects,
            sum(p.thin) = min(whole.thin) AS thin,
            abs((SELECT sum(coalesce(value, -planned_cost)) FROM {prospects}) - min(whole.value)) < 0.01 AS persons
        FROM {portfolio} p CROSS JOIN whole WHERE by <> 'all' GROUP BY by ORDER BY by";
    assert_eq!(
        csv(&latest, sums),
        "by,value,prospects,thin,persons\nsegment,true,true,true,true\nsource,true,true,true,true\n"
    );
    // Those who came, counted without the pack.
    let came = "SELECT (SELECT count(*) FROM people WHERE created_at <= DATE '2026-05-31'
                AND person_id NOT IN (SELECT person_id FROM orders WHERE order_time <= DATE '2026-05-31')
                AND person_id IN (SELECT person_id FROM orders WHERE order_time > DATE '2026-05-31'
                    AND order_time <= DATE '2026-06-30')) = came AS same,
            abs(expected - came) < 2 * sqrt(came) AS close, auc > 0.65 AS ranks
        FROM {test} WHERE of_source = 'total'";
    assert_eq!(csv(&latest, came), "same,close,ranks\ntrue,true,true\n");
    assert_snapshot!(csv(&latest, "SELECT of_source, expected, came FROM {test} ORDER BY of_source"), @r#"
    of_source,expected,came
    affiliate,100.7,110
    direct,183.6,208
    email,146.4,140
    referral,124.6,128
    search,376.2,349
    social,179.4,204
    total,1111.0,1139
    "#);
}

#[test]
fn a_portfolio_that_is_off_is_not_published() {
    let out = tempfile::tempdir().unwrap();
    let folder = out.path().to_string_lossy();
    // The shop is three months old on that day, and one month does not tell the next.
    let args = [
        "run",
        "portfolio",
        "--quiet",
        "--out",
        &folder,
        "--as-of",
        "2026-03-31",
    ];
    let output = run(&root(), &args);
    assert_eq!(output.status.code(), Some(3));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("$tolerance"), "{error}");
}

#[test]
fn hours_hold_out_of_sample_and_weekdays_are_not_advised() {
    let out = tempfile::tempdir().unwrap();
    let latest = outputs(out.path(), &root(), "timing", &[]);
    assert_snapshot!(csv(&latest, "SELECT kind, basis, at_best, open_rate, others_rate, deviations FROM {holdout} ORDER BY kind, basis"), @r#"
    kind,basis,at_best,open_rate,others_rate,deviations
    hour,habit,7286,0.5001,0.3871,14.31
    hour,own,4795,0.4279,0.3241,12.16
    weekday,own,7836,0.3576,0.3436,1.87
    "#);
    assert_snapshot!(csv(&latest, "SELECT hours_from, count(*) AS n, count(hours) AS hours, count(weekday) AS weekdays FROM {advice} GROUP BY hours_from ORDER BY hours_from"), @r#"
    hours_from,n,hours,weekdays
    habit,14695,14695,0
    own,7214,7214,0
    "#);
    // What the sample hides: people who visit around 8 are 1.35 / 0.9 times as likely to open at 8 as later.
    let truth = "SELECT min(rate) FILTER (WHERE time = 'morning') / max(rate) FILTER (WHERE time <> 'morning') BETWEEN 1.25 AND 1.5 AS found
        FROM {habit_rates} WHERE day = DATE '2026-06-30' AND kind = 'hour' AND channel = 'email' AND habit = 'morning'";
    assert_eq!(csv(&latest, truth), "found\ntrue\n");
    // Thin evidence: no rate for the few who visit at night.
    let thin =
        "SELECT count(*) > 0 AS some, count(rate) AS rates FROM {habit_rates} WHERE messages < 100";
    assert_eq!(csv(&latest, thin), "some,rates\ntrue,0\n");
}

#[test]
fn newcomers_get_one_step_that_consent_and_caps_allow() {
    let out = tempfile::tempdir().unwrap();
    let latest = outputs(out.path(), &root(), "welcome", &[]);
    assert_snapshot!(csv(&latest, "SELECT state, people, order_rate, opt_out_rate FROM {outcomes} ORDER BY state"), @r#"
    state,people,order_rate,opt_out_rate
    clicked,514,0.1263,0.0178
    customer,814,0.2335,0.0166
    no message,10263,0.1039,0.0132
    opened,3488,0.107,0.0257
    silent,3095,0.1029,0.0258
    tired,17,,
    "#);
    let allowed = "WITH last AS (SELECT person_id, channel, status, row_number() OVER (PARTITION BY person_id,
                channel ORDER BY decided_at DESC, status DESC) AS r FROM consents
                WHERE decided_at <= DATE '2026-06-30'),
            due AS (SELECT * FROM {next_steps} WHERE due_on IS NOT NULL),
            sent AS (SELECT due.person_id, count(*) AS n FROM due JOIN contacts c ON c.person_id = due.person_id
                AND c.channel = due.channel WHERE sent_at <= DATE '2026-06-30'
                AND sent_at > due.due_on + INTERVAL '1 day' - INTERVAL '14 days' GROUP BY 1)
        SELECT count(*) > 3000 AS some, count(*) FILTER (WHERE last.status = 'opt_in') = count(*) AS agreed,
            max(CASE due.channel WHEN 'email' THEN coalesce(n, 0) END) = 2 AS emails,
            max(CASE due.channel WHEN 'sms' THEN coalesce(n, 0) END) = 0 AS texts,
            count(o.person_id) AS customers
        FROM due
        LEFT JOIN last ON last.person_id = due.person_id AND last.channel = due.channel AND r = 1
        LEFT JOIN sent ON sent.person_id = due.person_id
        LEFT JOIN (SELECT DISTINCT person_id FROM orders WHERE order_time <= DATE '2026-06-30') o ON o.person_id = due.person_id";
    assert_eq!(
        csv(&latest, allowed),
        "some,agreed,emails,texts,customers\ntrue,true,true,true,0\n"
    );
    assert_snapshot!(csv(&latest, "SELECT step, count(*) AS people, count(due_on) AS due, count(category_id) AS with_category FROM {next_steps} GROUP BY step ORDER BY step"), @r#"
    step,people,due,with_category
    favourite,997,997,558
    none: a customer,316,0,0
    none: leave alone,53,0,0
    none: no consent,19,0,0
    offer,206,206,206
    reminder,467,467,243
    welcome,1752,1752,846
    "#);
}
