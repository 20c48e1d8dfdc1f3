//! `contact_allowed(sent_at, cap, within, as_of)`: whether one more contact stays under the cap.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int64Array};
use arrow::datatypes::{
    DataType, Field, FieldRef, Int64Type, IntervalMonthDayNano, IntervalMonthDayNanoType,
};
use datafusion_common::{Result, ScalarValue, exec_err, internal_err};
use datafusion_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion_expr::utils::{AggregateOrderSensitivity, format_state_name};
use datafusion_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Documentation, EmitTo, GroupsAccumulator,
    Signature, Volatility,
};
use datafusion_functions_aggregate_common::aggregate::groups_accumulator::nulls::filter_to_nulls;
use datafusion_macros::user_doc;

use crate::common::aggregate::{GroupState, Grouped, Groups, Plain, of_nothing};
use crate::common::arguments::{Argument, Arguments, Kind};
use crate::common::literals::{Bound, constant};
use crate::common::sliding::Sliding;
use crate::common::time::{half_life_nanos, nanos_per_tick, ticks};

static ARGUMENTS: Arguments = Arguments {
    function: "contact_allowed",
    counts: &[4],
    list: &[
        Argument::new("sent_at", Kind::Time),
        Argument::new("cap", Kind::Count),
        Argument::new("within", Kind::HalfLife),
        Argument::new("as_of", Kind::Moment),
    ],
};

/// Without rows a literal cap of 0 still says never.
pub(crate) static CALL: Bound = Bound {
    call: &ARGUMENTS,
    bind: |literals| {
        let literal = |position: usize| literals.get(position).copied().flatten().cloned();
        AggregateUDF::from(ContactAllowed {
            first_cap: first_cap(literal(1), literal(3)),
            ..ContactAllowed::new()
        })
    },
};

/// A cap that nothing reaches.
const NO_CAP: i64 = i64::MAX;

#[user_doc(
    doc_section(label = "Channels"),
    description = "Whether one more contact is allowed: fewer than `cap` contacts in the rolling window that ends \
with `as_of` and is `within` long; a contact exactly `within` ago is no longer in it. Contacts after `as_of` and \
NULL times do not count. A NULL cap is no cap, 0 is never; of different caps in a group the lowest counts. Without \
an `as_of` nothing is allowed. Never NULL.",
    syntax_example = "contact_allowed(sent_at, cap, within, as_of)",
    sql_example = r"```sql
