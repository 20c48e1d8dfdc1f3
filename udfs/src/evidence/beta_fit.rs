//! `beta_fit(successes, trials)`: the prior that a group of rates comes from.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, StructArray};
use arrow::datatypes::{DataType, Field, FieldRef, Fields};
use datafusion_common::{Result, ScalarValue};
use datafusion_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion_expr::utils::AggregateOrderSensitivity;
use datafusion_expr::{
    Accumulator, AggregateUDFImpl, Documentation, GroupsAccumulator, Signature, Volatility,
};
use datafusion_macros::user_doc;

use super::interval::check_successes;
use crate::common::aggregate::{Grouped, Plain, of_nothing};
use crate::common::arguments::{Argument, Arguments, Kind, Range};
use crate::common::numbers::finite_result;
use crate::common::sliding::Sliding;
use crate::common::tally::{Recipe, Tallies, Total};

pub(crate) static ARGUMENTS: Arguments = Arguments {
    function: "beta_fit",
    counts: &[2],
    list: &[
        Argument::new("successes", Kind::Number(Range::NonNegative)),
        Argument::new("trials", Kind::Number(Range::NonNegative)),
    ],
};

/// Sums: successes, trials, trials², successes² / trials.
static RECIPE: Recipe<2, 4, 1> = Recipe {
    arguments: &ARGUMENTS,
    add,
    finish,
};

#[user_doc(
    doc_section(label = "Evidence"),
    description = "Empirical-Bayes prior of a group of rates, STRUCT<rate DOUBLE, strength DOUBLE>: the beta \
distribution with mean `rate` that is worth `strength` trials (α = rate · strength, β = strength − α), for \
`shrunk_rate`. `rate` is all successes by all trials; `strength` comes from how much the rates differ beyond \
chance, by moments (Kleinman, JASA 1973, weighted by trials). It is NULL when they differ no more than chance \
explains, or when there are fewer than two rates or no second trial to tell: then nothing speaks against one common \
rate, and `coalesce(strength, 1e9)` says so. Rows with a NULL or without trials do not count; without rows both are \
NULL.",
    syntax_example = "beta_fit(successes, trials)",
    sql_example = r"```sql
