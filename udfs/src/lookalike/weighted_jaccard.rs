//! `weighted_jaccard(a, b)`: the share of weight that two maps have in common.

use arrow::datatypes::{DataType, FieldRef};
use datafusion_common::{Result, internal_err};
use datafusion_expr::{
    ColumnarValue, Documentation, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature,
    Volatility,
};
use datafusion_macros::user_doc;

use crate::common::arguments::{Argument, Arguments, Kind};
use crate::common::bags::{Bags, coerce_maps, evaluate, field_types};

static ARGUMENTS: Arguments = Arguments {
    function: "weighted_jaccard",
    counts: &[2],
    list: &[Argument::new("a", Kind::Map), Argument::new("b", Kind::Map)],
};

#[user_doc(
    doc_section(label = "Look-alikes"),
    description = "Similarity of two maps of weights, Σ min / Σ max over all keys (Ružička 1958), from 0 to 1; a \
missing key weighs 0. The weights of a repeated key are summed, a NULL weight is ignored, a weight that is \
negative, NaN or infinite is an error. NULL when a map is NULL or nothing has weight.",
    syntax_example = "weighted_jaccard(a, b)",
    sql_example = r"```sql
SELECT weighted_jaccard(MAP {'shoes': 3, 'bags': 1}, MAP {'shoes': 1, 'hats': 1}) AS alike;
+-------+
| alike |
+-------+
| 0.2   |
+-------+
```",
    argument(name = "a", description = "MAP from any key to a number."),
    argument(name = "b", description = "MAP whose keys compare with those of `a`.")
)]
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct WeightedJaccard {
    signature: Signature,
}

impl WeightedJaccard {
    pub(crate) fn new() -> Self {
        Self {
            signature: Signature::user_defined(Volatility::Immutable),
        }
    }
}

impl ScalarUDFImpl for WeightedJaccard {
    fn name(&self) -> &str {
        ARGUMENTS.function
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        Ok(coerce_maps(&ARGUMENTS, given).unwrap_or_else(|_| given.to_vec()))
    }

    fn return_type(&self, _given: &[DataType]) -> Result<DataType> {
        internal_err!("return_field_from_args is used instead")
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        coerce_maps(&ARGUMENTS, &field_types(&args))?;
        ARGUMENTS.return_field(&args, DataType::Float64)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        evaluate(&ARGUMENTS, &args, |position, maps| {
            Bags::from_maps(&ARGUMENTS, position, maps)
        })
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}
