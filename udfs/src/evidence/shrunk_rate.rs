//! `shrunk_rate(successes, trials, prior_rate, prior_strength)`: a rate that thin data cannot carry away.

use arrow::datatypes::{DataType, FieldRef};
use datafusion_common::{Result, internal_err};
use datafusion_expr::{
    ColumnarValue, Documentation, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature,
    Volatility,
};
use datafusion_macros::user_doc;

use super::interval::check_successes;
use crate::common::arguments::{Argument, Arguments, Kind, Range};
use crate::common::numbers::{evaluate, finite_result, return_field};

static ARGUMENTS: Arguments = Arguments {
    function: "shrunk_rate",
    counts: &[4],
    list: &[
        Argument::new("successes", Kind::Number(Range::NonNegative)),
        Argument::new("trials", Kind::Number(Range::NonNegative)),
        Argument::new("prior_rate", Kind::Number(Range::Probability)),
        Argument::new("prior_strength", Kind::Number(Range::NonNegative)),
    ],
};

#[user_doc(
    doc_section(label = "Evidence"),
    description = "Rate shrunk towards a prior: (successes + prior_rate · prior_strength) / (trials + \
prior_strength), the mean of the beta-binomial posterior. Without trials it is the prior; many trials outweigh it. \
`beta_fit` finds rate and strength in a group of rates. NULL when an argument is NULL: of an unknown prior nothing \
follows.",
    syntax_example = "shrunk_rate(successes, trials, prior_rate, prior_strength)",
    sql_example = r"```sql
SELECT shrunk_rate(2, 2, 0.1, 18) AS two_of_two, shrunk_rate(30, 82, 0.1, 18) AS many, shrunk_rate(0, 0, 0.1, 18) AS nothing;
+------------+-------+---------+
| two_of_two | many  | nothing |
+------------+-------+---------+
| 0.19       | 0.318 | 0.1     |
+------------+-------+---------+
```",
    argument(name = "successes", description = "A number from 0 to `trials`."),
    argument(name = "trials", description = "Zero or a positive number."),
    argument(
        name = "prior_rate",
        description = "The rate without any trials, between 0 and 1."
    ),
    argument(
        name = "prior_strength",
        description = "How many trials the prior is worth, zero or a positive number."
    )
)]
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct ShrunkRate {
    signature: Signature,
}

impl ShrunkRate {
    pub(crate) fn new() -> Self {
        Self {
            signature: Signature::user_defined(Volatility::Immutable),
        }
    }
}

impl ScalarUDFImpl for ShrunkRate {
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
        return_field(&ARGUMENTS, [0.0; 4], &args, rate)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        evaluate(&ARGUMENTS, [0.0; 4], &args, rate)
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}

fn rate([successes, trials, prior_rate, prior_strength]: [f64; 4]) -> Result<Option<f64>> {
    check_successes(&ARGUMENTS, successes, trials)?;
    if trials == 0.0 {
        return Ok(Some(prior_rate));
    }
    let total = finite_result(&ARGUMENTS, trials + prior_strength)?;
    // A mean of two rates; weighed like this, neither rounding nor an overflow takes it out of 0 to 1.
    let weight = trials / total;
    let rate = successes / trials * weight + prior_rate * (prior_strength / total);
    Ok(Some(rate.clamp(0.0, 1.0)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Efron and Morris, *Data analysis using Stein's estimator* (JASA 1975): hits of 18 batters in their first
    /// 45 times at bat, and their averages, with three digits, in the rest of the season.
    const BATTERS: [(f64, f64); 18] = [
        (18.0, 0.346),
        (17.0, 0.298),
        (16.0, 0.276),
        (15.0, 0.222),
        (14.0, 0.273),
        (14.0, 0.270),
        (13.0, 0.263),
        (12.0, 0.210),
        (11.0, 0.269),
        (11.0, 0.230),
        (10.0, 0.264),
        (10.0, 0.256),
        (10.0, 0.303),
        (10.0, 0.264),
        (10.0, 0.226),
        (9.0, 0.285),
        (8.0, 0.316),
        (7.0, 0.200),
    ];

    #[test]
    fn stein_beats_the_averages_of_the_batters() {
        let hits: f64 = BATTERS.iter().map(|batter| batter.0).sum();
        let prior = hits / (18.0 * 45.0);
        // Their c = 0.2117 as a strength: 45 / (45 + strength) = c.
        let strength = 45.0 / 0.2117 - 45.0;
        let error = |estimate: &dyn Fn(f64) -> f64| -> f64 {
            let errors = BATTERS
                .iter()
                .map(|&(hits, rest)| (estimate(hits) - rest).powi(2));
            errors.sum()
        };
        let plain = error(&|hits| hits / 45.0);
        let shrunk = error(&|hits| rate([hits, 45.0, prior, strength]).unwrap().unwrap());
        assert!((plain - 0.0755).abs() < 2.5e-4, "{plain}");
        assert!((shrunk - 0.0214).abs() < 2.5e-4, "{shrunk}");
    }

    #[test]
    fn the_prior_stands_in_for_missing_trials() {
        assert_eq!(rate([0.0, 0.0, 0.3, 0.0]).unwrap(), Some(0.3));
        assert_eq!(rate([1.0, 4.0, 0.9, 0.0]).unwrap(), Some(0.25));
        assert!(rate([1.0, f64::MAX, 0.9, f64::MAX]).is_err());
        assert_eq!(
            rate([2.0, 1.0, 0.5, 1.0]).unwrap_err().strip_backtrace(),
            "Execution error: shrunk_rate: argument 'successes' must be at most trials (1), got 2"
        );
    }

    proptest! {
        #[test]
        fn is_the_posterior_mean_and_tends_to_the_prior(
            raw in 0.0..=1.0_f64, trials in 1e-9..1e6_f64, prior in 0.0..=1.0_f64, strength in 0.0..1e6_f64,
        ) {
            let successes = (raw * trials).min(trials);
            let got = rate([successes, trials, prior, strength]).unwrap().unwrap();
            let expected = (successes + prior * strength) / (trials + strength);
            prop_assert!((got - expected).abs() < 1e-12, "{got} {expected}");
            let thin = rate([successes * 1e-12, trials * 1e-12, prior, strength + 1.0]).unwrap().unwrap();
            prop_assert!((thin - prior).abs() < 1e-5);
        }
    }
}
