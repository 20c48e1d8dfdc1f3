//! `jaccard(a, b)`: the share of elements that two lists have in common.

use arrow::datatypes::{DataType, FieldRef};
use datafusion_common::{Result, internal_err};
use datafusion_expr::{
    ColumnarValue, Documentation, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature,
    Volatility,
};
use datafusion_macros::user_doc;

use crate::common::arguments::{Argument, Arguments, Kind};
use crate::common::bags::{Bags, coerce_lists, evaluate, field_types};

static ARGUMENTS: Arguments = Arguments {
    function: "jaccard",
    counts: &[2],
    list: &[
        Argument::new("a", Kind::List),
        Argument::new("b", Kind::List),
    ],
};

#[user_doc(
    doc_section(label = "Look-alikes"),
    description = "Similarity of two lists as sets, |a ∩ b| / |a ∪ b| (Jaccard 1901), from 0 to 1. Duplicates \
count once, NULL elements not at all. NULL when a list is NULL or both are empty: nothing is known of either.",
    syntax_example = "jaccard(a, b)",
    sql_example = r"```sql
SELECT jaccard(['shoes', 'bags', 'hats'], ['bags', 'shoes']) AS alike;
+--------------------+
| alike              |
+--------------------+
| 0.6666666666666666 |
+--------------------+
```",
    argument(name = "a", description = "LIST of any element type."),
    argument(
        name = "b",
        description = "LIST whose elements compare with those of `a`."
    )
)]
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct Jaccard {
    signature: Signature,
}

impl Jaccard {
    pub(crate) fn new() -> Self {
        Self {
            signature: Signature::user_defined(Volatility::Immutable),
        }
    }
}

impl ScalarUDFImpl for Jaccard {
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
        evaluate(&ARGUMENTS, &args, |_, lists| Bags::from_lists(lists))
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}
