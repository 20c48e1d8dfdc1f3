//! `pack.toml` as it is written, and the SQL files beside it.

use serde::Deserialize;
use std::collections::BTreeMap;

use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::Statement as SqlStatement;

use super::Files;
use crate::engine::{self, Value};
use crate::error::{Error, Result};

pub(super) const FILE_NAME: &str = "pack.toml";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    pack: Head,
    #[serde(default)]
    params: BTreeMap<String, Param>,
    #[serde(default)]
    queries: BTreeMap<String, QueryEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    description: String,
}

/// A declared parameter.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Param {
    /// What values it takes.
    #[serde(rename = "type")]
    pub param_type: ParamType,
    /// The value when none is given; without one the parameter is required.
    pub default: Option<toml::Value>,
    /// The least value, for numbers.
    pub min: Option<toml::Value>,
    /// The greatest value, for numbers.
    pub max: Option<toml::Value>,
    /// The only values allowed, for text.
    pub values: Option<Vec<String>>,
    /// One line for people.
    #[serde(default)]
    pub help: String,
}

/// The types of parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ParamType {
    /// Any text.
    Text,
    /// A whole number.
    Int,
    /// An exact number.
    Decimal,
    /// TRUE or FALSE.
    Bool,
    /// A day, `2026-06-30`.
    Date,
    /// A point in time.
    Timestamp,
    /// A length of time, `14 days`.
    Interval,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct QueryEntry {
    #[serde(default)]
    description: String,
    #[serde(default)]
    checks: Vec<String>,
    #[serde(default)]
    show: bool,
}

/// One query of a pack.
#[derive(Debug, Clone)]
pub struct PackQuery {
    /// Its name: the file's, the output's, and the table's that later queries read.
    pub name: String,
    /// One line for people.
    pub description: String,
    /// The parsed statement, parameters not yet bound.
    pub statement: Statement,
    /// Conditions on the output, as written.
    pub checks: Vec<String>,
    /// Whether a run prints the output.
    pub show: bool,
    /// The other queries of the pack that it reads.
    pub reads: Vec<String>,
}

type Parsed = (String, Vec<(String, Param)>, Vec<PackQuery>);

/// Reads the manifest and parses every SQL file.
pub(super) fn parse(files: &Files) -> Result<Parsed> {
    let text = files
        .iter()
        .find(|(name, _)| name == FILE_NAME)
        .map(|(_, text)| text)
        .ok_or_else(|| Error::usage(format!("no {FILE_NAME} there")))?;
    let manifest: Manifest = toml::from_str(text).map_err(|error| {
        Error::usage(format!("{FILE_NAME}: {}", error.to_string().trim_end()))
            .hint("a pack has [pack], [params] and [queries.NAME]")
    })?;
    for (name, param) in &manifest.params {
        if let Some(default) = &param.default {
            param
                .value(name, &plain(default))
                .map_err(|error| error.context(format_args!("{FILE_NAME}, default")))?;
        }
    }

    let mut entries = manifest.queries;
    let mut queries = Vec::new();
    let mut sql_files: Vec<_> = files
        .iter()
        .filter_map(|(name, sql)| Some((name.strip_suffix(".sql")?, sql)))
        .collect();
    sql_files.sort_unstable();
    for (name, sql) in sql_files {
        let entry = entries.remove(name).unwrap_or_default();
        queries.push(PackQuery {
            name: name.to_owned(),
            description: entry.description,
            statement: one_statement(sql)
                .map_err(|error| error.context(format_args!("{name}.sql")))?,
            checks: entry.checks,
            show: entry.show,
            reads: Vec::new(),
        });
    }
    if let Some(name) = entries.keys().next() {
        return Err(Error::usage(format!(
            "{FILE_NAME} has [queries.{name}] but no {name}.sql"
        ))
        .hint("add the file, or take the section out"));
    }
    if queries.is_empty() {
        return Err(Error::usage("the pack has no .sql file"));
    }
    Ok((
        manifest.pack.description,
        manifest.params.into_iter().collect(),
        queries,
    ))
}

fn one_statement(sql: &str) -> Result<Statement> {
    let mut statements = engine::parse(sql).map_err(Error::into_usage)?;
    match (statements.pop(), statements.len()) {
        (Some(statement), 0) => match &statement {
            Statement::Statement(inner) if matches!(**inner, SqlStatement::Query(_)) => {
                Ok(statement)
            }
            other => {
                let text = other.to_string();
                let verb = text.split_whitespace().next().unwrap_or_default();
                Err(Error::usage(format!("{verb} is not a query"))
                    .hint("a pack reads: its outputs are what its SELECT statements return"))
            }
        },
        (None, _) => Err(Error::usage("the file holds no statement")),
        (_, more) => Err(
            Error::usage(format!("the file holds {} statements", more + 1))
                .hint("a pack has one statement a file"),
        ),
    }
}

