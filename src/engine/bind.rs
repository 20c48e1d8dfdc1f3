//! Parameters: typed values that take the place of `$name` in a parsed statement.
//!
//! A value becomes one literal of the syntax tree, never text that is parsed again, so it cannot
//! change what a statement does. It is bound before planning, so that the planner sees its type.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::ControlFlow;

use datafusion::sql::parser::{CopyToSource, Statement};
use datafusion::sql::sqlparser::ast::{
    DataType, Expr, Interval, TimezoneInfo, TypedString, Value as Literal, VisitMut,
    visit_expressions_mut,
};

use crate::error::{Error, Result, did_you_mean};

/// Parameter values by name, without the `$`.
pub type Params = BTreeMap<String, Value>;

/// One typed parameter value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Text.
    Text(String),
    /// An exact number, as written: `1500`, `0.25`, `-3`.
    Number(String),
    /// TRUE or FALSE.
    Boolean(bool),
    /// A day, `2026-06-30`.
    Date(String),
    /// A point in time, `2026-06-30 12:00:00`.
    Timestamp(String),
    /// A length of time, `14 days`.
    Interval(String),
}

impl Value {
    /// The value that a text such as `--param k=text` most plainly stands for.
    pub fn guess(text: &str) -> Self {
        let trimmed = text.trim();
        match trimmed {
            "true" => return Self::Boolean(true),
            "false" => return Self::Boolean(false),
            _ => {}
        }
        if is_number(trimmed) {
            Self::Number(trimmed.to_owned())
        } else if is_date(trimmed) {
            Self::Date(trimmed.to_owned())
        } else {
            Self::Text(text.to_owned())
        }
    }

    fn into_expr(self) -> Expr {
        let text = |text: String| Expr::Value(Literal::SingleQuotedString(text).into());
        let typed = |data_type, text: String| {
            Expr::TypedString(TypedString {
                data_type,
                value: Literal::SingleQuotedString(text).into(),
                uses_odbc_syntax: false,
            })
        };
        match self {
            Self::Text(value) => text(value),
            Self::Number(value) => Expr::Value(Literal::Number(value, false).into()),
            Self::Boolean(value) => Expr::Value(Literal::Boolean(value).into()),
            Self::Date(value) => typed(DataType::Date, value),
            Self::Timestamp(value) => typed(DataType::Timestamp(None, TimezoneInfo::None), value),
            Self::Interval(value) => Expr::Interval(Interval {
                value: Box::new(text(value)),
                leading_field: None,
                leading_precision: None,
                last_field: None,
                fractional_seconds_precision: None,
            }),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text)
            | Self::Number(text)
            | Self::Date(text)
            | Self::Timestamp(text)
            | Self::Interval(text) => f.write_str(text),
            Self::Boolean(value) => write!(f, "{value}"),
        }
    }
}

/// Whether `text` is a plain decimal number, as SQL writes it.
pub(crate) fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    !(whole.is_empty() && fraction.is_empty()) && all_digits(whole) && all_digits(fraction)
}

/// Whether `text` is a day of the calendar, `YYYY-MM-DD`.
pub(crate) fn is_date(text: &str) -> bool {
    let bytes = text.as_bytes();
    if bytes.len() != 10 || bytes[4] != b'-' || bytes[7] != b'-' {
        return false;
    }
    let number = |range: std::ops::Range<usize>| text.get(range)?.parse::<u32>().ok();
    let (Some(year), Some(month), Some(day)) = (number(0..4), number(5..7), number(8..10)) else {
        return false;
    };
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => return false,
    };
    (1..=days).contains(&day)
}

/// Puts the values in the place of the parameters of a statement.
///
/// # Errors
/// When the statement has a parameter without a value.
pub(super) fn bind(mut statement: Statement, params: &Params) -> Result<Statement> {
    match &mut statement {
        Statement::Statement(inner) => bind_in(inner.as_mut(), params)?,
        Statement::Explain(explain) => {
            let inner = bind(explain.statement.as_ref().clone(), params)?;
            *explain.statement = inner;
        }
        Statement::CopyTo(copy) => {
            if let CopyToSource::Query(query) = &mut copy.source {
                bind_in(query.as_mut(), params)?;
            }
        }
        Statement::CreateExternalTable(_) | Statement::Reset(_) => {}
    }
    Ok(statement)
}

fn bind_in(node: &mut impl VisitMut, params: &Params) -> Result<()> {
    let flow = visit_expressions_mut(node, |expr: &mut Expr| {
        let Expr::Value(value) = &*expr else {
            return ControlFlow::Continue(());
        };
        let Literal::Placeholder(name) = &value.value else {
            return ControlFlow::Continue(());
        };
        let name = name.trim_start_matches(['$', ':', '@']);
        match params.get(name) {
            Some(value) => {
                *expr = value.clone().into_expr();
                ControlFlow::Continue(())
            }
            None => ControlFlow::Break(missing(name, params)),
        }
    });
    match flow {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

fn missing(name: &str, params: &Params) -> Error {
    let error = Error::usage(format!("parameter '${name}' has no value"));
    match did_you_mean(name, params.keys().map(String::as_str)) {
        Some(suggestion) => error.hint(suggestion),
        None => error.hint(format!("give it one: --param {name}=…")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::sql::parser::DFParser;

    fn bound(sql: &str, params: &[(&str, Value)]) -> String {
        let statement = DFParser::parse_sql(sql).unwrap().pop_front().unwrap();
        let params = params
            .iter()
            .map(|(name, v)| ((*name).to_owned(), v.clone()))
            .collect();
        match bind(statement, &params) {
            Ok(statement) => statement.to_string(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn values_are_literals_of_their_type() {
        let sql = "SELECT $d - $i, $n, $b FROM t WHERE name = $s LIMIT $l";
        let out = bound(
            sql,
            &[
                ("d", Value::Date("2026-06-30".into())),
                ("i", Value::Interval("14 days".into())),
                ("n", Value::Number("0.5".into())),
                ("b", Value::Boolean(true)),
                ("s", Value::Text("a' OR 1=1 --".into())),
                ("l", Value::Number("3".into())),
            ],
        );
        assert_eq!(
            out,
            "SELECT DATE '2026-06-30' - INTERVAL '14 days', 0.5, true FROM t \
             WHERE name = 'a'' OR 1=1 --' LIMIT 3"
        );
    }

    #[test]
    fn a_missing_value_is_named() {
        let out = bound("SELECT $budgt", &[("budget", Value::Number("1".into()))]);
        assert_eq!(
            out,
            "parameter '$budgt' has no value\nhint: did you mean 'budget'?"
        );
    }

    #[test]
    fn explain_is_bound_too() {
        assert_eq!(
            bound("EXPLAIN SELECT $a", &[("a", Value::Number("1".into()))]),
            "EXPLAIN SELECT 1"
        );
    }

    #[test]
    fn guesses_are_plain() {
        assert_eq!(Value::guess("12.5"), Value::Number("12.5".into()));
        assert_eq!(Value::guess("2026-02-28"), Value::Date("2026-02-28".into()));
        assert_eq!(Value::guess("2026-02-30"), Value::Text("2026-02-30".into()));
        assert_eq!(Value::guess("14 days"), Value::Text("14 days".into()));
        assert_eq!(Value::guess("1e5"), Value::Text("1e5".into()));
        assert_eq!(Value::guess("true"), Value::Boolean(true));
    }
}
