//! Results in, text or files out. Knows Arrow only: no engine, no pack, no terminal.

mod markdown;
mod parquet;
mod table;
mod writer;

use std::path::Path;
use std::str::FromStr;

use crate::error::{Error, Result, did_you_mean};

pub use table::table;
pub use writer::{Shape, Writer};

/// How a result is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A bordered table for people.
    Table,
    /// Comma-separated values with a header.
    Csv,
    /// One JSON array of objects.
    Json,
    /// One JSON object a line.
    JsonLines,
    /// A Markdown table.
    Markdown,
    /// Apache Parquet.
    Parquet,
    /// The Arrow IPC file format.
    Arrow,
}

const NAMES: [(&str, Format); 7] = [
    ("table", Format::Table),
    ("csv", Format::Csv),
    ("json", Format::Json),
    ("jsonl", Format::JsonLines),
    ("markdown", Format::Markdown),
    ("parquet", Format::Parquet),
    ("arrow", Format::Arrow),
];

impl Format {
    /// The format that a file's ending asks for.
    ///
    /// # Errors
    /// When the ending is of none.
    pub fn from_ending(path: &Path) -> Result<Self> {
        let ending = path
            .extension()
            .unwrap_or_default()
            .to_string_lossy()
            .to_ascii_lowercase();
        match ending.as_str() {
            "csv" => Ok(Self::Csv),
            "json" => Ok(Self::Json),
            "jsonl" | "ndjson" => Ok(Self::JsonLines),
            "md" => Ok(Self::Markdown),
            "parquet" | "pq" => Ok(Self::Parquet),
            "arrow" | "feather" => Ok(Self::Arrow),
            "txt" => Ok(Self::Table),
            _ => Err(
                Error::usage(format!("{}: no format has this ending", path.display())).hint(
                    "name the file .csv, .json, .jsonl, .md, .parquet or .arrow, or add --format",
                ),
            ),
        }
    }

    /// Whether the output is for programs only, not for a terminal.
    pub fn is_binary(self) -> bool {
        matches!(self, Self::Parquet | Self::Arrow)
    }
}

impl FromStr for Format {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        NAMES
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, format)| *format)
            .ok_or_else(|| {
                let names = NAMES.map(|(name, _)| name);
                let error = Error::usage(format!("no output format '{name}'"));
                error.hint(
                    did_you_mean(name, names)
                        .unwrap_or_else(|| format!("formats: {}", names.join(", "))),
                )
            })
    }
}
