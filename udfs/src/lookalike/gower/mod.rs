//! `gower(a, b [, ranges])`: likeness of two people over all that is known of both.

mod kernel;

use std::sync::Arc;

use arrow::datatypes::{DataType, FieldRef};
use datafusion_common::{Result, ScalarValue, internal_err};
use datafusion_expr::{
    ColumnarValue, Documentation, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature,
    Volatility,
};
use datafusion_macros::user_doc;

use self::kernel::{coerce_records, likeness};
use crate::common::arguments::{Argument, Arguments, Kind};
use crate::common::bags::field_types;

static ARGUMENTS: Arguments = Arguments {
    function: "gower",
    counts: &[2, 3],
    list: &[
        Argument::new("a", Kind::Struct),
        Argument::new("b", Kind::Struct),
        Argument::new("ranges", Kind::Struct),
    ],
};

#[user_doc(
    doc_section(label = "Look-alikes"),
    description = "Similarity of two records of mixed types (Gower, *Biometrics*, 1971), from 0 to 1: the mean over \
the fields that both know. Two numbers are alike by 1 − |x − y| / range, but not below 0; other values by 1 when \
they are equal, else 0. Fields are matched by name; one that is NULL or missing on a side does not count, and \
neither does a number whose range is NULL. NULL when nothing is known of both.",
    syntax_example = "gower(a, b [, ranges])",
    sql_example = r"```sql
SELECT gower({'sex': 'f', 'age': 30, 'city': 'Lyon'}, {'sex': 'f', 'age': 45, 'city': NULL}, {'age': 60}) AS alike;
+-------+
| alike |
+-------+
| 0.875 |
+-------+
```",
    argument(
        name = "a",
        description = "STRUCT of numbers, text, dates and other values."
    ),
    argument(
        name = "b",
        description = "STRUCT whose fields compare with those of `a`."
    ),
    argument(
        name = "ranges",
        description = "STRUCT with the range of each number, max − min over all people: zero or a positive number."
    )
)]
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct Gower {
    signature: Signature,
}

impl Gower {
    pub(crate) fn new() -> Self {
        Self {
            signature: Signature::user_defined(Volatility::Immutable),
        }
    }
}

impl ScalarUDFImpl for Gower {
    fn name(&self) -> &str {
        ARGUMENTS.function
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        Ok(coerce_records(given).unwrap_or_else(|_| given.to_vec()))
    }

    fn return_type(&self, _given: &[DataType]) -> Result<DataType> {
        internal_err!("return_field_from_args is used instead")
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let given = field_types(&args);
        coerce_records(&given)?;
        ARGUMENTS.return_field(&args, DataType::Float64)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let constants = args
            .args
            .iter()
            .all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let rows = if constants { 1 } else { args.number_rows };
        let columns = args.args.iter().map(|arg| arg.to_array(rows));
        let likeness = likeness(&columns.collect::<Result<Vec<_>>>()?)?;
        if constants {
            return ScalarValue::try_from_array(&likeness, 0).map(ColumnarValue::Scalar);
        }
        Ok(ColumnarValue::Array(Arc::new(likeness)))
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}
