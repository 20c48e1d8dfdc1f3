//! `affinity_share(score, total, prior_share, strength)`: a share that thin evidence cannot inflate.

use arrow::datatypes::{DataType, FieldRef};
use datafusion_common::{Result, internal_err};
use datafusion_expr::{
    ColumnarValue, Documentation, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature,
    Volatility,
};
use datafusion_macros::user_doc;

use crate::common::arguments::{Argument, Arguments, Kind, Range};
use crate::common::numbers::{evaluate, finite_result, return_field};

static ARGUMENTS: Arguments = Arguments {
    function: "affinity_share",
    counts: &[4],
    list: &[
        Argument::new("score", Kind::Number(Range::Finite)),
        Argument::new("total", Kind::Number(Range::Finite)),
        Argument::new("prior_share", Kind::Number(Range::Probability)),
        Argument::new("strength", Kind::Number(Range::NonNegative)),
    ],
};

#[user_doc(
    doc_section(label = "Affinity"),
    description = "Share of a visitor's interest, shrunk to the share of the population: (score + strength · \
prior_share) / (total + strength), the mean of a Dirichlet posterior. Without clicks it is the prior, with many \
it is the visitor's own share. NULL when an argument is NULL or total + strength is 0.",
    syntax_example = "affinity_share(score, total, prior_share, strength)",
    sql_example = r"```sql
SELECT affinity_share(2, 2, 0.25, 8) AS two_clicks, affinity_share(200, 200, 0.25, 8) AS many_clicks;
+------------+--------------------+
| two_clicks | many_clicks        |
+------------+--------------------+
| 0.4        | 0.9711538461538461 |
+------------+--------------------+
```",
    argument(name = "score", description = "The visitor's score in the category."),
    argument(name = "total", description = "The visitor's score in all categories."),
    argument(
        name = "prior_share",
        description = "The share of the category in the population, between 0 and 1."
    ),
    argument(
        name = "strength",
        description = "How much score the prior is worth, zero or positive."
    )
)]
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct AffinityShare {
    signature: Signature,
}

impl AffinityShare {
    pub(crate) fn new() -> Self {
        Self {
            signature: Signature::user_defined(Volatility::Immutable),
        }
    }
}

impl ScalarUDFImpl for AffinityShare {
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
        return_field(&ARGUMENTS, [0.0; 4], &args, share)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        evaluate(&ARGUMENTS, [0.0; 4], &args, share)
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}

fn share([score, total, prior, strength]: [f64; 4]) -> Result<Option<f64>> {
    let all = total + strength;
    if all == 0.0 {
        return Ok(None);
    }
    finite_result(&ARGUMENTS, (score + strength * prior) / all).map(Some)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn no_evidence_and_no_prior_is_null() {
        assert_eq!(share([0.0, 0.0, 0.5, 0.0]).unwrap(), None);
    }

    #[test]
    fn a_result_that_overflows_is_an_error() {
        assert!(share([f64::MAX, f64::MIN_POSITIVE, 0.5, 0.0]).is_err());
    }

    proptest! {
        #[test]
        fn the_share_lies_between_the_prior_and_the_data(
            own in 0.0..=1.0_f64, total in 1e-6..1e6_f64, prior in 0.0..=1.0_f64, strength in 0.0..1e6_f64,
        ) {
            let got = share([own * total, total, prior, strength]).unwrap().unwrap();
            prop_assert!(got >= own.min(prior) - 1e-9 && got <= own.max(prior) + 1e-9);
        }

        #[test]
        fn the_share_tends_to_the_prior_as_the_data_vanish(own in 0.0..=1.0_f64, prior in 0.0..=1.0_f64) {
            let got = share([own * 1e-9, 1e-9, prior, 1.0]).unwrap().unwrap();
            prop_assert!((got - prior).abs() < 1e-8);
        }
    }
}
