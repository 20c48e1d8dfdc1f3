//! The tariff: what the project says, what `SET` changes, and the table that shows it.

use std::fs;

use insta::assert_snapshot;

use crate::support::transcript;

const SHOW: &str = "SELECT * FROM tariff ORDER BY channel, above";

fn folder(toml: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("jumeau.toml"), toml).unwrap();
    folder
}

fn query(toml: &str, sql: &str) -> String {
    transcript(folder(toml).path(), &["query", sql, "--format", "csv"])
}

#[test]
fn the_table_shows_the_defaults() {
    assert_snapshot!(query("", SHOW), @r"
    exit code: 0
    --- stdout
    channel,unit,above,price_per_thousand
    email,message,0,0.500000
    sms,segment,0,60.000000
    --- stderr
    ");
}

#[test]
fn the_project_and_the_session_change_the_table_and_the_costs() {
    let toml = "[tariff]\nemail = 0.75\nsms = \"60, 55 above 10000, 48.5 above 100000\"\n\
                \"Push App\" = 0\nsms_de = \"80 per segment\"\n";
    let sql = format!(
        "{SHOW}; SELECT channel_cost('sms', 10001) AS sms, channel_cost('email', 1000) AS email; \
         SET tariff.sms = '50, 40 above 10'; SELECT channel_cost('sms', 11) AS sms; \
         SELECT unit, above, price_per_thousand FROM tariff WHERE channel = 'sms' ORDER BY above"
    );
    assert_snapshot!(query(toml, &sql), @r"
    exit code: 0
    --- stdout
    channel,unit,above,price_per_thousand
    Push App,message,0,0.000000
    email,message,0,0.750000
    sms,segment,0,60.000000
    sms,segment,10000,55.000000
    sms,segment,100000,48.500000
    sms_de,segment,0,80.000000
    sms,email
    600.055000,0.750000
    sms
    0.540000
    unit,above,price_per_thousand
    segment,0,50.000000
    segment,10,40.000000
    --- stderr
    ");
}

#[test]
fn the_table_joins_and_is_listed() {
    let toml = "[tables.sent]\npath = 'sent.csv'\n";
    let folder = folder(toml);
    fs::write(folder.path().join("sent.csv"), "channel\nsms\nsms\nfax\n").unwrap();
    let sql = "SELECT s.channel, count(t.channel) AS priced FROM sent s LEFT JOIN tariff t USING (channel) \
               GROUP BY s.channel ORDER BY s.channel; \
               SELECT table_name, table_type FROM information_schema.tables WHERE table_schema = 'main'; \
               SELECT column_name, data_type FROM information_schema.columns WHERE table_name = 'tariff'";
    let args = ["query", sql, "--format", "csv"];
    assert_snapshot!(transcript(folder.path(), &args), @r#"
    exit code: 0
    --- stdout
    channel,priced
    fax,0
    sms,2
    table_name,table_type
    sent,BASE TABLE
    tariff,BASE TABLE
    column_name,data_type
    channel,Utf8
    unit,Utf8
    above,Int64
    price_per_thousand,"Decimal128(18, 6)"
    --- stderr
    "#);
}

#[test]
fn a_table_of_the_user_wins_and_the_functions_keep_their_prices() {
    let folder = folder("[tables.tariff]\npath = 'mine.csv'\n");
    fs::write(folder.path().join("mine.csv"), "channel,price\nsms,1\n").unwrap();
    let sql = "SELECT *, channel_cost('sms', 1000) AS cost FROM tariff";
    let args = ["query", sql, "--format", "csv"];
    assert_snapshot!(transcript(folder.path(), &args), @r"
    exit code: 0
    --- stdout
    channel,price,cost
    sms,1,60.000000
    --- stderr
    ");
    let sql = "CREATE OR REPLACE TABLE tariff AS SELECT 1 AS mine; SELECT * FROM tariff; \
               SELECT channel_cost('sms', 1000) AS cost; DROP TABLE tariff; SELECT count(*) AS tiers FROM tariff";
    assert_snapshot!(query("", sql), @r"
    exit code: 0
    --- stdout
    mine
    1
    cost
    60.000000
    tiers
    2
    --- stderr
    ");
    assert_snapshot!(query("", "CREATE TABLE tariff AS SELECT 1 AS mine"), @r"
    exit code: 1
    --- stdout
    --- stderr
    error: Table 'tariff' already exists
    hint: CREATE OR REPLACE puts another in its place for this session
    ");
}

#[test]
fn prices_that_make_no_sense_are_refused() {
    for (toml, wrong) in [
        (
            "sms = -1",
            "the price of 'sms' must be a number of euros, zero or positive, with at most 6 decimals, got '-1'",
        ),
        (
            "sms = \"60, 55 above 20, 50 above 10\"",
            "the tiers of 'sms' must start above rising numbers of messages, got 10 after 20",
        ),
        (
            "sms = \"60, 55 from 20\"",
            "a tier of 'sms' must be written as '55 above 10000', got '55 from 20'",
        ),
        (
            "sms = \"60 per call\"",
            "the price of 'sms' must be per message or per segment, got 'per call'",
        ),
        (
            "sms = [60, 55]",
            "the price of 'sms' must be a number of euros per thousand messages, got array\n\
             hint: volume tiers are text: sms = \"60, 55 above 10000\"",
        ),
    ] {
        let shown = query(&format!("[tariff]\n{toml}\n"), "SELECT 1");
        assert!(shown.starts_with("exit code: 2"), "{shown}");
        assert!(shown.ends_with(&format!("tariff: {wrong}\n")), "{shown}");
    }
    let sql = "SET tariff.sms = '60, cheap above 5'";
    assert_snapshot!(query("", sql), @r"
    exit code: 1
    --- stdout
    --- stderr
    error: tariff: the price of 'sms' must be a number of euros, zero or positive, with at most 6 decimals, got 'cheap'
    ");
    assert_snapshot!(query("", "SELECT channel_cost('fax', 1)"), @r"
    exit code: 1
    --- stdout
    --- stderr
    error: channel_cost: argument 'channel' must be one of 'email', 'sms', got 'fax'
    ");
}
