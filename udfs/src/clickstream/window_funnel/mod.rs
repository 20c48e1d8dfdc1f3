//! `window_funnel(window, [mode,] event_time, step1, …, stepN)`: how deep a visitor came.

pub(super) mod kernel;
pub(super) mod modes;

use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Array};
use arrow::datatypes::{DataType, FieldRef};
use datafusion_common::{Result, ScalarValue};
use datafusion_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion_expr::utils::AggregateOrderSensitivity;
use datafusion_expr::{
    Accumulator, AggregateUDFImpl, Documentation, GroupsAccumulator, Signature, Volatility,
};
use datafusion_macros::user_doc;

use self::kernel::{Funnel, Search};
use self::modes::Modes;
use super::conditions::{Conditions, constant};
use super::streams::{Question, Streams, Visitors, state_fields};
use crate::common::aggregate::{Grouped, Plain};
use crate::common::arguments::{Argument, Arguments, Kind};
use crate::common::sliding::Sliding;
use crate::common::time::{interval_ticks, nanos_per_tick};

pub(crate) static CALL: Conditions = Conditions {
    function: "window_funnel",
    written: "window [, mode], event_time, step1, …, stepN",
    forms: &[
        Arguments {
            function: "window_funnel",
            counts: &[2],
            list: &[
                Argument::new("window", Kind::HalfLife),
                Argument::new("event_time", Kind::Time),
            ],
        },
        Arguments {
            function: "window_funnel",
            counts: &[3],
            list: &[
                Argument::new("window", Kind::HalfLife),
                Argument::new("mode", Kind::Text),
                Argument::new("event_time", Kind::Time),
            ],
        },
    ],
    condition: "step",
    check_text: |form, position, text, _| read_modes(form, position, text).map(|_| ()),
};

#[user_doc(
    doc_section(label = "Clickstream"),
    description = "How many of the steps a visitor made in their order, the last at most `window` after the first: \
INT, 0 without rows. Other events may lie between two steps, and one event may make several steps. Steps at the same \
time count in the order of the conditions, so that the result does not depend on the order of the rows. Modes, \
with commas between them, mean the same as in ClickHouse. `strict_deduplication`: the search ends where a step after the first \
is made again. `strict_order`: after the first step, the search ends at an event that makes no step, or one for \
which a step is missing. `strict_increase`: each step needs a later time than the one before. `strict_once`: \
each step needs an event of its own.",
    syntax_example = "window_funnel(window, [mode,] event_time, step1, …, stepN)",
    sql_example = r"```sql
SELECT visitor, window_funnel(INTERVAL '1 hour', at, (what = 'view'), (what = 'cart'), (what = 'buy')) AS depth
FROM (VALUES ('ann', TIMESTAMP '2026-06-01 09:00:00', 'view'), ('ann', TIMESTAMP '2026-06-01 09:20:00', 'cart'),
             ('ann', TIMESTAMP '2026-06-01 10:00:00', 'buy'), ('bob', TIMESTAMP '2026-06-01 09:00:00', 'view'),
             ('bob', TIMESTAMP '2026-06-01 10:01:00', 'cart')) AS t(visitor, at, what)
