//! `min_support(value, n, k)`: no value rather than a thin one.

use arrow::array::BooleanArray;
use arrow::compute::nullif;
use arrow::datatypes::{DataType, FieldRef};
use datafusion_common::{Result, ScalarValue, internal_err};
use datafusion_expr::{
    ColumnarValue, Documentation, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature,
    Volatility,
};
use datafusion_macros::user_doc;

use crate::common::arguments::{Argument, Arguments, Kind, Range};
use crate::common::numbers::Column;

static ARGUMENTS: Arguments = Arguments {
    function: "min_support",
    counts: &[3],
    list: &[
        Argument::new("value", Kind::Any),
        Argument::new("n", Kind::Number(Range::Finite)),
        Argument::new("k", Kind::Number(Range::Positive)),
    ],
};

#[user_doc(
    doc_section(label = "Evidence"),
    description = "The value where its evidence `n` is at least `k`, else NULL; also NULL when `n` or `k` is NULL. \
Keeps the type of the value.",
    syntax_example = "min_support(value, n, k)",
    sql_example = r"```sql
SELECT product, min_support(rate, n, 30) AS rate
FROM (VALUES ('a', 0.5, 2), ('b', 0.12, 300)) AS t(product, rate, n) ORDER BY product;
+---------+------+
| product | rate |
+---------+------+
| a       |      |
| b       | 0.12 |
+---------+------+
```",
    argument(name = "value", description = "Any type."),
    argument(
        name = "n",
        description = "What the value rests on: a count, or an effective number of events."
    ),
    argument(name = "k", description = "The least evidence, a positive number.")
)]
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct MinSupport {
    signature: Signature,
}

impl MinSupport {
    pub(crate) fn new() -> Self {
        Self {
            signature: Signature::user_defined(Volatility::Immutable),
        }
    }
}

impl ScalarUDFImpl for MinSupport {
    fn name(&self) -> &str {
        ARGUMENTS.function
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        Ok(ARGUMENTS.coerce(given))
    }

    fn return_type(&self, _given: &[DataType]) -> Result<DataType> {
        internal_err!("return_field_from_args is used instead")
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let value = args
            .arg_fields
            .first()
            .map(|field| field.data_type().clone());
        ARGUMENTS.return_field(&args, value.unwrap_or(DataType::Null))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [value, n, k] = args.args.as_slice() else {
            return internal_err!("min_support: expected 3 arguments");
        };
        let constants = args
            .args
            .iter()
            .all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let rows = if constants { 1 } else { args.number_rows };
        let thin = (0..rows)
            .map(|row| is_thin(Column::new(n)?.get(row), Column::new(k)?.get(row)).map(Some))
            .collect::<Result<BooleanArray>>()?;
        let supported = nullif(&value.to_array(rows)?, &thin)?;
        if constants {
            return ScalarValue::try_from_array(&supported, 0).map(ColumnarValue::Scalar);
        }
        Ok(ColumnarValue::Array(supported))
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}

/// Whether `n` is too little, or unknown.
fn is_thin(n: Option<f64>, k: Option<f64>) -> Result<bool> {
    for (position, value) in [(1, n), (2, k)] {
        if let Some(value) = value {
            ARGUMENTS.check_number(position, value)?;
        }
    }
    Ok(!matches!((n, k), (Some(n), Some(k)) if n >= k))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_evidence_is_thin() {
        assert!(!is_thin(Some(3.0), Some(3.0)).unwrap());
        assert!(is_thin(Some(2.9), Some(3.0)).unwrap());
        assert!(is_thin(None, Some(3.0)).unwrap());
        assert!(is_thin(Some(3.0), None).unwrap());
    }

    #[test]
    fn the_errors_name_the_argument() {
        let error = |n, k| is_thin(Some(n), Some(k)).unwrap_err().strip_backtrace();
        assert_eq!(
            error(3.0, 0.0),
            "Execution error: min_support: argument 'k' must be a positive number, got 0"
        );
        assert_eq!(
            error(f64::NAN, 1.0),
            "Execution error: min_support: argument 'n' must be a finite number, got NaN"
        );
    }
}