SELECT person, contact_allowed(sent_at, 2, INTERVAL '7 days', DATE '2026-06-15') AS allowed
FROM (VALUES ('ann', DATE '2026-06-15'), ('ann', DATE '2026-06-09'), ('bob', DATE '2026-06-15'), ('bob', DATE '2026-06-08'), ('cat', NULL)) AS t(person, sent_at)
GROUP BY person ORDER BY person;
+--------+---------+
| person | allowed |
+--------+---------+
| ann    | false   |
| bob    | true    |
| cat    | true    |
+--------+---------+
```",
    argument(
        name = "sent_at",
        description = "TIMESTAMP of any unit and zone, or DATE."
    ),
    argument(name = "cap", description = "Integer, not negative; NULL for no cap."),
    argument(
        name = "within",
        description = "INTERVAL above zero, or text such as '7 days'; NULL counts all contacts so far. A month counts 30 days, twelve months 365.25 days."
    ),
    argument(
        name = "as_of",
        description = "TIMESTAMP, DATE (its first instant) or text: the moment of the next contact."
    )
)]
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct ContactAllowed {
    signature: Signature,
    /// The cap of a call without rows.
    first_cap: i64,
}

impl ContactAllowed {
    pub(crate) fn new() -> Self {
        Self {
            signature: Signature::user_defined(Volatility::Immutable),
            first_cap: NO_CAP,
        }
    }
}

impl AggregateUDFImpl for ContactAllowed {
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
        ARGUMENTS.check_types(given).map(|_| DataType::Boolean)
    }

    fn is_nullable(&self) -> bool {
        false
    }

    fn default_value(&self, _data_type: &DataType) -> Result<ScalarValue> {
        of_nothing(Contacts::new(self.first_cap))
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        Ok(["contacts", "cap"]
            .map(|part| {
                let name = format_state_name(args.name, part);
                Arc::new(Field::new(name, DataType::Int64, true))
            })
            .to_vec())
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(Plain::new(contacts(&args))))
    }

    fn create_sliding_accumulator(
        &self,
        args: AccumulatorArgs<'_>,
    ) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(Sliding::new(contacts(&args))))
    }

    fn groups_accumulator_supported(&self, _args: AccumulatorArgs<'_>) -> bool {
        true
    }

    fn create_groups_accumulator(
        &self,
        args: AccumulatorArgs<'_>,
    ) -> Result<Box<dyn GroupsAccumulator>> {
        Ok(Box::new(Grouped(contacts(&args))))
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}

/// The cap of a group without rows: a constant holds for it, too.
fn first_cap(cap: Option<ScalarValue>, as_of: Option<ScalarValue>) -> i64 {
    let cap = cap.and_then(|cap| cap.cast_to(&DataType::Int64).ok());
    match (cap, as_of) {
        (_, Some(as_of)) if as_of.is_null() => 0,
        (Some(ScalarValue::Int64(Some(cap))), _) => cap,
        _ => NO_CAP,
    }
}

fn contacts(args: &AccumulatorArgs<'_>) -> Contacts {
    Contacts::new(first_cap(constant(args, 1), constant(args, 3)))
}

/// The contacts of many groups.
#[derive(Debug, Clone)]
struct Contacts {
    first_cap: i64,
    groups: Vec<Counted>,
}

#[derive(Debug, Clone, Copy)]
struct Counted {
    contacts: i64,
    /// The lowest cap.
    cap: i64,
}

impl Contacts {
    fn new(first_cap: i64) -> Self {
        Self {
            first_cap,
            groups: Vec::new(),
        }
    }
}

impl GroupState for Contacts {
    fn empty(&self) -> Self {
        Self::new(self.first_cap)
    }

    fn resize(&mut self, groups: usize) {
        let none = Counted {
            contacts: 0,
            cap: self.first_cap,
        };
        self.groups.resize(groups, none);
    }

    fn update(
        &mut self,
        args: &[ArrayRef],
        groups: Groups<'_>,
        filter: Option<&BooleanArray>,
    ) -> Result<()> {
        let [sent_at, cap, within, as_of] = args else {
            return internal_err!("contact_allowed: expected 4 arguments");
        };
        let filter = filter.map(filter_to_nulls);
        let times = ticks(sent_at)?;
        let moments = ticks(as_of)?;
        let caps = cap.as_primitive::<Int64Type>();
        let lengths = within.as_primitive::<IntervalMonthDayNanoType>();
        let mut windows = Windows::new(sent_at.data_type(), as_of.data_type())?;
        let mut outcome = Ok(());
        groups.visit(times.len(), |row, group| {
            if outcome.is_err() || filter.as_ref().is_some_and(|filter| filter.is_null(row)) {
                return;
            }
            let group = &mut self.groups[group];
            if caps.is_valid(row) {
                outcome = ARGUMENTS.check_count(1, caps.value(row));
                group.cap = group.cap.min(caps.value(row));
            }
            if as_of.is_null(row) {
                group.cap = 0;
            } else if sent_at.is_valid(row) && outcome.is_ok() {
                let length = lengths.is_valid(row).then(|| lengths.value(row));
                match windows.at(moments[row], length) {
                    Ok(window) => group.contacts += i64::from(window.contains(times[row])),
                    Err(error) => outcome = Err(error),
                }
            }
        });
        outcome
    }

    fn merge(&mut self, states: &[ArrayRef], groups: Groups<'_>) -> Result<()> {
        let [contacts, caps] = states else {
            return exec_err!("contact_allowed: expected two states");
        };
        let contacts = contacts.as_primitive::<Int64Type>().values();
        let caps = caps.as_primitive::<Int64Type>().values();
        groups.visit(contacts.len(), |row, group| {
            let group = &mut self.groups[group];
            group.contacts += contacts[row];
            group.cap = group.cap.min(caps[row]);
        });
        Ok(())
    }

    fn take(&mut self, emit: EmitTo) -> Self {
        Self {
            first_cap: self.first_cap,
            groups: emit.take_needed(&mut self.groups),
        }
    }

    fn finish(self) -> Result<ArrayRef> {
        let allowed = self.groups.iter().map(|group| group.contacts < group.cap);
        Ok(Arc::new(BooleanArray::from(allowed.collect::<Vec<_>>())))
    }

    fn into_state(self) -> Result<Vec<ArrayRef>> {
        let column = |part: fn(&Counted) -> i64| -> ArrayRef {
            Arc::new(Int64Array::from_iter_values(self.groups.iter().map(part)))
        };
        Ok(vec![
            column(|group| group.contacts),
            column(|group| group.cap),
        ])
    }

    fn size(&self) -> usize {
        self.groups.capacity() * size_of::<Counted>()
    }
}

/// The ticks after `after` and up to `last`; either end may lie outside the years of the column.
#[derive(Debug, Clone, Copy)]
struct Window {
    after: i128,
    last: i128,
}

impl Window {
    fn contains(self, tick: i64) -> bool {
        let tick = i128::from(tick);
        self.after < tick && tick <= self.last
    }
}

/// Turns moments and lengths into windows; remembers the last one, since it is mostly the same for all rows.
#[derive(Debug)]
struct Windows {
    event_unit: i128,
    unit: i128,
    last: Option<(i64, Option<IntervalMonthDayNano>, Window)>,
}

impl Windows {
    fn new(sent_at: &DataType, as_of: &DataType) -> Result<Self> {
        Ok(Self {
            event_unit: nanos_per_tick(sent_at)?,
            unit: nanos_per_tick(as_of)?,
            last: None,
        })
    }

    fn at(&mut self, as_of: i64, length: Option<IntervalMonthDayNano>) -> Result<Window> {
        if let Some((moment, known, window)) = self.last
            && (moment, known) == (as_of, length)
        {
            return Ok(window);
        }
        let end = i128::from(as_of) * self.unit;
        let after = match length {
            None => i128::MIN,
            Some(length) => {
                let start = end - half_life_nanos(&ARGUMENTS, 2, length)?;
                start.div_euclid(self.event_unit)
            }
        };
        let window = Window {
            after,
            last: end.div_euclid(self.event_unit),
        };
        self.last = Some((as_of, length, window));
        Ok(window)
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{IntervalMonthDayNanoArray, TimestampSecondArray};
    use proptest::prelude::*;

    use super::*;
    use crate::common::testing::{check_group_state, plain_result};

    type Row = (Option<i64>, Option<i64>);

    /// (`sent_at`, cap) in seconds, within 10 seconds up to second 100.
    fn columns(rows: &[Row]) -> Vec<ArrayRef> {
        let within = IntervalMonthDayNano::new(0, 0, 10_000_000_000);
        vec![
            Arc::new(
                rows.iter()
                    .map(|row| row.0)
                    .collect::<TimestampSecondArray>(),
            ),
            Arc::new(rows.iter().map(|row| row.1).collect::<Int64Array>()),
            Arc::new(IntervalMonthDayNanoArray::from_value(within, rows.len())),
            Arc::new(TimestampSecondArray::from_value(100, rows.len())),
        ]
    }

    fn result(rows: &[Row]) -> bool {
        plain_result(&Contacts::new(NO_CAP), &columns(rows)) == ScalarValue::Boolean(Some(true))
    }

    #[test]
    fn the_window_is_open_at_its_start() {
        assert!(!result(&[(Some(91), Some(1))]));
        assert!(result(&[(Some(90), Some(1))]));
        assert!(!result(&[(Some(100), Some(1))]));
        assert!(result(&[(Some(101), Some(1))]), "the future does not count");
    }

    #[test]
    fn no_cap_is_no_cap_and_zero_is_never() {
        assert!(result(&[(Some(99), None); 100]));
        assert!(!result(&[(None, Some(0))]));
        assert!(
            !result(&[(Some(99), Some(5)), (None, Some(1))]),
            "the lowest cap counts"
        );
        assert!(result(&[]));
        let plain = |cap| plain_result(&Contacts::new(cap), &columns(&[]));
        assert_eq!(plain(0), ScalarValue::Boolean(Some(false)));
    }

    #[test]
    fn windows_of_other_units_are_exact() {
        let mut windows =
            Windows::new(&DataType::Date32, &columns(&[])[0].data_type().clone()).unwrap();
        let day = IntervalMonthDayNano::new(0, 1, 0);
        // One second after the first instant of day 10: day 9 began more than a day ago.
        let window = windows.at(10 * 86_400 + 1, Some(day)).unwrap();
        assert!(!window.contains(9) && window.contains(10) && !window.contains(11));
        let window = windows.at(10 * 86_400 - 1, Some(day)).unwrap();
        assert!(!window.contains(8) && window.contains(9) && !window.contains(10));
        let error = windows
            .at(0, Some(IntervalMonthDayNano::new(0, 0, 0)))
            .unwrap_err();
        assert_eq!(
            error.strip_backtrace(),
            "Execution error: contact_allowed: argument 'within' must be an interval above zero, got 0 secs"
        );
    }

    fn rows() -> impl Strategy<Value = Vec<Row>> {
        let time = proptest::option::weighted(0.9, 85_i64..105);
        proptest::collection::vec((time, proptest::option::weighted(0.7, 3_i64..8)), 0..30)
    }

    proptest! {
        #[test]
        fn every_way_to_aggregate_gives_the_same(rows in rows(), first_cap in prop_oneof![Just(NO_CAP), 0_i64..5], seed: u64) {
            check_group_state(&Contacts::new(first_cap), &columns(&rows), seed)?;
        }

        #[test]
        fn equals_the_rule_read_aloud(rows in rows()) {
            let contacts = rows.iter().filter(|row| row.0.is_some_and(|time| 90 < time && time <= 100)).count();
            let cap = rows.iter().filter_map(|row| row.1).min();
            prop_assert_eq!(result(&rows), cap.is_none_or(|cap| (contacts as i64) < cap));
        }
    }
}
