//! `lift_at(score, label, share)`: how much better than chance the best rows are.

use arrow::datatypes::{DataType, FieldRef};
use datafusion_common::Result;
use datafusion_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion_expr::utils::AggregateOrderSensitivity;
use datafusion_expr::{
    Accumulator, AggregateUDFImpl, Documentation, GroupsAccumulator, Signature, Volatility,
};
use datafusion_macros::user_doc;

use super::ranking::{Kernel, Measure, Ranking, Scored, expected_hits, hits_of_both};
use crate::common::aggregate::{Grouped, Plain};
use crate::common::arguments::{Argument, Arguments, Kind, Range};
use crate::common::sliding::Sliding;

pub(crate) static ARGUMENTS: Arguments = Arguments {
    function: "lift_at",
    counts: &[3],
    list: &[
        Argument::new("score", Kind::Number(Range::Finite)),
        Argument::new("label", Kind::Label),
        Argument::new("share", Kind::Number(Range::Share)),
    ],
};

static MEASURE: Measure = Measure {
    arguments: &ARGUMENTS,
    kernel: Kernel::Number(lift),
};

#[user_doc(
    doc_section(label = "Evaluation"),
    description = "Lift of the best `share` of the rows: their rate of hits divided by the rate of all rows. A \
cut that falls inside a tie, or inside a row, counts the expected number of hits, so that the order of tied rows \
does not decide. Rows with a NULL do not count; hits only or misses only give NULL. Needs memory for all rows.",
    syntax_example = "lift_at(score, label, share)",
    sql_example = r"```sql
SELECT lift_at(score, bought, 0.5) AS lift
FROM (VALUES (0.9, true), (0.8, false), (0.7, false), (0.1, false)) AS t(score, bought);
+------+
| lift |
+------+
| 2.0  |
+------+
```",
    argument(
        name = "score",
        description = "Any number, higher is better. NaN or infinity is an error."
    ),
    argument(
        name = "label",
        description = "BOOLEAN, or an integer 0 or 1: what really happened."
    ),
    argument(
        name = "share",
        description = "Above 0 and at most 1, the same for all rows of a group: 0.1 is the best tenth."
    )
)]
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct LiftAt {
    signature: Signature,
}

impl LiftAt {
    pub(crate) fn new() -> Self {
        Self {
            signature: Signature::user_defined(Volatility::Immutable),
        }
    }
}

impl AggregateUDFImpl for LiftAt {
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
        Ok(MEASURE.state_fields(args.name))
    }

    fn accumulator(&self, _args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(Plain::new(Ranking::new(&MEASURE))))
    }

    fn create_sliding_accumulator(
        &self,
        _args: AccumulatorArgs<'_>,
    ) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(Sliding::new(Ranking::new(&MEASURE))))
    }

    fn groups_accumulator_supported(&self, _args: AccumulatorArgs<'_>) -> bool {
        true
    }

    fn create_groups_accumulator(
        &self,
        _args: AccumulatorArgs<'_>,
    ) -> Result<Box<dyn GroupsAccumulator>> {
        Ok(Box::new(Grouped(Ranking::new(&MEASURE))))
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}

/// `rows` are sorted by score, ascending.
fn lift(rows: &[Scored], share: f64) -> Option<f64> {
    let hits = hits_of_both(rows)? as f64;
    let cut = share * rows.len() as f64;
    Some(expected_hits(rows, cut) / cut / (hits / rows.len() as f64))
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "these results are exact")]
mod tests {
    use proptest::prelude::*;

    use super::super::ranking::testing::{columns, counted, rows};
    use super::*;
    use crate::common::testing::{check_group_state, float, plain_result};

    #[test]
    fn a_cut_inside_a_tie_counts_what_is_expected() {
        let rows = [(0.1, false), (0.5, true), (0.5, false), (0.9, false)];
        assert_eq!(lift(&rows, 0.25), Some(0.0));
        assert_eq!(
            lift(&rows, 0.5),
            Some(1.0),
            "half a hit in two rows, as in all rows"
        );
        assert_eq!(lift(&rows, 0.125), Some(0.0));
        assert_eq!(lift(&rows, 1.0), Some(1.0));
        assert_eq!(lift(&rows[1..2], 0.5), None);
    }

    #[test]
    fn the_share_is_checked_and_constant() {
        use std::sync::Arc;

        use arrow::array::{ArrayRef, BooleanArray, Float64Array};
        use datafusion_expr::Accumulator;

        let error = |shares: Vec<f64>| {
            let rows = shares.len();
            let args: [ArrayRef; 3] = [
                Arc::new(Float64Array::from_value(1.0, rows)),
                Arc::new(BooleanArray::from(vec![true; rows])),
                Arc::new(Float64Array::from(shares)),
            ];
            Plain::new(Ranking::new(&MEASURE))
                .update_batch(&args)
                .unwrap_err()
                .strip_backtrace()
        };
        assert_eq!(
            error(vec![0.0]),
            "Execution error: lift_at: argument 'share' must be above 0 and at most 1, got 0"
        );
        assert_eq!(
            error(vec![0.1, 0.2]),
            "Execution error: lift_at: argument 'share' must be the same for all rows of a group, got 0.1 and 0.2"
        );
    }

    proptest! {
        #[test]
        fn every_way_to_aggregate_gives_the_same(rows in rows(), share in 0.01..=1.0_f64, seed: u64) {
            check_group_state(&Ranking::new(&MEASURE), &columns(&rows, Some(share)), seed)?;
        }

        #[test]
        fn equals_the_mean_over_row_orders(rows in rows(), share in 0.01..=1.0_f64) {
            // By hand: each row of a tie carries the hit rate of its tie; then the best k rows are added up.
            let mut counted = counted(&rows);
            counted.sort_by(|a, b| b.0.total_cmp(&a.0));
            let hits = counted.iter().filter(|row| row.1).count() as f64;
            let n = counted.len() as f64;
            let cut = share * n;
            let expected_hits: f64 = counted.iter().enumerate().map(|(place, row)| {
                let tie: Vec<_> = counted.iter().filter(|other| other.0 == row.0).collect();
                let rate = tie.iter().filter(|other| other.1).count() as f64 / tie.len() as f64;
                rate * (cut - place as f64).clamp(0.0, 1.0)
            }).sum();
            let got = float(&plain_result(&Ranking::new(&MEASURE), &columns(&rows, Some(share))));
            if hits == 0.0 || hits == n {
                prop_assert_eq!(got, None);
            } else {
                let expected = expected_hits / cut / (hits / n);
                prop_assert!((got.unwrap() - expected).abs() <= 1e-9 * expected.max(1.0), "{got:?} {expected}");
            }
        }
    }
}
