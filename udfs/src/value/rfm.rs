//! `rfm(order_time, amount, as_of)`: how lately, how often, how much.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Decimal128Array, Float64Array, Int64Array, StructArray,
};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{
    DECIMAL128_MAX_PRECISION, DataType, Decimal128Type, Field, FieldRef, Fields, Int64Type,
};
use datafusion_common::{
    DataFusionError, Result, ScalarValue, exec_datafusion_err, exec_err, internal_err,
};
use datafusion_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion_expr::utils::{AggregateOrderSensitivity, format_state_name};
use datafusion_expr::{
    Accumulator, AggregateUDFImpl, Documentation, EmitTo, GroupsAccumulator, Signature, Volatility,
};
use datafusion_functions_aggregate_common::aggregate::groups_accumulator::nulls::filter_to_nulls;
use datafusion_macros::user_doc;

use crate::common::aggregate::{GroupState, Grouped, Groups, Plain, of_nothing};
use crate::common::arguments::{Argument, Arguments, Kind, MONEY};
use crate::common::numbers::doubles;
use crate::common::sliding::Sliding;
use crate::common::time::{Cutoffs, ticks};

pub(crate) static ARGUMENTS: Arguments = Arguments {
    function: "rfm",
    counts: &[3],
    list: &[
        Argument::new("order_time", Kind::Time),
        Argument::new("amount", Kind::Money),
        Argument::new("as_of", Kind::Moment),
    ],
};

const PRECISION: u8 = 18;
const SCALE: i8 = 6;
/// The largest DECIMAL(18,6), in micro-euros.
const LARGEST: i128 = 10_i128.pow(PRECISION as u32) - 1;
const NANOS_PER_DAY: f64 = 86_400e9;

#[user_doc(
    doc_section(label = "Value"),
    description = "Recency, frequency and monetary value of a customer: STRUCT<recency DOUBLE, frequency BIGINT, \
monetary DECIMAL(18,6)>. `recency` is the number of days from the last order to `as_of`, `frequency` the number of \
orders, `monetary` their total, exact to a millionth of a euro; a DOUBLE amount is rounded to that. Orders with a \
NULL and orders after `as_of` do not count; without orders `recency` and `monetary` are NULL, `frequency` is 0.",
    syntax_example = "rfm(order_time, amount, as_of)",
    sql_example = r"```sql
