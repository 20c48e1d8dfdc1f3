//! `calibration_error(probability, label)`: whether of those with 20 % one in five happens.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array};
use arrow::datatypes::{DataType, FieldRef};
use datafusion_common::Result;
use datafusion_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion_expr::utils::AggregateOrderSensitivity;
use datafusion_expr::{
    Accumulator, AggregateUDFImpl, Documentation, GroupsAccumulator, Signature, Volatility,
};
use datafusion_macros::user_doc;

use crate::common::aggregate::{Grouped, Plain};
use crate::common::arguments::{Argument, Arguments, Kind, Range};
use crate::common::sliding::Sliding;
use crate::common::tally::{Recipe, Tallies, Total};

pub(crate) static ARGUMENTS: Arguments = Arguments {
    function: "calibration_error",
    counts: &[2],
    list: &[
        Argument::new("probability", Kind::Number(Range::Probability)),
        Argument::new("label", Kind::Label),
    ],
};

const BINS: usize = 10;

/// Sums: the probabilities of each bin. Counts: the rows, then the hits, of each bin.
static RECIPE: Recipe<2, BINS, { 2 * BINS }> = Recipe {
    arguments: &ARGUMENTS,
    add,
    finish,
};

#[user_doc(
    doc_section(label = "Evaluation"),
    description = "Expected calibration error of predicted probabilities, from 0 to 1: they are cut into ten bins \
of equal width, [0, 0.1), [0.1, 0.2) … [0.9, 1], and the distances between the mean probability and the share of \
hits of each bin are averaged, weighted by the rows (Naeini, Cooper and Hauskrecht, AAAI 2015). Rows with a NULL do \
not count; hits only or misses only give NULL.",
    syntax_example = "calibration_error(probability, label)",
    sql_example = r"```sql
SELECT round(calibration_error(p, bought), 4) AS error
FROM (VALUES (0.25, true), (0.25, false), (0.75, true), (0.75, true)) AS t(p, bought);
+-------+
| error |
+-------+
| 0.25  |
+-------+
```",
    argument(
        name = "probability",
        description = "What was predicted, between 0 and 1."
    ),
    argument(
        name = "label",
        description = "BOOLEAN, or an integer 0 or 1: what really happened."
    )
)]
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct CalibrationError {
    signature: Signature,
}

impl CalibrationError {
    pub(crate) fn new() -> Self {
        Self {
            signature: Signature::user_defined(Volatility::Immutable),
        }
    }
}

impl AggregateUDFImpl for CalibrationError {
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
fn add(total: &mut Total<BINS, { 2 * BINS }>, row: [Option<f64>; 2]) -> Result<()> {
    if let [Some(probability), Some(label)] = row {
        let bin = bin(probability);
        total.sums[bin].add(probability);
        total.counts[bin] += 1;
        total.counts[BINS + bin] += i64::from(label > 0.5);
    }
    Ok(())
}

/// The bin from `bin / BINS` to below `(bin + 1) / BINS`; the last one has its upper end, too.
fn bin(probability: f64) -> usize {
    let bins = BINS as f64;
    let bin = (probability * bins) as usize;
    // The product may have been rounded across a border.
    let below = bin > 0 && probability < bin as f64 / bins;
    let above = probability >= (bin + 1) as f64 / bins;
    (bin + usize::from(above) - usize::from(below)).min(BINS - 1)
}

#[expect(clippy::unnecessary_wraps, reason = "the shape of a recipe")]
fn finish(totals: &[Total<BINS, { 2 * BINS }>]) -> Result<ArrayRef> {
    let errors = totals.iter().map(|total| {
        let (rows, hits) = total.counts.split_at(BINS);
        let (all, all_hits) = (rows.iter().sum::<i64>(), hits.iter().sum::<i64>());
        (0 < all_hits && all_hits < all).then(|| {
            // A bin's weight times its distance: Σp − hits, without a division by its rows.
            let distances = hits.iter().enumerate();
            let distances = distances.map(|(bin, &hits)| (total.sum(bin) - hits as f64).abs());
            distances.sum::<f64>() / all as f64
        })
    });
    Ok(Arc::new(errors.collect::<Float64Array>()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::losses::testing::{columns, predictions};
    use super::*;
    use crate::common::testing::{check_group_state, float, plain_result};

    #[test]
    fn borders_belong_to_the_bin_above() {
        let bins = [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9].map(bin);
        assert_eq!(bins, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
        assert_eq!(
            [1.0, 0.3_f64.next_down(), 0.7_f64.next_down()].map(bin),
            [9, 2, 6]
        );
    }

    proptest! {
        #[test]
        fn every_way_to_aggregate_gives_the_same(rows in predictions(), seed: u64) {
            check_group_state(&Tallies::new(&RECIPE), &columns(&rows), seed)?;
        }

        #[test]
        fn equals_the_definition(rows in predictions()) {
            let known: Vec<(f64, bool)> = rows.iter().filter_map(|row| Some((row.0?, row.1?))).collect();
            let got = float(&plain_result(&Tallies::new(&RECIPE), &columns(&rows)));
            let hits = known.iter().filter(|row| row.1).count();
            if hits == 0 || hits == known.len() {
                prop_assert_eq!(got, None);
                return Ok(());
            }
            let expected: f64 = (0..10).map(|bin| {
                let (low, high) = (f64::from(bin) / 10.0, f64::from(bin + 1) / 10.0);
                let rows: Vec<_> = known.iter().filter(|row| low <= row.0 && (row.0 < high || bin == 9)).collect();
                let n = rows.len() as f64;
                if rows.is_empty() {
                    return 0.0;
                }
                let mean = rows.iter().map(|row| row.0).sum::<f64>() / n;
                let rate = rows.iter().filter(|row| row.1).count() as f64 / n;
                n / known.len() as f64 * (mean - rate).abs()
            }).sum();
            prop_assert!((got.unwrap() - expected).abs() < 1e-12, "{got:?} {expected}");
        }
    }
}
