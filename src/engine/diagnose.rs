//! DataFusion's errors in the words of a user: what was expected, what came, and how to cure it.

use datafusion::arrow::error::ArrowError;
use datafusion::common::SchemaError;
use datafusion::error::DataFusionError;
use datafusion::parquet::errors::ParquetError;

use crate::error::{Error, did_you_mean};

/// Explains an error. `tables` are the names that a misspelt table could have meant.
pub(super) fn explain(error: DataFusionError, tables: &[String]) -> Error {
    match error {
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => {
            explain(*inner, tables)
        }
        DataFusionError::Shared(inner) => explain_ref(&inner, tables),
        DataFusionError::External(inner) => match inner.downcast::<Error>() {
            Ok(ours) => *ours,
            Err(other) => match other.downcast::<DataFusionError>() {
                Ok(inner) => explain(*inner, tables),
                Err(other) => Error::data(other.to_string()),
            },
        },
        DataFusionError::ArrowError(inner, _) => match *inner {
            ArrowError::ExternalError(source) => explain(DataFusionError::External(source), tables),
            other => arrow(&other),
        },
        DataFusionError::ParquetError(inner) => match *inner {
            ParquetError::External(source) => explain(DataFusionError::External(source), tables),
            other => parquet(&other),
        },
        other => explain_ref(&other, tables),
    }
}

fn explain_ref(error: &DataFusionError, tables: &[String]) -> Error {
    match error {
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => {
            explain_ref(inner, tables)
        }
        DataFusionError::Shared(inner) => explain_ref(inner, tables),
        DataFusionError::External(inner) => match inner.downcast_ref::<Error>() {
            Some(ours) => ours.clone(),
            None => Error::data(inner.to_string()),
        },
        DataFusionError::ArrowError(inner, _) => arrow(inner),
        DataFusionError::ParquetError(inner) => parquet(inner),
        DataFusionError::SchemaError(inner, _) => schema(inner),
        DataFusionError::SQL(inner, _) => {
            let message = inner.to_string();
            let message = message.trim_start_matches("sql parser error: ");
            Error::data(format!("SQL syntax: {message}"))
        }
        DataFusionError::Plan(message) => plan(message, tables),
        DataFusionError::ResourcesExhausted(message) => Error::data(format!(
            "out of memory: {}",
            message.lines().collect::<Vec<_>>().join(" ")
        ))
        .hint("raise --memory-limit, lower --threads, or narrow the query"),
        DataFusionError::Execution(message) if message.ends_with("' already exists") => {
            Error::data(message)
                .hint("CREATE OR REPLACE puts another in its place for this session")
        }
        DataFusionError::Execution(message)
        | DataFusionError::NotImplemented(message)
        | DataFusionError::Configuration(message) => with_hint(message),
        DataFusionError::Internal(message) => internal(message),
        other => Error::data(other.strip_backtrace()),
    }
}

fn schema(error: &SchemaError) -> Error {
    let SchemaError::FieldNotFound {
        field,
        valid_fields,
    } = error
    else {
        return Error::data(
            error
                .to_string()
                .trim_start_matches("Schema error: ")
                .to_owned(),
        );
    };
    let message = Error::data(format!("no column named '{}'", field.name));
    let names: Vec<&str> = valid_fields
        .iter()
        .map(|field| field.name.as_str())
        .collect();
    match did_you_mean(&field.name, names.iter().copied()) {
        Some(suggestion) => message.hint(suggestion),
        None if names.is_empty() => message,
        None => message.hint(format!("columns here: {}", names.join(", "))),
    }
}

fn plan(message: &str, tables: &[String]) -> Error {
    if let Some(name) = message
        .strip_prefix("table '")
        .and_then(|rest| rest.split_once("' not found"))
        .map(|(name, _)| name.rsplit('.').next().unwrap_or(name))
    {
        let error = Error::data(format!("no table named '{name}'"));
        return match did_you_mean(name, tables.iter().map(String::as_str)) {
            Some(suggestion) => error.hint(suggestion),
            None if tables.is_empty() => {
                error.hint("name a file: FROM 'events.parquet', or write a jumeau.toml")
            }
            None => error.hint(format!("tables here: {}", tables.join(", "))),
        };
    }
    if let Some(error) = wrong_argument_types(message) {
        return error;
    }
    // "Invalid function 'x'.\nDid you mean 'y'?" and the like: the second line is a hint.
    match message.split_once("\nDid you mean ") {
        Some((first, suggestion)) => {
            Error::data(first.trim_end_matches('.')).hint(format!("did you mean {suggestion}"))
        }
        None => with_hint(message),
    }
}

