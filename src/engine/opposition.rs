//! The opposition list: fingerprints of addresses that must not be used again, whoever brings them back.
//!
//! Statements see it as the table `opposition` (`fingerprint`, `channel`, `opposed_at`), and as `opposed_addresses`
//! (`person_id`, `channel`): the entries of the table `addresses` that are on it. Both are empty while there is no list.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::array::{Array, AsArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use datafusion::common::config::ConfigOptions;
use datafusion::parquet::file::metadata::ParquetMetaDataReader;

use super::{Engine, Params, Value, diagnose, parse};
use crate::error::{Error, Result};

/// The name of the list as a table.
pub(super) const LIST: &str = "opposition";
/// The name of the view on `addresses`.
pub(super) const OPPOSED: &str = "opposed_addresses";
/// The footer's entry with a fingerprint of [`CHECKED`]: another key would find nobody on the list.
pub(crate) const KEY_CHECK: &str = "jumeau.key_check";
const CHECKED: &str = "jumeau opposition list";

/// What is fingerprinted of an address: e-mail without spaces around it and in lower case, of a telephone number the
/// digits, with the country but without the `+` or `00` in front of it. NULL for nothing.
macro_rules! normalised {
    () => {
        r"nullif(CASE
            WHEN regexp_like(CAST(address AS VARCHAR), '[@\p{L}]')
                THEN lower(regexp_replace(CAST(address AS VARCHAR), '^\s+|\s+$', '', 'g'))
            ELSE regexp_replace(regexp_replace(CAST(address AS VARCHAR), '[^0-9]', '', 'g'), '^00', '')
        END, '')"
    };
}

const NOBODY: &str = "SELECT person_id, channel FROM addresses WHERE false";
const SOMEBODY: &str = concat!(
    "SELECT DISTINCT person_id, channel FROM addresses WHERE pseudonymize(",
    normalised!(),
    ") IN (SELECT fingerprint FROM opposition)"
);
// Ids with gaps may be read as floating point: then 42 is 42.0.
const OF_A_PERSON: &str = concat!(
    "SELECT DISTINCT pseudonymize(",
    normalised!(),
    ") AS fingerprint, CAST(channel AS VARCHAR) AS channel FROM addresses \
     WHERE CAST(person_id AS VARCHAR) IN ($person, $person || '.0') AND ",
    normalised!(),
    " IS NOT NULL ORDER BY 1, 2"
);

/// The columns of the list.
pub(crate) fn schema() -> SchemaRef {
    let time = DataType::Timestamp(TimeUnit::Microsecond, None);
    Arc::new(Schema::new(vec![
        Field::new("fingerprint", DataType::Utf8, false),
        Field::new("channel", DataType::Utf8, true),
        Field::new("opposed_at", time, false),
    ]))
}

/// The query behind `opposed_addresses`.
///
/// # Errors
/// When there is a list, and the key that it was made with is not at hand: then nobody may be contacted.
pub(super) fn opposed(list: Option<&Path>, options: &ConfigOptions) -> Result<&'static str> {
    match list {
        Some(list) if !list.exists() => Ok(NOBODY),
        Some(list) => check_key(list, options).map(|()| SOMEBODY),
        None => Ok(SOMEBODY),
    }
}

fn check_key(list: &Path, options: &ConfigOptions) -> Result<()> {
    let code = key_check(options)?;
    let known = footer_entry(list)?;
    if known.is_some_and(|known| known != code) {
        return Err(Error::data(format!(
            "the key is not the one that {} was made with",
            list.display()
        ))
        .hint("with another key nobody is found on the opposition list; look for the old one"));
    }
    Ok(())
}

fn footer_entry(list: &Path) -> Result<Option<String>> {
    let wrong = |error: &dyn std::fmt::Display| Error::data(format!("{}: {error}", list.display()));
    let file = File::open(list).map_err(|error| Error::io(list.display(), &error))?;
    let footer = ParquetMetaDataReader::new()
        .parse_and_finish(&file)
        .map_err(|error| wrong(&error))?;
    let entries = footer.file_metadata().key_value_metadata();
    let entry = entries.and_then(|entries| entries.iter().find(|entry| entry.key == KEY_CHECK));
    Ok(entry.and_then(|entry| entry.value.clone()))
}

fn key_check(options: &ConfigOptions) -> Result<String> {
    let unset = jumeau_udfs::Privacy::default();
    let privacy = options.extensions.get::<jumeau_udfs::Privacy>();
    privacy.unwrap_or(&unset).code(CHECKED).map_err(|error| {
        let error = diagnose::explain(error, &[]).to_string();
        let error = error.split('\n').next().unwrap_or_default();
        let error = error.trim_start_matches("pseudonymize: ");
        Error::data(format!("the opposition list needs its key: {error}")).hint(
            "name the variable in jumeau.toml, [privacy] key_env = \"JUMEAU_KEY\", and set it to a secret of at \
             least 16 bytes that you keep for good: openssl rand -hex 32",
        )
    })
}

impl Engine {
    /// A code that tells whether the session's key is the one of a list, without telling the key.
    ///
    /// # Errors
    /// When there is no key, or `list` was made with another one.
    pub fn opposition_key(&self, list: &Path) -> Result<String> {
        let state = self.context.state();
        let options = state.config_options();
        if list.exists() {
            check_key(list, options)?;
        }
        key_check(options)
    }

    /// The fingerprints of a person's addresses, each with its channel. Empty when nothing is named `addresses`.
    ///
    /// # Errors
    /// When `addresses` cannot be read, or there is no key.
    pub async fn fingerprints(&self, person: &str) -> Result<Vec<(String, Option<String>)>> {
        if !self.table_names().iter().any(|name| name == "addresses") {
            return Ok(Vec::new());
        }
        let params = Params::from([("person".to_owned(), Value::Text(person.to_owned()))]);
        let mut found = Vec::new();
        for statement in parse(OF_A_PERSON)? {
            for batch in self.query(statement, &params).await?.collect().await? {
                let (codes, channels) = (batch.column(0).as_string_view(), batch.column(1));
                let channels = datafusion::arrow::compute::cast(channels, &DataType::Utf8)
                    .map_err(|error| Error::data(error.to_string()))?;
                let channels = channels.as_string::<i32>();
                for (row, code) in codes.iter().enumerate() {
                    let channel = channels
                        .is_valid(row)
                        .then(|| channels.value(row).to_owned());
                    found.extend(code.map(|code| (code.to_owned(), channel)));
                }
            }
        }
        Ok(found)
    }
}