GROUP BY visitor ORDER BY visitor;
+---------+-------+
| visitor | depth |
+---------+-------+
| ann     | 3     |
| bob     | 1     |
+---------+-------+
```",
    argument(
        name = "window",
        description = "INTERVAL above zero, or text such as '1 hour', the same for all rows; NULL means no limit."
    ),
    argument(
        name = "mode",
        description = "Text, the same for all rows, or left out: `strict_deduplication`, `strict_order`, `strict_increase`, `strict_once`."
    ),
    argument(
        name = "event_time",
        description = "TIMESTAMP of any unit and zone, or DATE. A row without it is ignored."
    ),
    argument(
        name = "step",
        description = "BOOLEAN, one to 64 of them; NULL is false. A comparison with `=` needs parentheses, as `(what = 'view')`: without them it reads as a named argument."
    )
)]
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct WindowFunnel {
    signature: Signature,
}

impl WindowFunnel {
    pub(crate) fn new() -> Self {
        Self {
            signature: Signature::user_defined(Volatility::Immutable),
        }
    }
}

impl AggregateUDFImpl for WindowFunnel {
    fn name(&self) -> &str {
        CALL.function
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        Ok(CALL.coerce(given))
    }

    fn return_type(&self, given: &[DataType]) -> Result<DataType> {
        CALL.check_types(given).map(|_| DataType::Int32)
    }

    fn is_nullable(&self) -> bool {
        false
    }

    fn default_value(&self, _data_type: &DataType) -> Result<ScalarValue> {
        Ok(ScalarValue::Int32(Some(0)))
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        Ok(state_fields(&args))
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(Plain::new(depths(&args)?)))
    }

    fn create_sliding_accumulator(
        &self,
        args: AccumulatorArgs<'_>,
    ) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(Sliding::new(depths(&args)?)))
    }

    fn groups_accumulator_supported(&self, _args: AccumulatorArgs<'_>) -> bool {
        true
    }

    fn create_groups_accumulator(
        &self,
        args: AccumulatorArgs<'_>,
    ) -> Result<Box<dyn GroupsAccumulator>> {
        Ok(Box::new(Grouped(depths(&args)?)))
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}

fn depths(args: &AccumulatorArgs<'_>) -> Result<Streams<Depth>> {
    let (funnel, time) = funnel(&CALL, args)?;
    Ok(Streams::new(Depth(funnel), time))
}

/// The funnel of a call, and the position of the event time among the arguments.
pub(super) fn funnel(call: &Conditions, args: &AccumulatorArgs<'_>) -> Result<(Funnel, usize)> {
    let types = args.expr_fields.iter().map(|field| field.data_type());
    let types: Vec<_> = types.cloned().collect();
    let form = call.form_of(&types);
    let time = form.list.len() - 1;
    let window = match constant(form, args, 0)? {
        ScalarValue::IntervalMonthDayNano(Some(window)) => {
            interval_ticks(form, 0, window, nanos_per_tick(&types[time])?)?
        }
        _ => i64::MAX,
    };
    let modes = if time == 2 {
        match constant(form, args, 1)?.try_as_str().flatten() {
            Some(text) => read_modes(form, 1, text)?,
            None => Modes::NONE,
        }
    } else {
        Modes::NONE
    };
    let funnel = Funnel {
        steps: types.len() - time - 1,
        window,
        modes,
    };
    Ok((funnel, time))
}

pub(super) fn read_modes(form: &Arguments, position: usize, text: &str) -> Result<Modes> {
    Modes::parse(text).ok_or_else(|| {
        let expected = "'strict_deduplication', 'strict_order', 'strict_increase' or 'strict_once'";
        form.invalid(position, expected, format!("'{text}'"))
    })
}

#[derive(Debug, Clone)]
struct Depth(Funnel);

impl Question for Depth {
    fn needs_blanks(&self) -> bool {
        self.0.modes.strict_order
    }

    fn answer(&self, visitors: Visitors<'_>) -> Result<ArrayRef> {
        let mut search = Search::new(self.0);
        let mut depths = Vec::with_capacity(visitors.count());
        visitors.visit(|_| (), |events| depths.push(search.depth(events) as i32));
        Ok(Arc::new(Int32Array::from(depths)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::clickstream::conditions::tests::{columns, rows};
    use crate::common::testing::check_group_state;

    proptest! {
        #[test]
        fn every_way_to_aggregate_gives_the_same(
            rows in rows(),
            modes in prop::sample::subsequence(
                vec!["strict_deduplication", "strict_order", "strict_increase", "strict_once"], 0..=4),
            seed: u64,
        ) {
            let funnel = Funnel { steps: 3, window: 8, modes: Modes::parse(&modes.join(",")).unwrap() };
            check_group_state(&Streams::new(Depth(funnel), 0), &columns(&rows), seed)?;
        }
    }
}
