//! `brier(probability, label)`: how far a forecast is from what happened.

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
    function: "brier",
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
    description = "Brier score of predicted probabilities, the mean of (probability − label)² (*Monthly Weather \
Review*, 1950), from 0 to 1; lower is better. Rows with a NULL do not count; hits only or misses only give NULL.",
    syntax_example = "brier(probability, label)",
    sql_example = r"```sql
SELECT round(brier(p, bought), 4) AS brier
FROM (VALUES (0.9, true), (0.2, false), (0.4, true)) AS t(p, bought);
+--------+
| brier  |
+--------+
| 0.1367 |
+--------+
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
pub(crate) struct Brier {
    signature: Signature,
}

impl Brier {
    pub(crate) fn new() -> Self {
        Self {
            signature: Signature::user_defined(Volatility::Immutable),
        }
    }
}

impl AggregateUDFImpl for Brier {
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
    let distance = if hit { 1.0 - probability } else { probability };
    distance * distance
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::losses::testing::{columns, predictions};
    use super::*;
    use crate::common::testing::{check_group_state, float, plain_result};

    #[test]
    fn matches_scikit_learn() {
        // sklearn.metrics.brier_score_loss on the same rows.
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
        assert!((got - 0.292_5).abs() < 1e-12, "{got}");
        let one_class = plain_result(&Tallies::new(&RECIPE), &columns(&rows[..2]));
        assert_eq!(float(&one_class), None);
    }

    proptest! {
        #[test]
        fn every_way_to_aggregate_gives_the_same(rows in predictions(), seed: u64) {
            check_group_state(&Tallies::new(&RECIPE), &columns(&rows), seed)?;
        }
    }
}
