//! `recall_at(score, label, k)`: how many of the hits are among the k best rows.

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
    function: "recall_at",
    counts: &[3],
    list: &[
        Argument::new("score", Kind::Number(Range::Finite)),
        Argument::new("label", Kind::Label),
        Argument::new("k", Kind::Number(Range::Whole)),
    ],
};

static MEASURE: Measure = Measure {
    arguments: &ARGUMENTS,
    kernel: Kernel::Number(recall),
};

#[user_doc(
    doc_section(label = "Evaluation"),
    description = "Share of all hits that are among the `k` best rows. A cut inside a tie counts the expected \
number of hits, so that the order of tied rows does not decide. Rows with a NULL do not count; hits only or misses \
only give NULL. Needs memory for all rows.",
    syntax_example = "recall_at(score, label, k)",
    sql_example = r"```sql
SELECT recall_at(score, bought, 3) AS recall
FROM (VALUES (0.9, true), (0.8, false), (0.7, false), (0.1, true)) AS t(score, bought);
+--------+
| recall |
+--------+
| 0.5    |
+--------+
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
        name = "k",
        description = "A positive integer, the same for all rows of a group."
    )
)]
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct RecallAt {
    signature: Signature,
}

impl RecallAt {
    pub(crate) fn new() -> Self {
        Self {
            signature: Signature::user_defined(Volatility::Immutable),
        }
    }
}

impl AggregateUDFImpl for RecallAt {
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
        ARGUMENTS.check_types(given).map(|_| MEASURE.result_type())
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
fn recall(rows: &[Scored], k: f64) -> Option<f64> {
    let hits = hits_of_both(rows)?;
    Some(expected_hits(rows, k) / hits as f64)
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
        let rows = [(0.1, true), (0.5, true), (0.5, false), (0.9, false)];
        assert_eq!(recall(&rows, 1.0), Some(0.0));
        assert_eq!(recall(&rows, 2.0), Some(0.25), "half a hit in two rows");
        assert_eq!(recall(&rows, 3.0), Some(0.5));
        assert_eq!(recall(&rows, 9.0), Some(1.0));
        assert_eq!(recall(&rows[..2], 1.0), None);
    }

    proptest! {
        #[test]
        fn every_way_to_aggregate_gives_the_same(rows in rows(), k in 1_u8..50, seed: u64) {
            check_group_state(&Ranking::new(&MEASURE), &columns(&rows, Some(f64::from(k))), seed)?;
        }

        #[test]
        fn equals_the_mean_over_row_orders(rows in rows(), k in 1_u8..50) {
            // By hand: each row of a tie carries the hit rate of its tie; then the best k rows are added up.
            let k = usize::from(k);
            let mut counted = counted(&rows);
            counted.sort_by(|a, b| b.0.total_cmp(&a.0));
            let hits = counted.iter().filter(|row| row.1).count();
            let expected_hits: f64 = counted.iter().take(k).map(|row| {
                let tie: Vec<_> = counted.iter().filter(|other| other.0 == row.0).collect();
                tie.iter().filter(|other| other.1).count() as f64 / tie.len() as f64
            }).sum();
            let got = float(&plain_result(&Ranking::new(&MEASURE), &columns(&rows, Some(k as f64))));
            if hits == 0 || hits == counted.len() {
                prop_assert_eq!(got, None);
            } else {
                let expected = expected_hits / hits as f64;
                prop_assert!((got.unwrap() - expected).abs() <= 1e-9, "{got:?} {expected}");
            }
        }
    }
}