/// A TOML value as it would be typed behind `--param`.
pub(super) fn plain(value: &toml::Value) -> String {
    match value {
        toml::Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

impl Param {
    /// Reads a value given as text.
    ///
    /// # Errors
    /// When the text is not of the type, or out of bounds.
    pub(super) fn value(&self, name: &str, text: &str) -> Result<Value> {
        let text = text.trim();
        let wrong = |expected: &str| {
            Error::usage(format!(
                "parameter '{name}' must be {expected}, got '{text}'"
            ))
        };
        let value = match self.param_type {
            ParamType::Text => Value::Text(text.to_owned()),
            ParamType::Int if text.parse::<i64>().is_ok() => Value::Number(text.to_owned()),
            ParamType::Int => return Err(wrong("a whole number")),
            ParamType::Decimal if engine::is_number(text) => Value::Number(text.to_owned()),
            ParamType::Decimal => return Err(wrong("a number")),
            ParamType::Bool => match text {
                "true" => Value::Boolean(true),
                "false" => Value::Boolean(false),
                _ => return Err(wrong("true or false")),
            },
            ParamType::Date if engine::is_date(text) => Value::Date(text.to_owned()),
            ParamType::Date => return Err(wrong("a date such as 2026-06-30")),
            ParamType::Timestamp if engine::is_date(text.get(..10).unwrap_or_default()) => {
                Value::Timestamp(text.to_owned())
            }
            ParamType::Timestamp => return Err(wrong("a time such as 2026-06-30 12:00:00")),
            ParamType::Interval if is_interval(text) => Value::Interval(text.to_owned()),
            ParamType::Interval => return Err(wrong("a length of time such as 14 days")),
        };
        self.check_bounds(name, text)?;
        Ok(value)
    }

    fn check_bounds(&self, name: &str, text: &str) -> Result<()> {
        let number = |text: &str| text.parse::<f64>().ok();
        for (bound, word, wrong) in [
            (&self.min, "at least", std::cmp::Ordering::Less),
            (&self.max, "at most", std::cmp::Ordering::Greater),
        ] {
            let Some(bound) = bound.as_ref().map(plain) else {
                continue;
            };
            if let (Some(value), Some(limit)) = (number(text), number(&bound))
                && value.partial_cmp(&limit) == Some(wrong)
            {
                return Err(Error::usage(format!(
                    "parameter '{name}' must be {word} {bound}, got {text}"
                )));
            }
        }
        match &self.values {
            Some(values) if !values.iter().any(|value| value == text) => {
                Err(Error::usage(format!(
                    "parameter '{name}' must be one of {}, got '{text}'",
                    values.join(", ")
                )))
            }
            _ => Ok(()),
        }
    }
}

/// `14 days`, `1 month 2 hours`: numbers and units in turn.
fn is_interval(text: &str) -> bool {
    const UNITS: [&str; 8] = [
        "second", "minute", "hour", "day", "week", "month", "quarter", "year",
    ];
    let words: Vec<&str> = text.split_whitespace().collect();
    !words.is_empty()
        && words.chunks(2).all(|pair| match pair {
            [number, unit] => {
                let unit = unit.to_ascii_lowercase();
                let unit = unit.strip_suffix('s').unwrap_or(&unit);
                engine::is_number(number) && UNITS.contains(&unit)
            }
            _ => false,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(manifest: &str, sql: &[(&str, &str)]) -> Files {
        let mut files = vec![(FILE_NAME.to_owned(), manifest.to_owned())];
        files.extend(
            sql.iter()
                .map(|(name, text)| ((*name).to_owned(), (*text).to_owned())),
        );
        files
    }

    const HEAD: &str = "[pack]\ndescription = \"d\"\n";

    fn message(manifest: &str, sql: &[(&str, &str)]) -> String {
        parse(&files(manifest, sql)).unwrap_err().to_string()
    }

    #[test]
    fn typos_in_the_manifest_are_errors() {
        assert!(message(&format!("{HEAD}colour = 1\n"), &[]).contains("line 3"));
        let manifest = format!("{HEAD}[queries.plan]\nchecks = []\n");
        let text = message(&manifest, &[("plans.sql", "SELECT 1")]);
        assert!(text.contains("[queries.plan] but no plan.sql"), "{text}");
    }

    #[test]
    fn one_statement_a_file() {
        assert!(message(HEAD, &[("a.sql", "SELECT 1; SELECT 2")]).contains("2 statements"));
        assert!(message(HEAD, &[("a.sql", "-- nothing")]).contains("no statement"));
        assert!(message(HEAD, &[("a.sql", "SELEC 1")]).starts_with("a.sql: "));
        let copy = message(HEAD, &[("a.sql", "COPY (SELECT 1) TO 'x.parquet'")]);
        assert!(copy.contains("COPY is not a query"), "{copy}");
        assert!(message(HEAD, &[("a.sql", "SET a.b = 1")]).contains("SET is not a query"));
    }

    #[test]
    fn parameters_are_typed_and_bounded() {
        let param = |text: &str| toml::from_str::<Param>(text).unwrap();
        let budget = param("type = \"decimal\"\nmin = 0");
        assert_eq!(
            budget.value("budget", "1500.5").unwrap(),
            Value::Number("1500.5".into())
        );
        let text = budget.value("budget", "-1").unwrap_err().to_string();
        assert_eq!(text, "parameter 'budget' must be at least 0, got -1");
        assert!(budget.value("budget", "1 or 1=1").is_err());
        let days = param("type = \"interval\"");
        assert_eq!(
            days.value("d", "14 days").unwrap(),
            Value::Interval("14 days".into())
        );
        assert!(days.value("d", "fortnight").is_err());
        let day = param("type = \"date\"");
        assert!(day.value("d", "2026-02-30").is_err());
        let choice = param("type = \"text\"\nvalues = [\"a\", \"b\"]");
        assert!(
            choice
                .value("c", "z")
                .unwrap_err()
                .to_string()
                .contains("one of a, b")
        );
    }

    #[test]
    fn wrong_defaults_are_found_when_the_pack_is_read() {
        let manifest = format!("{HEAD}[params]\nn = {{ type = \"int\", default = \"x\" }}\n");
        assert!(message(&manifest, &[("a.sql", "SELECT 1")]).contains("must be a whole number"));
    }
}
