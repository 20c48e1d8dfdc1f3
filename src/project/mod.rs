//! `jumeau.toml`: the tables and views of a project, the channel tariff and the limits.
//!
//! A project is plain data. Nothing is opened here: `engine` opens a table when a query first reads it.

mod limits;
mod privacy;
mod substitute;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

pub use limits::{Bytes, Limits};
pub use privacy::{KeySource, Naming};

use crate::error::{Error, Result};

/// The name of a project file.
pub const FILE_NAME: &str = "jumeau.toml";

/// A project: where its file is and what the file says.
#[derive(Debug, Clone, Default)]
pub struct Project {
    /// The folder of the project file; relative paths start here. Empty without a project.
    pub folder: PathBuf,
    /// Tables by name.
    pub tables: BTreeMap<String, Table>,
    /// Views by name: the path of the `.sql` file that holds the query.
    pub views: BTreeMap<String, PathBuf>,
    /// Euros per thousand messages, by channel, perhaps in tiers.
    pub tariff: BTreeMap<String, String>,
    /// Where the key of `pseudonymize` is.
    pub key: Option<KeySource>,
    /// The columns that name people.
    pub naming: Naming,
    /// Memory, threads, spill folder.
    pub limits: Limits,
}

/// One table: files and how to read them.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// A file, a folder (ends in `/`), a glob, or a URL (`file://`, `s3://`, `http://`, `https://`).
    pub path: String,
    /// How the files are written; told from the path's ending when absent.
    pub format: Option<Format>,
    /// Hive partition columns, outermost first, with their SQL types.
    #[serde(default)]
    pub partitioned_by: Vec<Column>,
    /// The columns that the files are sorted by.
    #[serde(default)]
    pub sort_order: Vec<String>,
    /// CSV: whether the first line names the columns.
    pub header: Option<bool>,
    /// CSV: the character between two fields.
    pub delimiter: Option<char>,
    /// CSV and JSON: SQL types of columns that would be guessed wrongly, such as phone numbers.
    #[serde(default)]
    pub columns: BTreeMap<String, String>,
}

/// A column and its SQL type.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Column {
    /// The column's name.
    pub name: String,
    /// The column's SQL type.
    #[serde(rename = "type", default = "varchar")]
    pub sql_type: String,
}

fn varchar() -> String {
    "VARCHAR".to_owned()
}

/// A file format that tables can be read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Apache Parquet.
    Parquet,
    /// Separated values with a header.
    Csv,
    /// One JSON object a line.
    #[serde(alias = "jsonl", alias = "ndjson")]
    Json,
}

/// The project file as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    tables: BTreeMap<String, Table>,
    #[serde(default)]
    views: BTreeMap<String, PathBuf>,
    #[serde(default)]
    tariff: BTreeMap<String, toml::Value>,
    #[serde(default)]
    privacy: BTreeMap<String, toml::Value>,
    #[serde(default)]
    limits: Limits,
}

impl Project {
    /// The project that `file` names; without one, the nearest `jumeau.toml` in the current folder
    /// or its parents; without that, an empty project, on which paths still work in FROM.
    ///
    /// # Errors
    /// When the file is missing or malformed; the message has the line.
    pub fn find(file: Option<&Path>) -> Result<Self> {
        if let Some(file) = file {
            return Self::read(file);
        }
        let current =
            std::env::current_dir().map_err(|error| Error::io("the current folder", &error))?;
        match current
            .ancestors()
            .map(|folder| folder.join(FILE_NAME))
            .find(|file| file.is_file())
        {
            Some(file) => Self::read(&file),
            None => Ok(Self::default()),
        }
    }

    /// Reads one project file.
    ///
    /// # Errors
    /// When the file is missing or malformed.
    pub fn read(file: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(file).map_err(|error| {
            Error::io(format_args!("project file {}", file.display()), &error).into_usage()
        })?;
        let folder = file.parent().unwrap_or_else(|| Path::new("")).to_owned();
        Self::parse(&text, folder).map_err(|error| error.context(file.display()))
    }

