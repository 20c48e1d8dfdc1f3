//! `log_loss(probability, label)`: how surprised a forecast is by what happened.

use arrow::datatypes::{DataType, FieldRef};
use datafusion_common::Result;
use datafusion_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion_expr::utils::AggregateOrderSensitivity;
use datafusion_expr::{
    Accumulator, AggregateUDFImpl, Documentation, GroupsAccumulator, Signature, Volatility,
};
use datafusion_macros::user_doc;

use super::losses::{add_loss, mean_losses};
use crate::common::aggregate::{Grouped, Plain};
use crate::common::arguments::{Argument, Arguments, Kind, Range};
use crate::common::sliding::Sliding;
use crate::common::tally::{Recipe, Tallies};

pub(crate) static ARGUMENTS: Arguments = Arguments {
    function: "log_loss",
    counts: &[2],
    list: &[
        Argument::new("probability", Kind::Number(Range::Probability)),
        Argument::new("label", Kind::Label),
    ],
};

static RECIPE: Recipe<2, 1, 2> = Recipe {
    arguments: &ARGUMENTS,
    add: |total, row| add_loss(total, row, loss),
    finish: mean_losses,
};

#[user_doc(
    doc_section(label = "Evaluation"),
    description = "Mean logarithmic loss of predicted probabilities, −ln of the probability of what happened \
(cross-entropy, in nats); lower is better. A probability is kept 2.2e-16 away from 0 and 1, as scikit-learn does, \
so that one wrong certainty costs about 36 and not infinity. Rows with a NULL do not count; hits only or misses \
only give NULL.",
    syntax_example = "log_loss(probability, label)",
    sql_example = r"```sql
SELECT round(log_loss(p, bought), 4) AS log_loss
FROM (VALUES (0.9, true), (0.2, false), (0.4, true)) AS t(p, bought);
+----------+
| log_loss |
+----------+
| 0.4149   |
+----------+
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
pub(crate) struct LogLoss {
    signature: Signature,
}

impl LogLoss {
    pub(crate) fn new() -> Self {
        Self {
            signature: Signature::user_defined(Volatility::Immutable),
        }
    }
}

impl AggregateUDFImpl for LogLoss {
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

fn loss(probability: f64, hit: bool) -> f64 {
    let probability = probability.clamp(f64::EPSILON, 1.0 - f64::EPSILON);
    if hit {
        -probability.ln()
    } else {
        -(-probability).ln_1p()
    }
}

#[cfg(test)]
mod tests {
    use datafusion_common::ScalarValue;
    use proptest::prelude::*;

    use super::super::losses::testing::{columns, predictions};
    use super::*;
    use crate::common::aggregate::{GroupState, Groups};
    use crate::common::testing::{check_group_state, float, plain_result};

    #[test]
    fn matches_scikit_learn() {
        // sklearn.metrics.log_loss on the same rows.
        let rows = [
            (0.1, false),
            (0.4, false),
            (0.35, true),
            (0.8, true),
            (0.65, true),
            (0.0, true),
        ];
        let rows = rows.map(|(probability, label)| (Some(probability), Some(label)));
        let got = float(&plain_result(&Tallies::new(&RECIPE), &columns(&rows))).unwrap();
        assert!((got - 6.393_931_353_407_718_5).abs() < 1e-12, "{got}");
        let one_class = plain_result(&Tallies::new(&RECIPE), &columns(&rows[..2]));
        assert_eq!(float(&one_class), None);
    }

    #[test]
    fn no_order_of_rows_changes_the_last_digit() {
        // The sum of the others lies half-way between two numbers, but for the little that a certain prediction costs.
        let rows = [
            (0.448_650_313_833_548_03, true),
            (0.853_804_413_065_213_2, false),
            (1.0, true),
            (0.576_806_616_867_964_5, true),
            (0.2, true),
        ];
        // Of two states, as two threads make them.
        let mean = |order: &[usize], cut: usize| {
            let [mut one, other] = [&order[..cut], &order[cut..]].map(|part| {
                let rows = part
                    .iter()
                    .map(|&row| (Some(rows[row].0), Some(rows[row].1)));
                let mut state = Tallies::new(&RECIPE);
                state.resize(1);
                let columns = columns(&rows.collect::<Vec<_>>());
                state.update(&columns, Groups::One, None).unwrap();
                state
            });
            one.merge(&other.into_state().unwrap(), Groups::One)
                .unwrap();
            float(&ScalarValue::try_from_array(&one.finish().unwrap(), 0).unwrap())
        };
        let mut orders = vec![vec![0, 1, 2, 3, 4]];
        for place in 0..4 {
            for order in orders.clone() {
                orders.extend((place + 1..5).map(|other| {
                    let mut order = order.clone();
                    order.swap(place, other);
                    order
                }));
            }
        }
        assert_eq!(orders.len(), 120);
        let expected = mean(&orders[0], 0);
        for order in &orders {
            for cut in 0..=5 {
                assert_eq!(mean(order, cut), expected, "{order:?} cut at {cut}");
            }
        }
    }

    proptest! {
        #[test]
        fn every_way_to_aggregate_gives_the_same(rows in predictions(), seed: u64) {
            check_group_state(&Tallies::new(&RECIPE), &columns(&rows), seed)?;
        }
    }
}
