//! Files as tables: which format a path means, and how its files are opened.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use datafusion::catalog::TableProvider;
use datafusion::datasource::file_format::FileFormat;
use datafusion::datasource::listing::{
    ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl,
};
use datafusion::execution::SessionState;
use datafusion::prelude::col;
use futures::TryStreamExt;

use super::diagnose;
use crate::error::{Error, Result, did_you_mean};
use crate::project::{Format, Table};

/// Endings of compressed files and their names as a format option.
const COMPRESSIONS: [(&str, &str); 4] = [
    ("gz", "gzip"),
    ("bz2", "bzip2"),
    ("xz", "xz"),
    ("zst", "zstd"),
];

/// The table that a path in FROM means; `None` when the text is a plain name.
pub(super) fn table_from_path(path: &str) -> Option<Table> {
    let looks_like_a_path = path.contains(['/', '*']) || ending(path).is_some();
    looks_like_a_path.then(|| Table {
        path: path.to_owned(),
        ..Table::default()
    })
}

/// The error for a path whose ending says nothing.
fn unknown_format() -> Error {
    Error::usage("the ending does not tell the format").hint(
        "name it .parquet, .csv, .json or .jsonl, or give the table a `format` in jumeau.toml",
    )
}

/// Opens a table: finds its files, reads their schema, and leaves the rows where they are.
pub(super) async fn open(
    state: &SessionState,
    folder: &Path,
    table: &Table,
) -> Result<Arc<dyn TableProvider>> {
    let locations = locate(folder, &table.path)?;
    open_at(state, table, &locations)
        .await
        .map_err(|error| error.context(&table.path))
}

async fn open_at(
    state: &SessionState,
    table: &Table,
    locations: &[String],
) -> Result<Arc<dyn TableProvider>> {
    let explain = |error| diagnose::explain(error, &[]);
    let urls = locations
        .iter()
        .map(|location| ListingTableUrl::parse(location).map_err(explain))
        .collect::<Result<Vec<_>>>()?;
    // `locate` gives at least one; a folder stands alone.
    let (Some(location), Some(url)) = (locations.first(), urls.first()) else {
        return Err(Error::data("no files there"));
    };
    let sample = if url.is_collection() {
        first_file(state, url).await?
    } else {
        location.clone()
    };
    let (format, compression) = format_of(table, &sample)?;

    let (name, mut options) = match format {
        Format::Parquet => ("parquet", HashMap::new()),
        Format::Csv => ("csv", csv_options(table, &sample)?),
        Format::Json => ("json", HashMap::new()),
    };
    if let Some(compression) = compression {
        options.insert("format.compression".to_owned(), compression.to_owned());
    }
    let factory = state
        .get_file_format_factory(name)
        .ok_or_else(|| Error::usage(format!("this build cannot read {name} files")))?;
    let format = factory.create(state, &options).map_err(explain)?;
    if name == "csv" && table.header.unwrap_or(true) {
        same_headers(state, format.as_ref(), &urls).await?;
    }
    // One named file is read whatever its ending; a folder may hold other things beside the data.
    let ending = if url.is_collection() {
        file_ending(&sample)
    } else {
        ""
    };
    let sort_order = table
        .sort_order
        .iter()
        .map(|name| col(name.as_str()).sort(true, false));
    let listing = ListingOptions::new(format)
        .with_file_extension(ending)
        .with_file_sort_order(if table.sort_order.is_empty() {
            vec![]
        } else {
            vec![sort_order.collect()]
        });

    let mut config =
        ListingTableConfig::new_with_multi_paths(urls.clone()).with_listing_options(listing);
    if !table.partitioned_by.is_empty() {
        let columns = table
            .partitioned_by
            .iter()
            .map(|column| Ok((column.name.clone(), arrow_type(&column.sql_type)?)))
            .collect::<Result<Vec<_>>>()?;
        config.options = config
            .options
            .map(|options| options.with_table_partition_cols(columns));
    } else if url.is_collection() {
        config = config
            .infer_partitions_from_path(state)
            .await
            .map_err(explain)?;
    }
    let mut config = config.infer_schema(state).await.map_err(explain)?;
    if let Some(schema) = config.file_schema.as_ref() {
        if schema.fields().is_empty() {
            return Err(Error::data(
                "the file is empty: not even column names are there",
            ));
        }
        let schema = retype(schema, table)?;
        config = config.with_schema(schema);
    }
    let cache = state.runtime_env().cache_manager.get_file_statistic_cache();
    let table = ListingTable::try_new(config)
        .map_err(explain)?
        .with_cache(cache);
    Ok(Arc::new(table))
}

