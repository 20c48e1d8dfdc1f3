//! The key of `pseudonymize`: used, and never shown.

use std::path::Path;
use std::process::Output;

use crate::support::jumeau;

const KEY: &str = "hush: a key of more than sixteen bytes";
/// HMAC-SHA-256 of 'ann@example.com' under [`KEY`], from Python's `hmac`.
const CODE: &str = "c98de0011dda6482b6ea5bbdf284e7e3775ee3c2ca60f2e7b342356de98f9677";

fn project(privacy: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("jumeau.toml"), privacy).unwrap();
    std::fs::write(folder.path().join("key"), format!("{KEY}\n")).unwrap();
    std::fs::write(folder.path().join("people.csv"), "name\nann@example.com\n").unwrap();
    folder
}

fn query(folder: &Path, sql: &str) -> String {
    let mut command = jumeau(folder);
    let output = command.args(["query", sql]).env("SHOP_KEY", KEY).output();
    shown(&output.unwrap())
}

/// Everything that a user sees, and no key in it.
fn shown(output: &Output) -> String {
    let text = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    let text = text.concat();
    assert!(!text.contains("hush"), "{text}");
    text
}

#[test]
fn the_key_comes_from_a_variable_or_a_file() {
    for privacy in [
        "[privacy]\nkey_env = 'SHOP_KEY'\n",
        "[privacy]\nkey_file = 'key'\n",
    ] {
        let folder = project(privacy);
        let text = query(
            folder.path(),
            "SELECT pseudonymize(name) AS code FROM 'people.csv'",
        );
        assert!(text.contains(CODE), "{text}");
    }
}

#[test]
fn no_plan_setting_or_error_shows_the_key() {
    let folder = project("[privacy]\nkey_file = 'key'\n");
    for sql in [
        "EXPLAIN SELECT pseudonymize(name) FROM 'people.csv'",
        "EXPLAIN VERBOSE SELECT pseudonymize('ann@example.com')",
        "EXPLAIN ANALYZE SELECT pseudonymize(name) FROM 'people.csv'",
        "SELECT name, value FROM information_schema.df_settings WHERE name LIKE 'privacy%'",
        "SELECT pseudonymize(name) / 0 FROM 'people.csv'",
        "SELECT pseudonymize(name)::INT FROM 'people.csv'",
        "SELECT pseudonymize(1)",
    ] {
        let text = query(folder.path(), sql);
        assert!(!text.is_empty(), "{sql}");
    }
    let text = query(
        folder.path(),
        "SELECT pseudonymize(name)::INT FROM 'people.csv'",
    );
    assert!(text.contains("error"), "{text}");
}

#[test]
fn a_key_in_the_project_file_is_refused_and_not_repeated() {
    for privacy in [
        "[privacy]\nkey = 'hush hush'\n",
        "[privacy]\nkey_env = 'hush+hush'\n",
        "[privacy]\nkey_env = 'SHOP_KEY'\nkey_file = 'hush'\n",
    ] {
        let folder = project(privacy);
        let text = query(folder.path(), "SELECT 1");
        assert!(text.contains("privacy"), "{text}");
    }
}

#[test]
fn a_missing_key_is_said_when_it_is_needed() {
    let folder = project("[privacy]\nkey_env = 'JUMEAU_NO_SUCH_KEY'\n");
    assert!(query(folder.path(), "SELECT 41 + 1").contains("42"));
    let text = query(folder.path(), "SELECT pseudonymize(name) FROM 'people.csv'");
    assert!(
        text.contains("the environment variable 'JUMEAU_NO_SUCH_KEY' is not set"),
        "{text}"
    );
}