SELECT round(prior.rate, 3) AS rate, round(prior.strength, 1) AS strength
FROM (
    SELECT beta_fit(clicks, sent) AS prior
    FROM (VALUES (30, 100), (45, 100), (20, 100), (5, 10)) AS t(clicks, sent)
);
+-------+----------+
| rate  | strength |
+-------+----------+
| 0.323 | 15.2     |
+-------+----------+
```",
    argument(
        name = "successes",
        description = "A number from 0 to `trials`, which may be decayed."
    ),
    argument(name = "trials", description = "Zero or a positive number.")
)]
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct BetaFit {
    signature: Signature,
}

impl BetaFit {
    pub(crate) fn new() -> Self {
        Self {
            signature: Signature::user_defined(Volatility::Immutable),
        }
    }
}

impl AggregateUDFImpl for BetaFit {
    fn name(&self) -> &str {
        ARGUMENTS.function
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        Ok(ARGUMENTS.coerce(given))
    }

    fn return_type(&self, given: &[DataType]) -> Result<DataType> {
        ARGUMENTS
            .check_types(given)
            .map(|_| DataType::Struct(result_fields()))
    }

    fn default_value(&self, _data_type: &DataType) -> Result<ScalarValue> {
        of_nothing(Tallies::new(&RECIPE))
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        Ok(RECIPE.state_fields(args.name))
    }

    fn accumulator(&self, _args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(Plain::new(Tallies::new(&RECIPE))))
    }

    fn create_sliding_accumulator(
        &self,
        _args: AccumulatorArgs<'_>,
    ) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(Sliding::new(Tallies::new(&RECIPE))))
    }

    fn groups_accumulator_supported(&self, _args: AccumulatorArgs<'_>) -> bool {
        true
    }

    fn create_groups_accumulator(
        &self,
        _args: AccumulatorArgs<'_>,
    ) -> Result<Box<dyn GroupsAccumulator>> {
        Ok(Box::new(Grouped(Tallies::new(&RECIPE))))
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}

fn result_fields() -> Fields {
    Fields::from(vec![
        Field::new("rate", DataType::Float64, true),
        Field::new("strength", DataType::Float64, true),
    ])
}

fn add(total: &mut Total<4, 1>, row: [Option<f64>; 2]) -> Result<()> {
    let [Some(successes), Some(trials)] = row else {
        return Ok(());
    };
    check_successes(&ARGUMENTS, successes, trials)?;
    if trials > 0.0 {
        let terms = [
            successes,
            trials,
            trials * trials,
            successes * (successes / trials),
        ];
        for (sum, term) in total.sums.iter_mut().zip(terms) {
            sum.add(term);
        }
        total.counts[0] += 1;
    }
    Ok(())
}

fn finish(totals: &[Total<4, 1>]) -> Result<ArrayRef> {
    let priors = totals.iter().map(|total| {
        for position in 0..4 {
            finite_result(&ARGUMENTS, total.sum(position))?;
        }
        Ok(prior(total))
    });
    let (rates, strengths): (Vec<_>, Vec<_>) =
        priors.collect::<Result<Vec<_>>>()?.into_iter().unzip();
    Ok(Arc::new(StructArray::try_new_with_length(
        result_fields(),
        vec![
            Arc::new(Float64Array::from(rates)),
            Arc::new(Float64Array::from(strengths)),
        ],
        None,
        totals.len(),
    )?))
}

/// Rate and strength. With ρ = 1 / (strength + 1), the squared distances of the rates from their mean, each
/// weighted by its trials, are expected to add up to p(1 − p) · [(k − 1)(1 − ρ) + ρ (N − Σn² / N)].
fn prior(total: &Total<4, 1>) -> (Option<f64>, Option<f64>) {
    let [successes, trials, squared_trials, squares] = [0, 1, 2, 3].map(|sum| total.sum(sum));
    if trials <= 0.0 {
        return (None, None);
    }
    let rate = (successes / trials).min(1.0);
    let chance = rate * (1.0 - rate);
    let freedom = (total.counts[0] - 1) as f64;
    let distances = squares - successes * rate;
    let excess = distances - chance * freedom;
    let room = trials - squared_trials / trials - freedom;
    // Less than rounding errors is nothing.
    let noise = 1e-12 * trials;
    if excess <= noise * chance || room <= noise {
        return (Some(rate), None);
    }
    let rho = excess / (chance * room);
    // All or nothing in each row: no prior has that much spread.
    (Some(rate), Some(((1.0 - rho) / rho).max(0.0)))
}

#[cfg(test)]
mod tests {
    use arrow::array::{Array, AsArray};
    use arrow::datatypes::Float64Type;
    use datafusion_common::ScalarValue;
    use proptest::prelude::*;

    use super::*;
    use crate::common::testing::{check_group_state, plain_result};

    type Row = (Option<f64>, Option<f64>);

    fn columns(rows: &[Row]) -> Vec<ArrayRef> {
        vec![
            Arc::new(rows.iter().map(|row| row.0).collect::<Float64Array>()),
            Arc::new(rows.iter().map(|row| row.1).collect::<Float64Array>()),
        ]
    }

    fn fit(rows: &[(f64, f64)]) -> (Option<f64>, Option<f64>) {
        let rows: Vec<_> = rows.iter().map(|&(s, n)| (Some(s), Some(n))).collect();
        let ScalarValue::Struct(result) = plain_result(&Tallies::new(&RECIPE), &columns(&rows))
        else {
            panic!("no STRUCT");
        };
        let part = |position: usize| {
            let column = result.column(position).as_primitive::<Float64Type>();
            column.is_valid(0).then(|| column.value(0))
        };
        (part(0), part(1))
    }

    #[test]
    fn finds_the_prior_of_a_beta_binomial_population() {
        // 20 trials a row; rows in proportion to the beta-binomial with α = 2, β = 6, by its recurrence
        // P(x + 1) / P(x) = (n − x)(x + α) / ((x + 1)(n − x − 1 + β)).
        let mut weight = 1.0;
        let weights: Vec<f64> = (0..=20)
            .map(|x| {
                let (x, now) = (f64::from(x), weight);
                weight *= (20.0 - x) * (x + 2.0) / ((x + 1.0) * (25.0 - x));
                now
            })
            .collect();
        let all: f64 = weights.iter().sum();
        let rows: Vec<(f64, f64)> = weights
            .iter()
            .enumerate()
            .flat_map(|(x, weight)| vec![(x as f64, 20.0); (weight / all * 1e5).round() as usize])
            .collect();
        let (rate, strength) = fit(&rows);
        assert!((rate.unwrap() - 0.25).abs() < 1e-4, "{rate:?}");
        assert!((strength.unwrap() - 8.0).abs() < 0.02, "{strength:?}");
    }

    #[test]
    fn fits_the_batters_of_efron_and_morris() {
        let hits = [
            18, 17, 16, 15, 14, 14, 13, 12, 11, 11, 10, 10, 10, 10, 10, 9, 8, 7,
        ];
        let (rate, strength) = fit(&hits.map(|hits| (f64::from(hits), 45.0)));
        // By hand: ρ = (Σ 45 (p − p̄)² / p̄q̄ − 17) / (810 − 45 − 17).
        assert!((rate.unwrap() - 0.265_432_098_765_432_1).abs() < 1e-15);
        assert!(
            (strength.unwrap() - 367.988_335_100_741_7).abs() < 1e-6,
            "{strength:?}"
        );
    }

    #[test]
    fn what_chance_explains_has_no_strength() {
        assert_eq!(fit(&[]), (None, None));
        assert_eq!(fit(&[(0.0, 0.0)]), (None, None));
        assert_eq!(fit(&[(3.0, 10.0)]), (Some(0.3), None), "one rate");
        assert_eq!(
            fit(&[(3.0, 10.0), (6.0, 20.0)]),
            (Some(0.3), None),
            "equal rates"
        );
        assert_eq!(
            fit(&[(1.0, 1.0), (0.0, 1.0)]),
            (Some(0.5), None),
            "single trials"
        );
        assert_eq!(fit(&[(0.0, 9.0), (0.0, 5.0)]), (Some(0.0), None));
        assert_eq!(fit(&[(9.0, 9.0), (5.0, 5.0)]), (Some(1.0), None));
        assert_eq!(
            fit(&[(9.0, 9.0), (0.0, 9.0)]),
            (Some(0.5), Some(0.0)),
            "all or nothing"
        );
    }

    proptest! {
        #[test]
        fn every_way_to_aggregate_gives_the_same(
            rows in proptest::collection::vec(
                (proptest::option::weighted(0.9, 0.0..=1.0_f64), proptest::option::weighted(0.9, 0_u8..50)),
                0..60,
            ),
            seed: u64,
        ) {
            let rows: Vec<Row> = rows
                .into_iter()
                .map(|(share, trials)| {
                    let trials = trials.map(f64::from);
                    (share.map(|share| (share * trials.unwrap_or(0.0)).floor()), trials)
                })
                .collect();
            check_group_state(&Tallies::new(&RECIPE), &columns(&rows), seed)?;
        }
    }
}
