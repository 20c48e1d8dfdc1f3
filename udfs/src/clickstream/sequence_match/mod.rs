//! `sequence_match(pattern, event_time, c1, …, cN)`: whether events came in this order and at these distances.

mod automaton;
mod pattern;

use std::cmp::Reverse;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Int64Array};
use arrow::datatypes::{DataType, FieldRef};
use datafusion_common::{Result, ScalarValue};
use datafusion_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion_expr::utils::AggregateOrderSensitivity;
use datafusion_expr::{
    Accumulator, AggregateUDFImpl, Documentation, GroupsAccumulator, Signature, Volatility,
};
use datafusion_macros::user_doc;

use self::automaton::Automaton;
use self::pattern::Pattern;
use super::conditions::{Conditions, constant};
use super::streams::{Question, Streams, Visitors, state_fields};
use crate::common::aggregate::{Grouped, Plain};
use crate::common::arguments::{Argument, Arguments, Kind};
use crate::common::sliding::Sliding;
use crate::common::time::nanos_per_tick;

pub(crate) static CALL: Conditions = Conditions {
    function: "sequence_match",
    written: "pattern, event_time, c1, …, cN",
    forms: &[Arguments {
        function: "sequence_match",
        counts: &[2],
        list: &[
            Argument::new("pattern", Kind::Text),
            Argument::new("event_time", Kind::Time),
        ],
    }],
    condition: "c",
    check_text: |form, position, text, conditions| {
        read_pattern(form, position, text, conditions).map(|_| ())
    },
};

#[user_doc(
    doc_section(label = "Clickstream"),
    description = "Whether the events of a visitor contain a pattern: BOOLEAN, false without rows. The events are \
the rows in which at least one condition is true, in the order of their times; those of one time come in the order \
of the conditions. The pattern language is that of ClickHouse. `(?1)` is an event that meets condition 1, `.` any \
event; two that stand side by side follow each other at once. `.*` between them lets any number of events lie \
between. `(?t<=1800)` does so too, and limits the seconds from the event before it to the one after it; it knows \
`<=`, `<`, `>=`, `>`, `==`, several together all hold, and `.*` beside it changes nothing (in ClickHouse a time after \
`.*` counts from where `.*` ends). Takes time in proportion to the events, whatever the pattern.",
    syntax_example = "sequence_match(pattern, event_time, c1, …, cN)",
    sql_example = r"```sql
SELECT visitor, sequence_match('(?1).*(?t<=1800)(?2)', at, (what = 'cart'), (what = 'buy')) AS bought_soon
FROM (VALUES ('ann', TIMESTAMP '2026-06-01 09:00:00', 'cart'), ('ann', TIMESTAMP '2026-06-01 09:30:00', 'buy'),
             ('bob', TIMESTAMP '2026-06-01 09:00:00', 'cart'), ('bob', TIMESTAMP '2026-06-01 09:30:01', 'buy')) AS t(visitor, at, what)
GROUP BY visitor ORDER BY visitor;
+---------+-------------+
| visitor | bought_soon |
+---------+-------------+
| ann     | true        |
| bob     | false       |
+---------+-------------+
```",
    argument(
        name = "pattern",
        description = "Text such as '(?1).*(?t<=1800)(?2)', the same for all rows."
    ),
    argument(
        name = "event_time",
        description = "TIMESTAMP of any unit and zone, or DATE. A row without it is ignored."
    ),
    argument(
        name = "c",
        description = "BOOLEAN, one to 64 of them; NULL is false. A comparison with `=` needs parentheses, as `(what = 'view')`: without them it reads as a named argument."
    )
)]
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct SequenceMatch {
    signature: Signature,
}

impl SequenceMatch {
    pub(crate) fn new() -> Self {
        Self {
            signature: Signature::user_defined(Volatility::Immutable),
        }
    }
}

impl AggregateUDFImpl for SequenceMatch {
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
        CALL.check_types(given).map(|_| DataType::Boolean)
    }

    fn is_nullable(&self) -> bool {
        false
    }

    fn default_value(&self, _data_type: &DataType) -> Result<ScalarValue> {
        Ok(ScalarValue::Boolean(Some(false)))
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        Ok(state_fields(&args))
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(Plain::new(matches(&CALL, &args, Answer::Found)?)))
    }

    fn create_sliding_accumulator(
        &self,
        args: AccumulatorArgs<'_>,
    ) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(Sliding::new(matches(
            &CALL,
            &args,
            Answer::Found,
        )?)))
    }

    fn groups_accumulator_supported(&self, _args: AccumulatorArgs<'_>) -> bool {
        true
    }

    fn create_groups_accumulator(
        &self,
        args: AccumulatorArgs<'_>,
    ) -> Result<Box<dyn GroupsAccumulator>> {
        Ok(Box::new(Grouped(matches(&CALL, &args, Answer::Found)?)))
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}

/// The state of a call.
pub(super) fn matches(
    call: &Conditions,
    args: &AccumulatorArgs<'_>,
    answer: Answer,
) -> Result<Streams<Matches>> {
    let form = &call.forms[0];
    let time = form.list.len() - 1;
    let conditions = args.exprs.len() - time - 1;
    let text = constant(form, args, 0)?;
    let text = text.try_as_str().flatten();
    let text = text.ok_or_else(|| form.invalid(0, "a pattern", "NULL"))?;
    let question = Matches {
        pattern: read_pattern(form, 0, text, conditions)?,
        unit: nanos_per_tick(args.expr_fields[time].data_type())?,
        answer,
    };
    Ok(Streams::new(question, time))
}

pub(super) fn read_pattern(
    form: &Arguments,
    position: usize,
    text: &str,
    conditions: usize,
) -> Result<Pattern> {
    Pattern::parse(text, conditions).map_err(|wrong| {
        let expected = "a pattern such as '(?1).*(?t<=1800)(?2)'";
        form.invalid(position, expected, format!("'{text}': {wrong}"))
    })
}

/// What is asked of the places where a pattern is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// Whether there is one: BOOLEAN.
    Found,
    /// How many there are that do not overlap: BIGINT.
    Count,
}

#[derive(Debug, Clone)]
pub(super) struct Matches {
    pattern: Pattern,
    unit: i128,
    answer: Answer,
}

impl Question for Matches {
    fn needs_blanks(&self) -> bool {
        false
    }

    fn answer(&self, visitors: Visitors<'_>) -> Result<ArrayRef> {
        let mut automaton = Automaton::new(&self.pattern, self.unit);
        let most = match self.answer {
            Answer::Found => 1,
            Answer::Count => u64::MAX,
        };
        let mut counts = Vec::with_capacity(visitors.count());
        visitors.visit(
            |event| Reverse(event.met.reverse_bits()),
            |events| counts.push(automaton.count(events, most) as i64),
        );
        Ok(match self.answer {
            Answer::Found => {
                let found = counts.into_iter().map(|count| count > 0);
                Arc::new(BooleanArray::from(found.collect::<Vec<_>>()))
            }
            Answer::Count => Arc::new(Int64Array::from(counts)),
        })
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
            text in prop::sample::select(vec!["(?1)(?2)", "(?1).*(?2)(?3)", "(?3)(?t<=4)(?1)", "(?1)(?t==3).(?2)"]),
            count: bool,
            seed: u64,
        ) {
            let question = Matches {
                pattern: Pattern::parse(text, 3).unwrap(),
                unit: 1_000_000_000,
                answer: if count { Answer::Count } else { Answer::Found },
            };
            check_group_state(&Streams::new(question, 0), &columns(&rows), seed)?;
        }
    }
}
