//! `auc(score, label)`: how often a hit is ranked above a miss.

use arrow::datatypes::{DataType, FieldRef};
use datafusion_common::Result;
use datafusion_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion_expr::utils::AggregateOrderSensitivity;
use datafusion_expr::{
    Accumulator, AggregateUDFImpl, Documentation, GroupsAccumulator, Signature, Volatility,
};
use datafusion_macros::user_doc;

use super::ranking::{Kernel, Measure, Ranking, Scored, ties};
use crate::common::aggregate::{Grouped, Plain};
use crate::common::arguments::{Argument, Arguments, Kind, Range};
use crate::common::sliding::Sliding;

pub(crate) static ARGUMENTS: Arguments = Arguments {
    function: "auc",
    counts: &[2],
    list: &[
        Argument::new("score", Kind::Number(Range::Finite)),
        Argument::new("label", Kind::Label),
    ],
};

static MEASURE: Measure = Measure {
    arguments: &ARGUMENTS,
    kernel: Kernel::Number(|rows, _| area(rows)),
};

#[user_doc(
    doc_section(label = "Evaluation"),
    description = "Area under the ROC curve: the probability that a random hit has a higher score than a random \
miss, ties counting half (Mann and Whitney 1947; Hanley and McNeil 1982). 0.5 is chance, 1 is perfect. Rows with \
a NULL score or label do not count; hits only or misses only give NULL. Needs memory for all rows.",
    syntax_example = "auc(score, label)",
    sql_example = r"```sql
SELECT auc(score, bought) AS auc
FROM (VALUES (0.9, true), (0.8, false), (0.7, true), (0.1, false)) AS t(score, bought);
+------+
| auc  |
+------+
| 0.75 |
+------+
```",
    argument(
        name = "score",
        description = "Any number, higher is better. NaN or infinity is an error."
    ),
    argument(
        name = "label",
        description = "BOOLEAN, or an integer 0 or 1: what really happened."
    )
)]
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct Auc {
    signature: Signature,
}

impl Auc {
    pub(crate) fn new() -> Self {
        Self {
            signature: Signature::user_defined(Volatility::Immutable),
        }
    }
}

impl AggregateUDFImpl for Auc {
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

/// Counts pairs in integers, so that the order of tied rows cannot matter. `rows` are sorted by score.
pub(super) fn area(rows: &[Scored]) -> Option<f64> {
    let (mut hits, mut misses, mut doubled_wins) = (0_u128, 0_u128, 0_u128);
    for (size, hits_here) in ties(rows) {
        let misses_here = (size - hits_here) as u128;
        let hits_here = hits_here as u128;
        doubled_wins += hits_here * (2 * misses + misses_here);
        hits += hits_here;
        misses += misses_here;
    }
    let pairs = hits * misses;
    (pairs > 0).then(|| doubled_wins as f64 / (2 * pairs) as f64)
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "these results are exact")]
mod tests {
    use proptest::prelude::*;

    use super::super::ranking::testing::{columns, counted, rows};
    use super::*;
    use crate::common::testing::{check_group_state, float, plain_result};

    #[test]
    fn extremes() {
        assert_eq!(area(&[(0.0, false), (1.0, true)]), Some(1.0));
        assert_eq!(area(&[(0.0, true), (1.0, false)]), Some(0.0));
        assert_eq!(area(&[(1.0, true), (1.0, false)]), Some(0.5));
        assert_eq!(area(&[(1.0, true), (2.0, true)]), None);
        assert_eq!(area(&[]), None);
    }

    #[test]
    fn scores_must_be_finite_and_labels_zero_or_one() {
        use std::sync::Arc;

        use arrow::array::{ArrayRef, Float64Array, Int64Array};
        use datafusion_expr::Accumulator;

        let error = |score: f64, label: i64| {
            let args: [ArrayRef; 2] = [
                Arc::new(Float64Array::from(vec![score])),
                Arc::new(Int64Array::from(vec![label])),
            ];
            Plain::new(Ranking::new(&MEASURE))
                .update_batch(&args)
                .err()
                .map(|error| error.strip_backtrace())
        };
        assert_eq!(error(-0.0, 1), None);
        assert_eq!(
            error(f64::NAN, 1).as_deref(),
            Some("Execution error: auc: argument 'score' must be a finite number, got NaN")
        );
        assert_eq!(
            error(0.5, 2).as_deref(),
            Some("Execution error: auc: argument 'label' must be BOOLEAN, 0 or 1, got 2")
        );
    }

    proptest! {
        #[test]
        fn every_way_to_aggregate_gives_the_same(rows in rows(), seed: u64) {
            check_group_state(&Ranking::new(&MEASURE), &columns(&rows, None), seed)?;
        }

        #[test]
        fn equals_the_count_of_all_pairs(rows in rows()) {
            let counted = counted(&rows);
            let (hits, misses): (Vec<Scored>, Vec<Scored>) = counted.iter().copied().partition(|row| row.1);
            let wins: f64 = hits.iter().flat_map(|hit| misses.iter().map(move |miss| {
                if hit.0 > miss.0 { 1.0 } else if hit.0 == miss.0 { 0.5 } else { 0.0 }
            })).sum();
            let pairs = hits.len() * misses.len();
            let expected = (pairs > 0).then(|| wins / pairs as f64);
            let got = float(&plain_result(&Ranking::new(&MEASURE), &columns(&rows, None)));
            prop_assert_eq!(got, expected);
        }
    }
}
