//! `wilson_upper(successes, trials [, confidence])`: the rate that it can hardly exceed.

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
    function: "wilson_upper",
    counts: &[2, 3],
    list: BOUND_ARGUMENTS,
};

#[user_doc(
    doc_section(label = "Evidence"),
    description = "Upper bound of a rate by Wilson's score interval (JASA 1927): after 10 trials without a success \
the rate may still be 28 %. Without trials NULL. Counts may be decayed, so they need not be whole.",
    syntax_example = "wilson_upper(successes, trials [, confidence])",
    sql_example = r"```sql
SELECT round(wilson_upper(0, 10), 3) AS none_of_ten, round(wilson_upper(200, 300), 3) AS many;
+-------------+-------+
| none_of_ten | many  |
+-------------+-------+
| 0.278       | 0.718 |
+-------------+-------+
```",
    argument(name = "successes", description = "A number from 0 to `trials`."),
    argument(name = "trials", description = "Zero or a positive number."),
    argument(
        name = "confidence",
        description = "Of the two-sided interval, between 0 and 1, both excluded; 0.95 by default."
    )
)]
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct WilsonUpper {
    signature: Signature,
}

impl WilsonUpper {
    pub(crate) fn new() -> Self {
        Self {
            signature: Signature::user_defined(Volatility::Immutable),
        }
    }
}

impl ScalarUDFImpl for WilsonUpper {
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
        return_field(&ARGUMENTS, BOUND_DEFAULTS, &args, upper_bound())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        evaluate(&ARGUMENTS, BOUND_DEFAULTS, &args, upper_bound())
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}

fn upper_bound() -> impl FnMut([f64; 3]) -> Result<Option<f64>> {
    let mut bounds = bounds(&ARGUMENTS);
    move |row| Ok(bounds(row)?.map(|(_, high)| high))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::evidence::interval::{upper_quantile, wilson_interval};

    #[test]
    fn no_trials_no_rate_and_no_more_successes_than_trials() {
        assert_eq!(upper_bound()([0.0, 0.0, 0.95]).unwrap(), None);
        assert_eq!(
            upper_bound()([3.0, 2.5, 0.95])
                .unwrap_err()
                .strip_backtrace(),
            "Execution error: wilson_upper: argument 'successes' must be at most trials (2.5), got 3"
        );
    }

    proptest! {
        // Failures are successes of the opposite: the bounds mirror each other.
        #[test]
        fn mirrors_the_lower_bound(successes in 0_u32..1000, failures in 0_u32..1000, tail in 0.001..0.4_f64) {
            let trials = f64::from(successes + failures);
            prop_assume!(trials > 0.0);
            let upper = upper_bound()([f64::from(successes), trials, 1.0 - 2.0 * tail]).unwrap().unwrap();
            let (low, _) = wilson_interval(f64::from(failures), trials, upper_quantile(tail));
            prop_assert!((upper - (1.0 - low)).abs() < 1e-12);
        }
    }
}