/// Our functions put the cure behind the fault: "…, got Utf8; hint: cast it".
fn with_hint(message: &str) -> Error {
    match message.split_once("; hint: ") {
        Some((fault, cure)) => Error::data(fault).hint(cure),
        None => Error::data(message),
    }
}

/// "… No function matches the given name and argument types 'sum(Utf8)'. … Candidate functions: …"
fn wrong_argument_types(message: &str) -> Option<Error> {
    let (_, rest) =
        message.split_once("No function matches the given name and argument types '")?;
    let (call, rest) = rest.split_once('\'')?;
    let (_, candidates) = rest.split_once("Candidate functions:")?;
    let candidates: Vec<&str> = candidates
        .lines()
        .map(str::trim)
        .filter(|c| !c.is_empty())
        .collect();
    Some(
        Error::data(format!("no function takes these arguments: {call}")).hint(format!(
            "cast the arguments; it can be {}",
            candidates.join(", ")
        )),
    )
}

fn internal(message: &str) -> Error {
    let first = message
        .split("\nThis issue was likely caused by")
        .next()
        .unwrap_or(message);
    Error::data(first.trim_end_matches('.').to_owned())
}

fn arrow(error: &ArrowError) -> Error {
    match error {
        ArrowError::CsvError(message) => Error::data(format!("CSV: {message}"))
            .hint("every row needs the same fields; check the delimiter, quotes and column types"),
        ArrowError::JsonError(message) => {
            Error::data(format!("JSON: {message}")).hint("write one object a line")
        }
        ArrowError::CastError(message) | ArrowError::ParseError(message) => {
            Error::data(format!("wrong type: {message}"))
                .hint("TRY_CAST gives NULL for a value that does not fit")
        }
        ArrowError::ParquetError(message) => parquet(&ParquetError::General(message.clone())),
        ArrowError::DivideByZero => {
            Error::data("division by zero").hint("divide by NULLIF(x, 0) to get NULL")
        }
        other => Error::data(other.to_string()),
    }
}

fn parquet(error: &ParquetError) -> Error {
    let message = match error {
        ParquetError::General(message) | ParquetError::EOF(message) => message.clone(),
        other => other.to_string(),
    };
    Error::data(format!("not a whole Parquet file: {message}"))
        .hint("it may be truncated or of another format; write it again")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(error: DataFusionError) -> String {
        explain(error, &["events".to_owned(), "people".to_owned()]).to_string()
    }

    #[test]
    fn a_misspelt_table_is_suggested() {
        let error = DataFusionError::Plan("table 'jumeau.main.evnts' not found".to_owned());
        assert_eq!(
            text(error),
            "no table named 'evnts'\nhint: did you mean 'events'?"
        );
    }

    #[test]
    fn argument_types_are_listed_in_one_line() {
        let error = DataFusionError::Plan(
            "Internal error: x. No function matches the given name and argument types \
             'sum(Utf8)'. You might need casts.\n\tCandidate functions:\n\tsum(Int64)\n\tsum(Float64)"
                .to_owned(),
        );
        assert_eq!(
            text(error),
            "no function takes these arguments: sum(Utf8)\n\
             hint: cast the arguments; it can be sum(Int64), sum(Float64)"
        );
    }

    #[test]
    fn our_own_errors_come_through_every_wrapping() {
        let ours = Error::data("file not found: x").hint("look again");
        let wrapped = DataFusionError::Context(
            "type_coercion".to_owned(),
            Box::new(DataFusionError::External(Box::new(ours.clone()))),
        );
        assert_eq!(explain(wrapped, &[]), ours);
    }
}
