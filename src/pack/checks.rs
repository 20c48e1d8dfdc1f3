//! Conditions on an output: `unique(a, b)`, `not_null(a)`, or any SQL condition over its rows, in
//! which `rows` is their number: `rows > 0`, `sum(cost) <= $budget`.

use datafusion::arrow::array::{RecordBatch, cast::AsArray};
use datafusion::sql::parser::Statement;

use crate::engine::{self, Engine, Params};
use crate::error::{Error, Result};

/// What a check found.
pub(super) struct Finding {
    /// Whether the output is as it must be.
    pub(super) passed: bool,
    /// The rows that are not, where the check is about rows.
    pub(super) failing: Vec<RecordBatch>,
}

/// The statement that decides a check, and what its result means.
enum Query {
    /// Returns the failing rows.
    FailingRows(Vec<Statement>),
    /// Returns one Boolean.
    Condition(Vec<Statement>),
}

/// Plans a check against the output's table, without running it.
pub(super) async fn plan(engine: &Engine, table: &str, check: &str, params: &Params) -> Result<()> {
    let (Query::FailingRows(statements) | Query::Condition(statements)) = query(table, check)?;
    for statement in statements {
        let plan = engine.plan(statement, params).await?;
        engine.optimize(&plan)?;
    }
    Ok(())
}

/// Runs a check on the output's table.
pub(super) async fn run(
    engine: &Engine,
    table: &str,
    check: &str,
    params: &Params,
) -> Result<Finding> {
    match query(table, check)? {
        Query::FailingRows(statements) => {
            let mut failing = Vec::new();
            for statement in statements {
                failing.extend(engine.query(statement, params).await?.collect().await?);
            }
            failing.retain(|batch| batch.num_rows() > 0);
            Ok(Finding {
                passed: failing.is_empty(),
                failing,
            })
        }
        Query::Condition(statements) => {
            let mut passed = true;
            for statement in statements {
                for batch in engine.query(statement, params).await?.collect().await? {
                    passed &= holds(&batch).ok_or_else(|| {
                        Error::usage(format!("check \"{check}\" is not a condition"))
                            .hint("compare something: rows > 0, sum(cost) <= $budget")
                    })?;
                }
            }
            Ok(Finding {
                passed,
                failing: vec![],
            })
        }
    }
}

/// As SQL's own CHECK: only FALSE fails. A sum over no rows is NULL and breaks no limit; whoever
/// needs rows or a value says so with `rows > 0` or `not_null`.
fn holds(batch: &RecordBatch) -> Option<bool> {
    let column = batch.column(0).as_boolean_opt()?;
    Some(column.iter().all(|value| value != Some(false)))
}

fn query(table: &str, check: &str) -> Result<Query> {
    let table = quoted(table);
    let parse = |sql: String| {
        engine::parse(&sql).map_err(|error| error.context(format_args!("check \"{check}\"")))
    };
    if let Some(columns) = call(check, "unique") {
        return Ok(Query::FailingRows(parse(format!(
            "SELECT {columns}, count(*) AS times FROM {table} GROUP BY {columns} HAVING count(*) > 1"
        ))?));
    }
    if let Some(columns) = call(check, "not_null") {
        let missing: Vec<String> = columns
            .split(',')
            .map(|column| format!("{} IS NULL", column.trim()))
            .collect();
        return Ok(Query::FailingRows(parse(format!(
            "SELECT * FROM {table} WHERE {}",
            missing.join(" OR ")
        ))?));
    }
    Ok(Query::Condition(parse(format!(
        "SELECT {} FROM {table}",
        with_row_count(check)
    ))?))
}

/// The text between the brackets of `name(…)`.
fn call<'a>(check: &'a str, name: &str) -> Option<&'a str> {
    check
        .trim()
        .strip_prefix(name)?
        .trim_start()
        .strip_prefix('(')?
        .strip_suffix(')')
}

/// Puts `count(*)` in the place of the word `rows`, outside quotes.
fn with_row_count(check: &str) -> String {
    let mut out = String::with_capacity(check.len() + 8);
    let mut word = String::new();
    let mut quote = None;
    for c in check.chars().chain([' ']) {
        if quote.is_none() && (c.is_alphanumeric() || matches!(c, '_' | '$' | '.')) {
            word.push(c);
            continue;
        }
        out.push_str(if word == "rows" { "count(*)" } else { &word });
        word.clear();
        match quote {
            Some(open) if open == c => quote = None,
            None if matches!(c, '\'' | '"') => quote = Some(c),
            _ => {}
        }
        out.push(c);
    }
    out.trim_end().to_owned()
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_is_the_number_of_rows() {
        assert_eq!(with_row_count("rows > 0"), "count(*) > 0");
        assert_eq!(with_row_count("sum(x) / rows<3"), "sum(x) / count(*)<3");
        assert_eq!(
            with_row_count("max(t.rows) = 'rows'"),
            "max(t.rows) = 'rows'"
        );
        assert_eq!(with_row_count("\"rows\" and $rows"), "\"rows\" and $rows");
    }

    #[test]
    fn calls_are_recognised() {
        assert_eq!(call(" unique(a, b) ", "unique"), Some("a, b"));
        assert_eq!(call("unique_share > 1", "unique"), None);
    }
}
