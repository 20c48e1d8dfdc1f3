//! `portfolio_value(p_convert, margin, planned_cost)`: what a group of prospects is worth.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, StructArray};
use arrow::datatypes::{DataType, Field, FieldRef, Fields};
use datafusion_common::{Result, ScalarValue};
use datafusion_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion_expr::utils::AggregateOrderSensitivity;
use datafusion_expr::{
    Accumulator, AggregateUDFImpl, Documentation, GroupsAccumulator, Signature, Volatility,
};
use datafusion_macros::user_doc;

use crate::common::aggregate::{Grouped, Plain, of_nothing};
use crate::common::arguments::{Argument, Arguments, Kind, Range};
use crate::common::numbers::finite_result;
use crate::common::sliding::Sliding;
use crate::common::tally::{Recipe, Tallies, Total};

pub(crate) static ARGUMENTS: Arguments = Arguments {
    function: "portfolio_value",
    counts: &[3],
    list: &[
        Argument::new("p_convert", Kind::Number(Range::Probability)),
        Argument::new("margin", Kind::Number(Range::Finite)),
        Argument::new("planned_cost", Kind::Number(Range::Finite)),
    ],
};

/// Half of the normal distribution's 5 % lies beyond this.
const Z: f64 = 1.959_963_984_540_054;

/// Sums: expected value, its variance, the value when nothing pays, the value when everything does.
/// Counts: prospects, thin ones.
static RECIPE: Recipe<3, 4, 2> = Recipe {
    arguments: &ARGUMENTS,
    add,
    finish,
};

#[user_doc(
    doc_section(label = "Value"),
    description = "Value of a portfolio of prospects, STRUCT<value DOUBLE, low DOUBLE, high DOUBLE, prospects \
BIGINT, thin BIGINT>. `value` is Σ (p_convert · margin − planned_cost); `low` and `high` bound 95 % of what chance \
may make of it, by the normal approximation of a sum of independent conversions with variance Σ p (1 − p) · \
margin², and never beyond what no or every conversion would bring. The interval holds for the probabilities given; \
it does not know how sure they are. `prospects` counts all rows, `thin` those without a known probability or \
margin: they rest on too little evidence, bring nothing, and still cost what is planned for them. A NULL \
planned_cost is no plan, 0. Without any known prospect the three values are NULL.",
    syntax_example = "portfolio_value(p_convert, margin, planned_cost)",
    sql_example = r"```sql