/// The paths or URLs to open: relative paths start at the project's folder, a folder ends in `/`,
/// and a pattern stands for the files that match it now.
fn locate(folder: &Path, path: &str) -> Result<Vec<String>> {
    if path.contains("://") {
        return Ok(vec![path.to_owned()]);
    }
    let full = folder.join(path);
    let text = full.to_string_lossy().into_owned();
    match std::fs::metadata(&full) {
        Ok(data) if data.is_dir() && !text.ends_with('/') => Ok(vec![format!("{text}/")]),
        Ok(_) => Ok(vec![text]),
        Err(_) if text.contains(['*', '?', '[']) => matching(&text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(not_found(&full)),
        Err(error) => Err(Error::io(text, &error)),
    }
}

fn matching(pattern: &str) -> Result<Vec<String>> {
    let wrong = |error: &dyn std::fmt::Display| Error::usage(format!("{pattern}: {error}"));
    // As in a shell, `*` does not mean hidden files.
    let options = glob::MatchOptions {
        require_literal_leading_dot: true,
        ..glob::MatchOptions::new()
    };
    let paths = glob::glob_with(pattern, options).map_err(|error| wrong(&error))?;
    let mut files = Vec::new();
    for path in paths {
        let path = path.map_err(|error| wrong(&error))?;
        if path.is_file() {
            files.push(path.to_string_lossy().into_owned());
        }
    }
    if files.is_empty() {
        return Err(Error::data(format!("no file matches {pattern}"))
            .hint("* stands for a part of one name, ** for any number of folders"));
    }
    Ok(files)
}

fn not_found(path: &Path) -> Error {
    let error = Error::data(format!("file not found: {}", path.display()));
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    let names: Vec<String> = std::fs::read_dir(parent.unwrap_or_else(|| Path::new(".")))
        .map(|entries| {
            entries
                .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
                .collect()
        })
        .unwrap_or_default();
    let wanted = path.file_name().unwrap_or_default().to_string_lossy();
    match did_you_mean(&wanted, names.iter().map(String::as_str)) {
        Some(suggestion) => error.hint(suggestion),
        None => error.hint("paths start at the current folder, or at jumeau.toml's"),
    }
}

async fn first_file(state: &SessionState, url: &ListingTableUrl) -> Result<String> {
    let explain = |error| diagnose::explain(error, &[]);
    let store = state.runtime_env().object_store(url).map_err(explain)?;
    let mut files = url
        .list_all_files(state, store.as_ref(), "")
        .await
        .map_err(explain)?;
    while let Some(file) = files.try_next().await.map_err(explain)? {
        let name = file.location.filename().unwrap_or_default();
        if file.size > 0 && !name.starts_with(['.', '_']) {
            return Ok(file.location.to_string());
        }
    }
    Err(Error::data("no files there").hint("a folder of tables needs at least one data file"))
}

/// CSV columns are read by position: files whose headers differ would be mixed up silently.
async fn same_headers(
    state: &SessionState,
    format: &dyn FileFormat,
    urls: &[ListingTableUrl],
) -> Result<()> {
    let explain = |error| diagnose::explain(error, &[]);
    let mut first: Option<(Vec<String>, String)> = None;
    for url in urls {
        let store = state.runtime_env().object_store(url).map_err(explain)?;
        let ending = format.get_ext();
        let filter = if url.is_collection() {
            ending.as_str()
        } else {
            ""
        };
        let mut files = url
            .list_all_files(state, store.as_ref(), filter)
            .await
            .map_err(explain)?;
        while let Some(file) = files.try_next().await.map_err(explain)? {
            if file.size == 0 {
                continue;
            }
            let name = file.location.to_string();
            let schema = format
                .infer_schema(state, &store, &[file])
                .await
                .map_err(explain)?;
            let header: Vec<String> = schema
                .fields()
                .iter()
                .map(|field| field.name().clone())
                .collect();
            match &first {
                None => first = Some((header, name)),
                Some((known, _)) if *known == header => {}
                Some((known, other)) => {
                    return Err(Error::data(format!(
                        "the columns of {name} ({}) are not those of {other} ({})",
                        header.join(", "),
                        known.join(", ")
                    ))
                    .hint("read them as two tables, and join them by name in a view"));
                }
            }
        }
    }
    Ok(())
}

/// The format and compression that a path's ending stands for.
fn ending(path: &str) -> Option<(Format, Option<&'static str>)> {
    let path = path.split('?').next().unwrap_or(path);
    let compressed = COMPRESSIONS
        .iter()
        .find_map(|(ending, name)| Some((path.strip_suffix(ending)?.strip_suffix('.')?, *name)));
    let (stem, compression) = match compressed {
        Some((stem, name)) => (stem, Some(name)),
        None => (path, None),
    };
    let format = match stem.rsplit_once('.')?.1.to_ascii_lowercase().as_str() {
        "parquet" | "pq" => Format::Parquet,
        "csv" | "tsv" => Format::Csv,
        "json" | "jsonl" | "ndjson" => Format::Json,
        _ => return None,
    };
    Some((format, compression))
}

/// The part of a file name that the other files of its folder share.
fn file_ending(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.find('.').map_or("", |dot| {
        let ending = &name[dot..];
        // `part.0001.parquet`: only the last endings tell the format.
        let keep = if COMPRESSIONS.iter().any(|(end, _)| ending.ends_with(end)) {
            2
        } else {
            1
        };
        let start = ending
            .rmatch_indices('.')
            .nth(keep - 1)
            .map_or(0, |(at, _)| at);
        &ending[start..]
    })
}

fn csv_options(table: &Table, sample: &str) -> Result<HashMap<String, String>> {
    let mut options = HashMap::from([(
        "format.has_header".to_owned(),
        table.header.unwrap_or(true).to_string(),
    )]);
    if let Some(delimiter) = delimiter(table, sample)? {
        options.insert("format.delimiter".to_owned(), delimiter.to_string());
    }
    Ok(options)
}

fn delimiter(table: &Table, sample: &str) -> Result<Option<char>> {
    let delimiter = table
        .delimiter
        .or_else(|| sample.contains(".tsv").then_some('\t'));
    match delimiter {
        Some(delimiter) if !delimiter.is_ascii() => Err(Error::usage(format!(
            "delimiter '{delimiter}' must be one ASCII character"
        ))),
        _ => Ok(delimiter),
    }
}

/// How the files of a table are written.
pub(super) struct Layout {
    pub(super) format: Format,
    pub(super) compressed: bool,
    pub(super) delimiter: u8,
}

/// See [`Layout`]; `sample` is one of the files.
pub(super) fn layout(table: &Table, sample: &str) -> Result<Layout> {
    let (format, compression) = format_of(table, sample)?;
    Ok(Layout {
        format,
        compressed: compression.is_some(),
        delimiter: delimiter(table, sample)?.map_or(b',', |character| character as u8),
    })
}

fn format_of(table: &Table, sample: &str) -> Result<(Format, Option<&'static str>)> {
    match (table.format, ending(sample)) {
        (Some(format), known) => Ok((format, known.and_then(|(_, compression)| compression))),
        (None, Some(known)) => Ok(known),
        (None, None) => Err(unknown_format()),
    }
}

/// The file schema with the types that the project states in place of those guessed.
fn retype(schema: &SchemaRef, table: &Table) -> Result<SchemaRef> {
    for name in table.columns.keys() {
        if schema.column_with_name(name).is_none() {
            let error = Error::usage(format!("`columns` names '{name}', which the file has not"));
            let names = schema.fields().iter().map(|field| field.name().as_str());
            return Err(match did_you_mean(name, names) {
                Some(suggestion) => error.hint(suggestion),
                None => error,
            });
        }
    }
    let fields = schema
        .fields()
        .iter()
        .map(|field| match table.columns.get(field.name()) {
            Some(sql_type) => Ok(Arc::new(Field::new(
                field.name(),
                arrow_type(sql_type)?,
                true,
            ))),
            // One file may have values where another lacks the column.
            None => Ok(Arc::new(field.as_ref().clone().with_nullable(true))),
        })
        .collect::<Result<Vec<_>>>()?;
    Ok(Arc::new(Schema::new(fields)))
}

fn arrow_type(sql_type: &str) -> Result<DataType> {
    let upper = sql_type.trim().to_ascii_uppercase();
    let decimal = upper
        .strip_prefix("DECIMAL(")
        .and_then(|rest| rest.strip_suffix(')'));
    if let Some((precision, scale)) = decimal.and_then(|inner| inner.split_once(','))
        && let (Ok(precision), Ok(scale)) = (precision.trim().parse(), scale.trim().parse())
    {
        return Ok(DataType::Decimal128(precision, scale));
    }
    Ok(match upper.as_str() {
        "VARCHAR" | "TEXT" | "STRING" => DataType::Utf8View,
        "BIGINT" => DataType::Int64,
        "INT" | "INTEGER" => DataType::Int32,
        "DOUBLE" => DataType::Float64,
        "BOOLEAN" => DataType::Boolean,
        "DATE" => DataType::Date32,
        "TIMESTAMP" => DataType::Timestamp(TimeUnit::Microsecond, None),
        _ => {
            return Err(
                Error::usage(format!("'{sql_type}' is not a column type")).hint(
                    "use VARCHAR, BIGINT, INT, DOUBLE, BOOLEAN, DATE, TIMESTAMP or DECIMAL(p, s)",
                ),
            );
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings_tell_the_format() {
        assert_eq!(ending("a/b.parquet"), Some((Format::Parquet, None)));
        assert_eq!(ending("b.CSV"), Some((Format::Csv, None)));
        assert_eq!(
            ending("s3://x/b.jsonl.gz"),
            Some((Format::Json, Some("gzip")))
        );
        assert_eq!(ending("events"), None);
        assert_eq!(ending("jumeau.main"), None);
    }

    #[test]
    fn a_folder_is_filtered_by_its_files_ending() {
        assert_eq!(file_ending("x/part.0001.parquet"), ".parquet");
        assert_eq!(file_ending("x/a.csv.gz"), ".csv.gz");
        assert_eq!(file_ending("x/a"), "");
    }

    #[test]
    fn sql_types_are_known() {
        assert_eq!(
            arrow_type("decimal(18, 6)").unwrap(),
            DataType::Decimal128(18, 6)
        );
        assert!(
            arrow_type("money")
                .unwrap_err()
                .to_string()
                .contains("'money'")
        );
    }
}
