//! `overlap_coefficient(a, b)`: how much of the shorter list is in the longer one.

use arrow::datatypes::{DataType, FieldRef};
use datafusion_common::{Result, internal_err};
use datafusion_expr::{
    ColumnarValue, Documentation, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature,
    Volatility,
};
use datafusion_macros::user_doc;

use crate::common::arguments::{Argument, Arguments, Kind};
use crate::common::bags::{Bags, coerce_lists, evaluate_with, field_types};

static ARGUMENTS: Arguments = Arguments {
    function: "overlap_coefficient",
    counts: &[2],
    list: &[
        Argument::new("a", Kind::List),
        Argument::new("b", Kind::List),
    ],
};

#[user_doc(
    doc_section(label = "Look-alikes"),
    description = "Overlap of two lists as sets, |a ∩ b| / min(|a|, |b|) (Szymkiewicz and Simpson), from 0 to 1: 1 \
when one is part of the other, however much longer that is. Duplicates count once, NULL elements not at all. NULL \
when a list is NULL or empty: an empty list is part of everything.",
    syntax_example = "overlap_coefficient(a, b)",
    sql_example = r"```sql
SELECT overlap_coefficient(['shoes', 'bags', 'hats'], ['bags', 'coats']) AS alike;
+-------+
| alike |
+-------+
| 0.5   |
+-------+
```",
    argument(name = "a", description = "LIST of any element type."),
    argument(
        name = "b",
        description = "LIST whose elements compare with those of `a`."
    )
)]
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct OverlapCoefficient {
    signature: Signature,
}

impl OverlapCoefficient {
    pub(crate) fn new() -> Self {
        Self {
            signature: Signature::user_defined(Volatility::Immutable),
        }
    }
}

impl ScalarUDFImpl for OverlapCoefficient {
    fn name(&self) -> &str {
        ARGUMENTS.function
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        Ok(coerce_lists(&ARGUMENTS, given).unwrap_or_else(|_| given.to_vec()))
    }

    fn return_type(&self, _given: &[DataType]) -> Result<DataType> {
        internal_err!("return_field_from_args is used instead")
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        coerce_lists(&ARGUMENTS, &field_types(&args))?;
        ARGUMENTS.return_field(&args, DataType::Float64)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let read = |_, lists: &_| Bags::from_lists(lists);
        evaluate_with(&ARGUMENTS, &args, read, |_, [a, b]| a.min(b) as f64)
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}
