//! `root_llr(k11, k12, k21, k22)`: the signed root of the log-likelihood ratio.

use arrow::datatypes::{DataType, FieldRef};
use datafusion_common::{Result, internal_err};
use datafusion_expr::{
    ColumnarValue, Documentation, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature,
    Volatility,
};
use datafusion_macros::user_doc;

use super::llr::{association, ratio};
use crate::common::arguments::{Argument, Arguments, Kind, Range};
use crate::common::numbers::{evaluate, return_field};

static ARGUMENTS: Arguments = Arguments {
    function: "root_llr",
    counts: &[4],
    list: &[
        Argument::new("k11", Kind::Number(Range::NonNegative)),
        Argument::new("k12", Kind::Number(Range::NonNegative)),
        Argument::new("k21", Kind::Number(Range::NonNegative)),
        Argument::new("k22", Kind::Number(Range::NonNegative)),
    ],
};

#[user_doc(
    doc_section(label = "Evidence"),
    description = "Signed root of `llr`: positive when two events happen together more often than by chance, \
negative when less often, 0 for an empty table. Read it like a z score: beyond ±2 it is hardly chance.",
    syntax_example = "root_llr(k11, k12, k21, k22)",
    sql_example = r"```sql
SELECT round(root_llr(10, 0, 0, 10), 3) AS always_together, round(root_llr(0, 10, 10, 0), 3) AS never_together;
+-----------------+----------------+
| always_together | never_together |
+-----------------+----------------+
| 5.266           | -5.266         |
+-----------------+----------------+
```",
    argument(name = "k11", description = "How often both happened."),
    argument(name = "k12", description = "How often only the first happened."),
    argument(name = "k21", description = "How often only the second happened."),
    argument(name = "k22", description = "How often neither happened.")
)]
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct RootLlr {
    signature: Signature,
}

impl RootLlr {
    pub(crate) fn new() -> Self {
        Self {
            signature: Signature::user_defined(Volatility::Immutable),
        }
    }
}

impl ScalarUDFImpl for RootLlr {
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
        return_field(&ARGUMENTS, [0.0; 4], &args, signed_root)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        evaluate(&ARGUMENTS, [0.0; 4], &args, signed_root)
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}

pub(crate) fn signed_root(table: [f64; 4]) -> Result<Option<f64>> {
    let root = ratio(&ARGUMENTS, table)?.sqrt();
    let above_chance = association(table) >= 0.0;
    Ok(Some(if above_chance { root } else { 0.0 - root }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sign_tells_attraction_from_avoidance() {
        let root = |table| signed_root(table).unwrap().unwrap();
        let apart = root([1.0, 20.0, 30.0, 5.0]);
        assert!(apart < -5.0);
        // The same table with its columns swapped.
        assert!((apart + root([20.0, 1.0, 5.0, 30.0])).abs() < 1e-12);
        assert!(root([10.0, 10.0, 10.0, 10.0]).abs() < 1e-12);
        assert!(root([0.0; 4]).abs() < 1e-12);
        // Mahout, testRootLogLikelihood.
        assert!(root([904.0, 21_060.0, 1_144.0, 283_012.0]) > 0.0);
        assert!(root([36.0, 21_928.0, 60_280.0, 623_876.0]) < 0.0);
        let published = root([1000.0, 1995.0, 1000.0, 100_000.0]);
        assert!((published * published - 4730.737).abs() < 1e-3);
    }
}
