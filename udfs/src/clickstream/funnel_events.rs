//! `funnel_events(window, [mode,] event_time, step1, …, stepN)`: when the steps of a funnel were made.

use arrow::array::{ArrayRef, new_empty_array};
use arrow::datatypes::{DataType, FieldRef};
use datafusion_common::{Result, ScalarValue, internal_err};
use datafusion_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion_expr::utils::AggregateOrderSensitivity;
use datafusion_expr::{
    Accumulator, AggregateUDFImpl, Documentation, GroupsAccumulator, Signature, Volatility,
};
use datafusion_macros::user_doc;

use super::conditions::Conditions;
use super::streams::{Question, Streams, Visitors, lists, state_fields};
use super::window_funnel::kernel::{Funnel, Search};
use super::window_funnel::{funnel, read_modes};
use crate::common::aggregate::{Grouped, Plain};
use crate::common::arguments::{Argument, Arguments, Kind};
use crate::common::sliding::Sliding;
use crate::common::time::from_ticks;

pub(crate) static CALL: Conditions = Conditions {
    function: "funnel_events",
    written: "window [, mode], event_time, step1, …, stepN",
    forms: &[
        Arguments {
            function: "funnel_events",
            counts: &[2],
            list: &[
                Argument::new("window", Kind::HalfLife),
                Argument::new("event_time", Kind::Time),
            ],
        },
        Arguments {
            function: "funnel_events",
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
    description = "When the steps were made that `window_funnel` counts: LIST of the type of `event_time`, with one \
time a step, ascending. Of several chains of that depth it is the one that was complete first, of these the one that \
started last. Empty where `window_funnel` is 0. The arguments and modes are those of `window_funnel`.",
    syntax_example = "funnel_events(window, [mode,] event_time, step1, …, stepN)",
    sql_example = r"```sql
SELECT visitor, funnel_events(INTERVAL '7 days', day, (what = 'view'), (what = 'buy')) AS days
FROM (VALUES ('ann', DATE '2026-06-01', 'view'), ('ann', DATE '2026-06-03', 'view'), ('ann', DATE '2026-06-09', 'buy'),
             ('bob', DATE '2026-06-01', 'view'), ('cat', DATE '2026-06-01', 'buy')) AS t(visitor, day, what)
GROUP BY visitor ORDER BY visitor;
+---------+--------------------------+
| visitor | days                     |
+---------+--------------------------+
| ann     | [2026-06-03, 2026-06-09] |
| bob     | [2026-06-01]             |
| cat     | []                       |
+---------+--------------------------+
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
pub(crate) struct FunnelEvents {
    signature: Signature,
}

impl FunnelEvents {
    pub(crate) fn new() -> Self {
        Self {
            signature: Signature::user_defined(Volatility::Immutable),
        }
    }
}

impl AggregateUDFImpl for FunnelEvents {
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
        let types = CALL.check_types(given)?;
        let time = CALL.form_of(&types).list.len() - 1;
        Ok(DataType::new_list(types[time].clone(), true))
    }

    fn default_value(&self, data_type: &DataType) -> Result<ScalarValue> {
        let DataType::List(time) = data_type else {
            return internal_err!("funnel_events: expected a LIST, got {data_type}");
        };
        ScalarValue::try_from_array(&lists(&[0], new_empty_array(time.data_type()))?, 0)
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        Ok(state_fields(&args))
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(Plain::new(times(&args)?)))
    }

    fn create_sliding_accumulator(
        &self,
        args: AccumulatorArgs<'_>,
    ) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(Sliding::new(times(&args)?)))
    }

    fn groups_accumulator_supported(&self, _args: AccumulatorArgs<'_>) -> bool {
        true
    }

    fn create_groups_accumulator(
        &self,
        args: AccumulatorArgs<'_>,
    ) -> Result<Box<dyn GroupsAccumulator>> {
        Ok(Box::new(Grouped(times(&args)?)))
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}

fn times(args: &AccumulatorArgs<'_>) -> Result<Streams<Times>> {
    let (funnel, time) = funnel(&CALL, args)?;
    let data_type = args.expr_fields[time].data_type().clone();
    Ok(Streams::new(Times { funnel, data_type }, time))
}

#[derive(Debug, Clone)]
struct Times {
    funnel: Funnel,
    data_type: DataType,
}

impl Question for Times {
    fn needs_blanks(&self) -> bool {
        self.funnel.modes.strict_order
    }

    fn answer(&self, visitors: Visitors<'_>) -> Result<ArrayRef> {
        let mut search = Search::new(self.funnel);
        let mut depths = Vec::with_capacity(visitors.count());
        let mut times = Vec::new();
        visitors.visit(
            |_| (),
            |events| depths.push(search.times(events, &mut times)),
        );
        lists(&depths, from_ticks(times, None, &self.data_type)?)
    }
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::TimeUnit;
    use proptest::prelude::*;

    use super::*;
    use crate::clickstream::conditions::tests::{columns, rows};
    use crate::clickstream::window_funnel::modes::Modes;
    use crate::common::testing::check_group_state;

    proptest! {
        #[test]
        fn every_way_to_aggregate_gives_the_same(
            rows in rows(),
            mode in prop_oneof![Just(""), Just("strict_order"), Just("strict_once"), Just("strict_increase")],
            seed: u64,
        ) {
            let funnel = Funnel { steps: 3, window: 8, modes: Modes::parse(mode).unwrap() };
            let data_type = DataType::Timestamp(TimeUnit::Second, None);
            check_group_state(&Streams::new(Times { funnel, data_type }, 0), &columns(&rows), seed)?;
        }
    }
}