SELECT customer, r.recency AS recency, r.frequency AS frequency, r.monetary AS monetary
FROM (
    SELECT customer, rfm(day, amount, DATE '2026-06-15') AS r
    FROM (VALUES ('ann', DATE '2026-06-01', 19.90), ('ann', DATE '2026-06-13', 5.10), ('bob', DATE '2026-05-16', 80.00)) AS t(customer, day, amount)
    GROUP BY customer
)
ORDER BY customer;
+----------+---------+-----------+-----------+
| customer | recency | frequency | monetary  |
+----------+---------+-----------+-----------+
| ann      | 2.0     | 2         | 25.000000 |
| bob      | 30.0    | 1         | 80.000000 |
+----------+---------+-----------+-----------+
```",
    argument(
        name = "order_time",
        description = "TIMESTAMP of any unit and zone, or DATE."
    ),
    argument(
        name = "amount",
        description = "Euros; negative for a return. NaN or infinity is an error."
    ),
    argument(
        name = "as_of",
        description = "TIMESTAMP, DATE (its first instant) or text: the moment at which recency is 0."
    )
)]
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct Rfm {
    signature: Signature,
}

impl Rfm {
    pub(crate) fn new() -> Self {
        Self {
            signature: Signature::user_defined(Volatility::Immutable),
        }
    }
}

impl AggregateUDFImpl for Rfm {
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
        of_nothing(Customers::default())
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        let parts = [
            ("recency", DataType::Float64),
            ("frequency", DataType::Int64),
            ("monetary", MONEY),
        ];
        Ok(parts
            .map(|(part, data_type)| {
                Arc::new(Field::new(
                    format_state_name(args.name, part),
                    data_type,
                    true,
                ))
            })
            .to_vec())
    }

    fn accumulator(&self, _args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(Plain::new(Customers::default())))
    }

    fn create_sliding_accumulator(
        &self,
        _args: AccumulatorArgs<'_>,
    ) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(Sliding::new(Customers::default())))
    }

    fn groups_accumulator_supported(&self, _args: AccumulatorArgs<'_>) -> bool {
        true
    }

    fn create_groups_accumulator(
        &self,
        _args: AccumulatorArgs<'_>,
    ) -> Result<Box<dyn GroupsAccumulator>> {
        Ok(Box::new(Grouped(Customers::default())))
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
        Field::new("recency", DataType::Float64, true),
        Field::new("frequency", DataType::Int64, false),
        Field::new("monetary", DataType::Decimal128(PRECISION, SCALE), true),
    ])
}

/// The orders of many customers.
#[derive(Debug, Clone, Default)]
struct Customers(Vec<Orders>);

#[derive(Debug, Clone, Copy)]
struct Orders {
    /// Days since the last order, infinite before the first one.
    recency: f64,
    frequency: i64,
    /// Micro-euros.
    monetary: i128,
}

impl Orders {
    const NONE: Self = Self {
        recency: f64::INFINITY,
        frequency: 0,
        monetary: 0,
    };

    fn add(&mut self, other: Self) -> Result<()> {
        self.recency = self.recency.min(other.recency);
        self.frequency += other.frequency;
        match self.monetary.checked_add(other.monetary) {
            Some(sum) => self.monetary = sum,
            None => return Err(too_much()),
        }
        Ok(())
    }
}

/// Amounts in micro-euros, which is how they add up exactly.
enum Amounts<'a> {
    Exact(&'a [i128]),
    Rounded(&'a [f64]),
}

impl<'a> Amounts<'a> {
    fn new(amount: &'a ArrayRef) -> Self {
        match amount.as_primitive_opt::<Decimal128Type>() {
            Some(exact) => Self::Exact(exact.values()),
            None => Self::Rounded(doubles(amount).values()),
        }
    }

    fn micros(&self, row: usize) -> Result<i128> {
        match self {
            Self::Exact(micros) => Ok(micros[row]),
            Self::Rounded(euros) => {
                ARGUMENTS.check_number(1, euros[row])?;
                // Beyond the range of an i128 this saturates, and the total is refused.
                Ok((euros[row] * 1e6).round() as i128)
            }
        }
    }
}

impl GroupState for Customers {
    fn empty(&self) -> Self {
        Self::default()
    }

    fn resize(&mut self, groups: usize) {
        self.0.resize(groups, Orders::NONE);
    }

    fn update(
        &mut self,
        args: &[ArrayRef],
        groups: Groups<'_>,
        filter: Option<&BooleanArray>,
    ) -> Result<()> {
        let [order_time, amount, as_of] = args else {
            return internal_err!("rfm: expected 3 arguments");
        };
        let filter = filter.map(filter_to_nulls);
        let kept = NullBuffer::union_many([
            filter.as_ref(),
            order_time.nulls(),
            amount.nulls(),
            as_of.nulls(),
        ]);
        let times = ticks(order_time)?;
        let moments = ticks(as_of)?;
        let amounts = Amounts::new(amount);
        let mut cutoffs = Cutoffs::new(order_time.data_type(), as_of.data_type())?;
        let days_per_tick = cutoffs.event_unit() as f64 / NANOS_PER_DAY;
        let mut outcome = Ok(());
        groups.visit(times.len(), |row, group| {
            if outcome.is_err() || kept.as_ref().is_some_and(|kept| kept.is_null(row)) {
                return;
            }
            let cutoff = cutoffs.at(moments[row]);
            let Some(last) = cutoff.last_tick.filter(|&last| times[row] <= last) else {
                return;
            };
            // The difference of two i64 fits u64 when it is not negative, even where it overflows i64.
            let age = last.wrapping_sub(times[row]) as u64 as f64 + cutoff.beyond;
            outcome = amounts.micros(row).and_then(|monetary| {
                self.0[group].add(Orders {
                    recency: age * days_per_tick,
                    frequency: 1,
                    monetary,
                })
            });
        });
        outcome
    }

    fn merge(&mut self, states: &[ArrayRef], groups: Groups<'_>) -> Result<()> {
        let [recency, frequency, monetary] = states else {
            return exec_err!("rfm: expected three states");
        };
        let recency = doubles(recency).values();
        let frequency = frequency.as_primitive::<Int64Type>().values();
        let monetary = monetary.as_primitive::<Decimal128Type>().values();
        let mut outcome = Ok(());
        groups.visit(frequency.len(), |row, group| {
            if outcome.is_ok() && frequency[row] > 0 {
                outcome = self.0[group].add(Orders {
                    recency: recency[row],
                    frequency: frequency[row],
                    monetary: monetary[row],
                });
            }
        });
        outcome
    }

    fn take(&mut self, emit: EmitTo) -> Self {
        Self(emit.take_needed(&mut self.0))
    }

    fn finish(self) -> Result<ArrayRef> {
        if self.0.iter().any(|orders| orders.monetary.abs() > LARGEST) {
            return Err(too_much());
        }
        let columns = self.columns(PRECISION, SCALE)?;
        Ok(Arc::new(StructArray::try_new_with_length(
            result_fields(),
            columns,
            None,
            self.0.len(),
        )?))
    }

    fn into_state(self) -> Result<Vec<ArrayRef>> {
        self.columns(DECIMAL128_MAX_PRECISION, SCALE)
    }

    fn size(&self) -> usize {
        self.0.capacity() * size_of::<Orders>()
    }
}

impl Customers {
    /// Recency and total are NULL without orders.
    fn columns(&self, precision: u8, scale: i8) -> Result<Vec<ArrayRef>> {
        let orders = self.0.iter();
        let frequency = Int64Array::from_iter_values(orders.clone().map(|orders| orders.frequency));
        let bought = orders.map(|orders| (orders.frequency > 0).then_some(orders));
        let recency = bought
            .clone()
            .map(|orders| orders.map(|orders| orders.recency));
        let monetary = bought.map(|orders| orders.map(|orders| orders.monetary));
        let monetary = monetary.collect::<Decimal128Array>();
        Ok(vec![
            Arc::new(recency.collect::<Float64Array>()),
            Arc::new(frequency),
            Arc::new(monetary.with_precision_and_scale(precision, scale)?),
        ])
    }
}

fn too_much() -> DataFusionError {
    exec_datafusion_err!("rfm: the total of the amounts is more than a DECIMAL(18,6) holds")
}

#[cfg(test)]
mod tests {
    use arrow::array::TimestampSecondArray;
    use datafusion_common::ScalarValue;
    use proptest::prelude::*;

    use super::*;
    use crate::common::testing::{check_group_state, plain_result};

    type Row = (Option<i64>, Option<f64>);

    /// As of second 864000, which is ten days.
    fn columns(rows: &[Row]) -> Vec<ArrayRef> {
        vec![
            Arc::new(
                rows.iter()
                    .map(|row| row.0)
                    .collect::<TimestampSecondArray>(),
            ),
            Arc::new(rows.iter().map(|row| row.1).collect::<Float64Array>()),
            Arc::new(TimestampSecondArray::from_value(864_000, rows.len())),
        ]
    }

    fn result(rows: &[Row]) -> (Option<f64>, i64, Option<i128>) {
        let ScalarValue::Struct(result) = plain_result(&Customers::default(), &columns(rows))
        else {
            panic!("no STRUCT");
        };
        let monetary = result.column(2).as_primitive::<Decimal128Type>();
        (
            doubles(result.column(0)).iter().next().unwrap(),
            result.column(1).as_primitive::<Int64Type>().value(0),
            monetary.is_valid(0).then(|| monetary.value(0)),
        )
    }

    #[test]
    fn recency_is_in_days_and_money_is_exact() {
        let rows = [
            (Some(0), Some(0.1)),
            (Some(432_000), Some(0.2)),
            (Some(864_001), Some(9.0)),
        ];
        assert_eq!(result(&rows), (Some(5.0), 2, Some(300_000)));
        assert_eq!(
            result(&[(None, Some(1.0)), (Some(5), None)]),
            (None, 0, None)
        );
        assert_eq!(result(&[]), (None, 0, None));
        assert_eq!(result(&[(Some(0), Some(-2.5)); 3]).2, Some(-7_500_000));
    }

    #[test]
    fn a_total_that_does_not_fit_is_an_error() {
        let error = |amount| {
            let mut plain = Plain::new(Customers::default());
            plain
                .update_batch(&columns(&[(Some(0), Some(amount)); 2]))
                .and_then(|()| plain.evaluate())
                .unwrap_err()
                .strip_backtrace()
        };
        for amount in [6e11, -6e11, 1e300] {
            assert!(
                error(amount).contains("more than a DECIMAL(18,6) holds"),
                "{amount}"
            );
        }
        assert_eq!(
            error(f64::NAN),
            "Execution error: rfm: argument 'amount' must be a finite number, got NaN"
        );
    }

    proptest! {
        #[test]
        fn every_way_to_aggregate_gives_the_same(
            rows in proptest::collection::vec(
                (proptest::option::weighted(0.9, 0_i64..900_000), proptest::option::weighted(0.9, -10.0..100.0_f64)),
                0..60,
            ),
            seed: u64,
        ) {
            check_group_state(&Customers::default(), &columns(&rows), seed)?;
        }
    }
}
