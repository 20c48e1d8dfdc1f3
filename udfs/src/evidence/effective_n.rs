//! `effective_n(weight)`: how many rows of equal weight these weights are worth.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array};
use arrow::datatypes::{DataType, FieldRef};
use datafusion_common::{Result, ScalarValue};
use datafusion_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion_expr::utils::AggregateOrderSensitivity;
use datafusion_expr::{
    Accumulator, AggregateUDFImpl, Documentation, GroupsAccumulator, Signature, Volatility,
};
use datafusion_macros::user_doc;

use crate::common::aggregate::{Grouped, Plain};
use crate::common::arguments::{Argument, Arguments, Kind, Range};
use crate::common::numbers::finite_result;
use crate::common::sliding::Sliding;
use crate::common::sum::DoubleDouble;
use crate::common::tally::{Recipe, Tallies, Total};

pub(crate) static ARGUMENTS: Arguments = Arguments {
    function: "effective_n",
    counts: &[1],
    list: &[Argument::new("weight", Kind::Number(Range::Finite))],
};

static RECIPE: Recipe<1, 2, 1> = Recipe {
    arguments: &ARGUMENTS,
    add,
    finish,
};

/// Below this, Σw² has lost digits or is gone: the weights are no evidence of anything.
const LEAST_SQUARES: f64 = f64::MIN_POSITIVE / f64::EPSILON;

#[user_doc(
    doc_section(label = "Evidence"),
    description = "Kish's effective number of rows, (Σw)² / Σw² (*Survey Sampling*, 1965): ten equal weights are \
worth 10, one large weight among tiny ones little more than 1. NULL weights do not count. 0 without rows, and when \
the weights are 0 or have faded to nothing.",
    syntax_example = "effective_n(weight)",
    sql_example = r"```sql
SELECT effective_n(weight) AS effective_n FROM (VALUES (4), (2), (2)) AS t(weight);
+--------------------+
| effective_n        |
+--------------------+
| 2.6666666666666665 |
+--------------------+
```",
    argument(
        name = "weight",
        description = "Any number. NaN or infinity is an error."
    )
)]
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct EffectiveN {
    signature: Signature,
}

impl EffectiveN {
    pub(crate) fn new() -> Self {
        Self {
            signature: Signature::user_defined(Volatility::Immutable),
        }
    }
}

impl AggregateUDFImpl for EffectiveN {
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
        ARGUMENTS.check_types(given).map(|_| DataType::Float64)
    }

    fn is_nullable(&self) -> bool {
        false
    }

    fn default_value(&self, _data_type: &DataType) -> Result<ScalarValue> {
        Ok(ScalarValue::Float64(Some(0.0)))
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

#[expect(clippy::unnecessary_wraps, reason = "the shape of a recipe")]
fn add(total: &mut Total<2, 1>, [weight]: [Option<f64>; 1]) -> Result<()> {
    if let Some(weight) = weight {
        total.sums[0].add(weight);
        total.sums[1].add(weight * weight);
        total.counts[0] += 1;
    }
    Ok(())
}

fn finish(totals: &[Total<2, 1>]) -> Result<ArrayRef> {
    let numbers = totals.iter().map(|total| {
        let [sum, squares] = total.sums;
        finite_result(&ARGUMENTS, effective_number(sum, squares, total.counts[0]))
    });
    Ok(Arc::new(Float64Array::from(
        numbers.collect::<Result<Vec<_>>>()?,
    )))
}

/// Kish's effective sample size of so many weights with this sum and this sum of squares. At most the number of
/// weights (Cauchy–Schwarz), whatever rounding says.
pub(crate) fn effective_number(sum: DoubleDouble, squares: DoubleDouble, weights: i64) -> f64 {
    match (sum.value(), squares.value()) {
        (Some(sum), Some(squares)) if squares >= LEAST_SQUARES => {
            (sum * sum / squares).min(weights as f64)
        }
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::common::testing::{check_group_state, float, plain_result};

    fn column(weights: &[Option<f64>]) -> Vec<ArrayRef> {
        vec![Arc::new(Float64Array::from(weights.to_vec()))]
    }

    fn result(weights: &[Option<f64>]) -> f64 {
        float(&plain_result(&Tallies::new(&RECIPE), &column(weights))).unwrap()
    }

    #[test]
    #[expect(clippy::float_cmp, reason = "these results are exact")]
    fn equal_weights_count_fully_and_nothing_counts_nothing() {
        assert_eq!(result(&[Some(0.1); 7]), 7.0);
        assert_eq!(result(&[Some(3.0), None, Some(1.0)]), 1.6);
        for nothing in [&[][..], &[None], &[Some(0.0)], &[Some(1e-200)]] {
            assert_eq!(result(nothing), 0.0, "{nothing:?}");
        }
    }

    #[test]
    fn weights_must_be_finite() {
        let mut plain = Plain::new(Tallies::new(&RECIPE));
        let error = plain
            .update_batch(&column(&[Some(f64::INFINITY)]))
            .unwrap_err();
        assert_eq!(
            error.strip_backtrace(),
            "Execution error: effective_n: argument 'weight' must be a finite number, got inf"
        );
    }

    proptest! {
        #[test]
        fn every_way_to_aggregate_gives_the_same(
            weights in proptest::collection::vec(proptest::option::weighted(0.9, 0.0..100.0_f64), 0..60),
            seed: u64,
        ) {
            check_group_state(&Tallies::new(&RECIPE), &column(&weights), seed)?;
        }
    }
}