SELECT v.value AS value, round(v.low, 2) AS low, v.high AS high, v.prospects AS prospects, v.thin AS thin
FROM (
    SELECT portfolio_value(p, margin, cost) AS v
    FROM (VALUES (0.5, 40, 0.5), (0.25, 20, 0.5), (NULL, 20, 0.5)) AS t(p, margin, cost)
);
+-------+------+------+-----------+------+
| value | low  | high | prospects | thin |
+-------+------+------+-----------+------+
| 23.5  | -1.5 | 58.5 | 3         | 1    |
+-------+------+------+-----------+------+
```",
    argument(
        name = "p_convert",
        description = "Probability that the prospect converts, between 0 and 1; NULL when there is too little evidence."
    ),
    argument(name = "margin", description = "Euros that a conversion brings."),
    argument(
        name = "planned_cost",
        description = "Euros of the contacts planned for the prospect; NULL for none."
    )
)]
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct PortfolioValue {
    signature: Signature,
}

impl PortfolioValue {
    pub(crate) fn new() -> Self {
        Self {
            signature: Signature::user_defined(Volatility::Immutable),
        }
    }
}

impl AggregateUDFImpl for PortfolioValue {
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
    let money = ["value", "low", "high"].map(|part| Field::new(part, DataType::Float64, true));
    let counts = ["prospects", "thin"].map(|part| Field::new(part, DataType::Int64, false));
    money.into_iter().chain(counts).collect()
}

fn add(total: &mut Total<4, 2>, [p_convert, margin, planned_cost]: [Option<f64>; 3]) -> Result<()> {
    let (p, margin) = if let (Some(p), Some(margin)) = (p_convert, margin) {
        (p, margin)
    } else {
        total.counts[1] += 1;
        (0.0, 0.0)
    };
    total.counts[0] += 1;
    let cost = planned_cost.unwrap_or(0.0);
    let terms = [
        p * margin - cost,
        p * (1.0 - p) * margin * margin,
        margin.min(0.0) - cost,
        margin.max(0.0) - cost,
    ];
    for (sum, term) in total.sums.iter_mut().zip(terms) {
        sum.add(finite_result(&ARGUMENTS, term)?);
    }
    Ok(())
}

fn finish(totals: &[Total<4, 2>]) -> Result<ArrayRef> {
    let mut values = [const { Vec::new() }; 3];
    for total in totals {
        let known = total.counts[0] > total.counts[1];
        for (column, part) in values.iter_mut().zip(interval(total)?) {
            column.push(known.then_some(part));
        }
    }
    let mut columns = values
        .map(|column| -> ArrayRef { Arc::new(Float64Array::from(column)) })
        .to_vec();
    for count in 0..2 {
        let counts = totals.iter().map(|total| total.counts[count]);
        columns.push(Arc::new(Int64Array::from_iter_values(counts)));
    }
    Ok(Arc::new(StructArray::try_new_with_length(
        result_fields(),
        columns,
        None,
        totals.len(),
    )?))
}

/// Value, low, high.
fn interval(total: &Total<4, 2>) -> Result<[f64; 3]> {
    let [value, variance, least, most] = [0, 1, 2, 3].map(|sum| total.sum(sum));
    for sum in [value, variance, least, most] {
        finite_result(&ARGUMENTS, sum)?;
    }
    let spread = Z * variance.sqrt();
    let low = (value - spread).max(least).min(value);
    let high = (value + spread).min(most).max(value);
    Ok([value, low, high])
}

#[cfg(test)]
mod tests {
    use arrow::array::AsArray;
    use arrow::datatypes::{Float64Type, Int64Type};
    use datafusion_common::ScalarValue;
    use proptest::prelude::*;

    use super::*;
    use crate::common::testing::{check_group_state, plain_result};

    type Row = [Option<f64>; 3];

    fn columns(rows: &[Row]) -> Vec<ArrayRef> {
        let column = |part: usize| -> ArrayRef {
            Arc::new(rows.iter().map(|row| row[part]).collect::<Float64Array>())
        };
        vec![column(0), column(1), column(2)]
    }

    fn result(rows: &[Row]) -> ([Option<f64>; 3], [i64; 2]) {
        let ScalarValue::Struct(result) = plain_result(&Tallies::new(&RECIPE), &columns(rows))
        else {
            panic!("no STRUCT");
        };
        let value = |part: usize| {
            result
                .column(part)
                .as_primitive::<Float64Type>()
                .iter()
                .next()
                .unwrap()
        };
        let count = |part: usize| result.column(part).as_primitive::<Int64Type>().value(0);
        ([0, 1, 2].map(value), [3, 4].map(count))
    }

    #[test]
    fn the_interval_of_many_equal_prospects_is_that_of_a_binomial() {
        // 1000 conversions at 10 %, 20 € each: 2000 € ± 1.96 · 20 · √90.
        let ([value, low, high], counts) = result(&vec![[Some(0.1), Some(20.0), Some(0.5)]; 1000]);
        let spread = 1.959_963_984_540_054 * 20.0 * 90.0_f64.sqrt();
        assert!((value.unwrap() - 1500.0).abs() < 1e-9);
        assert!((low.unwrap() - (1500.0 - spread)).abs() < 1e-9);
        assert!((high.unwrap() - (1500.0 + spread)).abs() < 1e-9);
        assert_eq!(counts, [1000, 0]);
    }

    #[test]
    fn thin_prospects_are_counted_and_cost_but_bring_nothing() {
        let thin = [None, Some(20.0), Some(0.5)];
        let sure = [Some(1.0), Some(20.0), None];
        assert_eq!(result(&[thin]), ([None; 3], [1, 1]));
        assert_eq!(result(&[]), ([None; 3], [0, 0]));
        assert_eq!(
            result(&[thin, sure, [Some(0.5), None, None]]),
            ([Some(19.5); 3], [3, 2])
        );
    }

    proptest! {
        #[test]
        fn every_way_to_aggregate_gives_the_same(
            rows in proptest::collection::vec((
                proptest::option::weighted(0.9, 0.0..=1.0_f64),
                proptest::option::weighted(0.9, -10.0..100.0_f64),
                proptest::option::weighted(0.9, 0.0..1.0_f64),
            ), 0..60),
            seed: u64,
        ) {
            let rows: Vec<Row> = rows.into_iter().map(|(p, margin, cost)| [p, margin, cost]).collect();
            check_group_state(&Tallies::new(&RECIPE), &columns(&rows), seed)?;
            let ([value, low, high], _) = result(&rows);
            prop_assert!(low <= value && value <= high);
        }
    }
}