    fn parse(text: &str, folder: PathBuf) -> Result<Self> {
        let file: File = toml::from_str(text).map_err(|error| {
            Error::usage(error.to_string().trim_end().to_owned())
                .hint("a project has [tables.NAME], [views], [tariff], [privacy] and [limits]")
        })?;
        let mut tables = file.tables;
        for (name, table) in &mut tables {
            table.path = substitute::environment(&table.path)
                .map_err(|error| error.context(format_args!("table '{name}', path")))?;
        }
        if let Some(name) = file.views.keys().find(|name| tables.contains_key(*name)) {
            return Err(Error::usage(format!("'{name}' is both a table and a view"))
                .hint("rename one of them"));
        }
        let tariff = file
            .tariff
            .into_iter()
            .map(|(channel, price)| price_text(&channel, &price).map(|price| (channel, price)))
            .collect::<Result<_>>()?;
        let key = privacy::key_source(&file.privacy, &folder)?;
        let naming = privacy::naming(&file.privacy)?;
        Ok(Self {
            folder,
            tables,
            views: file.views,
            tariff,
            key,
            naming,
            limits: file.limits,
        })
    }

    /// Where the opposition list is: the file of the table `opposition`, else `opposition.parquet` beside the project
    /// file. `None` when it is at a distance.
    pub fn opposition_list(&self) -> Option<PathBuf> {
        let path = self
            .tables
            .get("opposition")
            .map_or("opposition.parquet", |table| &table.path);
        (!path.contains("://")).then(|| self.resolve(Path::new(path)))
    }

    /// A path of this project: relative paths start at the project file's folder.
    pub fn resolve(&self, path: &Path) -> PathBuf {
        self.folder.join(path)
    }
}

/// Prices are exact decimals; TOML's floats print back as they were written.
fn price_text(channel: &str, price: &toml::Value) -> Result<String> {
    match price {
        toml::Value::Integer(euros) => Ok(euros.to_string()),
        toml::Value::Float(euros) => Ok(euros.to_string()),
        toml::Value::String(euros) => Ok(euros.clone()),
        other => Err(Error::usage(format!(
            "tariff: the price of '{channel}' must be a number of euros per thousand messages, \
             got {}",
            other.type_str()
        ))
        .hint("volume tiers are text: sms = \"60, 55 above 10000\"")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str) -> String {
        Project::parse(text, PathBuf::new())
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn a_full_project_is_read() {
        let project = Project::parse(
            r#"
            [tables.events]
            path = "data/events.parquet"
            sort_order = ["visitor_id", "event_time"]
            partitioned_by = [{ name = "day", type = "DATE" }]
            [views]
            people = "views/people.sql"
            [tariff]
            email = 0.50
            sms = 60
            [limits]
            memory = "2GB"
            "#,
            PathBuf::from("shop"),
        )
        .unwrap();
        assert_eq!(
            project.tables["events"].sort_order,
            ["visitor_id", "event_time"]
        );
        assert_eq!(project.tariff["email"], "0.5");
        assert_eq!(project.tariff["sms"], "60");
        assert_eq!(
            project.limits.memory.map(|bytes| bytes.0),
            Some(2_000_000_000)
        );
        assert_eq!(project.resolve(Path::new("a.sql")), Path::new("shop/a.sql"));
    }

    #[test]
    fn malformed_files_name_the_line() {
        let text = message("[tables.events]\npath = data.parquet\n");
        assert!(text.contains("line 2"), "{text}");
        let text = message("[tables.events]\npath = \"x\"\ncolour = 1\n");
        assert!(text.contains("line 3") && text.contains("colour"), "{text}");
    }

    #[test]
    fn a_name_is_a_table_or_a_view() {
        let text = message("[tables.a]\npath = \"x.csv\"\n[views]\na = \"a.sql\"\n");
        assert!(text.contains("'a' is both a table and a view"), "{text}");
    }

    #[test]
    fn prices_are_numbers() {
        assert!(message("[tariff]\nsms = true\n").contains("the price of 'sms' must be a number"));
    }
}
