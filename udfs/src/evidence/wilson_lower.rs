//! `wilson_lower(successes, trials [, confidence])`: the rate that one may count on.

use arrow::datatypes::{DataType, FieldRef};
use datafusion_common::{Result, internal_err};
use datafusion_expr::{
    ColumnarValue, Documentation, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature,
    Volatility,
};
use datafusion_macros::user_doc;

use super::interval::{BOUND_ARGUMENTS, BOUND_DEFAULTS, bounds};
use crate::common::arguments::Arguments;
use crate::common::numbers::{evaluate, return_field};

static ARGUMENTS: Arguments = Arguments {
    function: "wilson_lower",
    counts: &[2, 3],
    list: BOUND_ARGUMENTS,
};

#[user_doc(
    doc_section(label = "Evidence"),
    description = "Lower bound of a rate by Wilson's score interval (JASA 1927): ranks 200 of 300 above 2 of 2. \
Without trials NULL. Counts may be decayed, so they need not be whole.",
    syntax_example = "wilson_lower(successes, trials [, confidence])",
    sql_example = r"```sql
SELECT round(wilson_lower(2, 2), 3) AS two_of_two, round(wilson_lower(200, 300), 3) AS many;
+------------+-------+
| two_of_two | many  |
+------------+-------+
| 0.342      | 0.612 |
+------------+-------+
```",
    argument(name = "successes", description = "A number from 0 to `trials`."),
    argument(name = "trials", description = "Zero or a positive number."),
    argument(
        name = "confidence",
        description = "Of the two-sided interval, between 0 and 1, both excluded; 0.95 by default."
    )
)]
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct WilsonLower {
    signature: Signature,
}

impl WilsonLower {
    pub(crate) fn new() -> Self {
        Self {
            signature: Signature::user_defined(Volatility::Immutable),
        }
    }
}

impl ScalarUDFImpl for WilsonLower {
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
        return_field(&ARGUMENTS, BOUND_DEFAULTS, &args, lower_bound())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        evaluate(&ARGUMENTS, BOUND_DEFAULTS, &args, lower_bound())
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}

fn lower_bound() -> impl FnMut([f64; 3]) -> Result<Option<f64>> {
    let mut bounds = bounds(&ARGUMENTS);
    move |row| Ok(bounds(row)?.map(|(low, _)| low))
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "these results are exact")]
mod tests {
    use super::*;

    #[test]
    fn the_remembered_quantile_is_that_of_the_row() {
        let mut kernel = lower_bound();
        let mut call = |confidence| kernel([3.0, 4.0, confidence]).unwrap().unwrap();
        let first = call(0.95);
        let narrow = call(0.5);
        assert!(narrow > first);
        assert_eq!(call(0.95), first);
        assert_eq!(
            call(0.95),
            lower_bound()([3.0, 4.0, 0.95]).unwrap().unwrap()
        );
    }

    #[test]
    fn no_trials_no_rate_and_no_more_successes_than_trials() {
        assert_eq!(lower_bound()([0.0, 0.0, 0.95]).unwrap(), None);
        assert_eq!(
            lower_bound()([3.0, 2.5, 0.95])
                .unwrap_err()
                .strip_backtrace(),
            "Execution error: wilson_lower: argument 'successes' must be at most trials (2.5), got 3"
        );
    }
}
