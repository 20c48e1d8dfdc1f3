//! `consented(status, decided_at, as_of)`: the last decision counts, and doubt is a refusal.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion_common::{Result, ScalarValue, exec_err, internal_err};
use datafusion_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion_expr::utils::{AggregateOrderSensitivity, format_state_name};
use datafusion_expr::{
    Accumulator, AggregateUDFImpl, Documentation, EmitTo, GroupsAccumulator, Signature, Volatility,
};
use datafusion_functions_aggregate_common::aggregate::groups_accumulator::nulls::filter_to_nulls;
use datafusion_macros::user_doc;

use crate::common::aggregate::{GroupState, Grouped, Groups, Plain};
use crate::common::arguments::{Argument, Arguments, Kind, at_planning};
use crate::common::literals::Call;
use crate::common::sliding::Sliding;
use crate::common::time::{Cutoffs, event_type, from_ticks, ticks};

static ARGUMENTS: Arguments = Arguments {
    function: "consented",
    counts: &[3],
    list: &[
        Argument::new("status", Kind::Text),
        Argument::new("decided_at", Kind::Time),
        Argument::new("as_of", Kind::Moment),
    ],
};

/// A status that is neither of the two fails at planning, too.
pub(crate) static CALL: Status = Status;

#[derive(Debug)]
pub(crate) struct Status;

impl Call for Status {
    fn function(&self) -> &'static str {
        ARGUMENTS.function
    }

    #[cfg(test)]
    fn names(&self) -> Vec<&'static str> {
        ARGUMENTS.names()
    }

    fn check(&self, literals: &[Option<&ScalarValue>]) -> Result<()> {
        ARGUMENTS.check(literals)?;
        match literals
            .first()
            .copied()
            .flatten()
            .map(ScalarValue::try_as_str)
        {
            Some(Some(Some(status))) => opts_in(status).map(|_| ()).map_err(at_planning),
            _ => Ok(()),
        }
    }
}

#[user_doc(
    doc_section(label = "Channels"),
    description = "Whether a person may be contacted: true when the last decision at or before `as_of` is \
`opt_in`. Opposite decisions at the same time, and an unknown status at the last time, are a refusal; so is no \
decision at all. Never NULL. Any other status is an error.",
    syntax_example = "consented(status, decided_at, as_of)",
    sql_example = r"```sql
SELECT person, consented(status, decided_at, DATE '2026-06-30') AS may_contact
FROM (VALUES ('ann', 'opt_in', DATE '2026-01-01'), ('bob', 'opt_in', DATE '2026-01-01'), ('bob', 'opt_out', DATE '2026-05-01')) AS t(person, status, decided_at)
GROUP BY person ORDER BY person;
+--------+-------------+
| person | may_contact |
+--------+-------------+
| ann    | true        |
| bob    | false       |
+--------+-------------+
```",
    argument(
        name = "status",
        description = "`'opt_in'` or `'opt_out'`, in lower case; NULL is no consent."
    ),
    argument(
        name = "decided_at",
        description = "TIMESTAMP of any unit and zone, or DATE. A row without it is ignored."
    ),
    argument(
        name = "as_of",
        description = "TIMESTAMP, DATE (its first instant) or text; later decisions are ignored."
    )
)]
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct Consented {
    signature: Signature,
}

impl Consented {
    pub(crate) fn new() -> Self {
        Self {
            signature: Signature::user_defined(Volatility::Immutable),
        }
    }
}

impl AggregateUDFImpl for Consented {
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
        Ok(ScalarValue::Boolean(Some(false)))
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        let parts = [
            ("decided_at", event_type(&ARGUMENTS, args.input_fields)?),
            ("opted_in", DataType::Boolean),
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

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(Plain::new(Decisions::new(event_type(
            &ARGUMENTS,
            args.expr_fields,
        )?))))
    }

    fn create_sliding_accumulator(
        &self,
        args: AccumulatorArgs<'_>,
    ) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(Sliding::new(Decisions::new(event_type(
            &ARGUMENTS,
            args.expr_fields,
        )?))))
    }

    fn groups_accumulator_supported(&self, _args: AccumulatorArgs<'_>) -> bool {
        true
    }

    fn create_groups_accumulator(
        &self,
        args: AccumulatorArgs<'_>,
    ) -> Result<Box<dyn GroupsAccumulator>> {
        Ok(Box::new(Grouped(Decisions::new(event_type(
            &ARGUMENTS,
            args.expr_fields,
        )?))))
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}

/// The last decisions of many groups.
#[derive(Debug, Clone)]
struct Decisions {
    time: DataType,
    groups: Vec<Option<Decision>>,
}

#[derive(Debug, Clone, Copy)]
struct Decision {
    tick: i64,
    opted_in: bool,
}

impl Decisions {
    fn new(time: DataType) -> Self {
        Self {
            time,
            groups: Vec::new(),
        }
    }

    /// Keeps the later of two decisions; of two at the same time the refusal.
    fn add(&mut self, group: usize, new: Decision) {
        let last = &mut self.groups[group];
        *last = match *last {
            Some(last) if last.tick > new.tick => Some(last),
            Some(last) if last.tick == new.tick => Some(Decision {
                opted_in: last.opted_in && new.opted_in,
                ..last
            }),
            _ => Some(new),
        };
    }
}

impl GroupState for Decisions {
    fn empty(&self) -> Self {
        Self::new(self.time.clone())
    }

    fn resize(&mut self, groups: usize) {
        self.groups.resize(groups, None);
    }

    fn update(
        &mut self,
        args: &[ArrayRef],
        groups: Groups<'_>,
        filter: Option<&BooleanArray>,
    ) -> Result<()> {
        let [status, decided_at, as_of] = args else {
            return internal_err!("consented: expected 3 arguments");
        };
        let filter = filter.map(filter_to_nulls);
        let kept = NullBuffer::union_many([filter.as_ref(), decided_at.nulls(), as_of.nulls()]);
        let status = status.as_string_view();
        let times = ticks(decided_at)?;
        let moments = ticks(as_of)?;
        let mut cutoffs = Cutoffs::new(decided_at.data_type(), as_of.data_type())?;
        let mut outcome = Ok(());
        groups.visit(status.len(), |row, group| {
            let kept = kept.as_ref().is_none_or(|kept| kept.is_valid(row));
            let tick = times[row];
            if kept
                && cutoffs
                    .at(moments[row])
                    .last_tick
                    .is_some_and(|last| tick <= last)
            {
                let known = status.is_valid(row).then(|| opts_in(status.value(row)));
                match known.unwrap_or(Ok(false)) {
                    Ok(opted_in) => self.add(group, Decision { tick, opted_in }),
                    Err(error) if outcome.is_ok() => outcome = Err(error),
                    Err(_) => {}
                }
            }
        });
        outcome
    }

    fn merge(&mut self, states: &[ArrayRef], groups: Groups<'_>) -> Result<()> {
        let [decided_at, opted_in] = states else {
            return exec_err!("consented: expected two states");
        };
        let times = ticks(decided_at)?;
        let opted_in = opted_in.as_boolean();
        groups.visit(opted_in.len(), |row, group| {
            if decided_at.is_valid(row) {
                let opted_in = opted_in.value(row);
                self.add(
                    group,
                    Decision {
                        tick: times[row],
                        opted_in,
                    },
                );
            }
        });
        Ok(())
    }

    fn take(&mut self, emit: EmitTo) -> Self {
        Self {
            time: self.time.clone(),
            groups: emit.take_needed(&mut self.groups),
        }
    }

    fn finish(self) -> Result<ArrayRef> {
        Ok(Arc::new(self.opted_in()))
    }

    fn into_state(self) -> Result<Vec<ArrayRef>> {
        let times = self
            .groups
            .iter()
            .map(|last| last.map_or(0, |last| last.tick))
            .collect();
        let known = self
            .groups
            .iter()
            .map(Option::is_some)
            .collect::<NullBuffer>();
        let decided_at = from_ticks(times, Some(known), &self.time)?;
        Ok(vec![decided_at, Arc::new(self.opted_in())])
    }

    fn size(&self) -> usize {
        self.groups.capacity() * size_of::<Option<Decision>>()
    }
}

impl Decisions {
    fn opted_in(&self) -> BooleanArray {
        let opted_in = self
            .groups
            .iter()
            .map(|last| last.is_some_and(|last| last.opted_in));
        opted_in.collect::<Vec<_>>().into()
    }
}

/// What a status says.
fn opts_in(status: &str) -> Result<bool> {
    match status {
        "opt_in" => Ok(true),
        "opt_out" => Ok(false),
        other => Err(ARGUMENTS.invalid(0, "'opt_in' or 'opt_out'", format!("'{other}'"))),
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{StringViewArray, TimestampSecondArray};
    use arrow::datatypes::TimeUnit;
    use proptest::prelude::*;

    use super::*;
    use crate::common::testing::{check_group_state, plain_result};

    type Row = (Option<&'static str>, Option<i64>);

    fn columns(rows: &[Row]) -> Vec<ArrayRef> {
        vec![
            Arc::new(rows.iter().map(|row| row.0).collect::<StringViewArray>()),
            Arc::new(
                rows.iter()
                    .map(|row| row.1)
                    .collect::<TimestampSecondArray>(),
            ),
            Arc::new(TimestampSecondArray::from_value(100, rows.len())),
        ]
    }

    fn decisions() -> Decisions {
        Decisions::new(DataType::Timestamp(TimeUnit::Second, None))
    }

    fn result(rows: &[Row]) -> bool {
        plain_result(&decisions(), &columns(rows)) == ScalarValue::Boolean(Some(true))
    }

    const IN: Option<&str> = Some("opt_in");
    const OUT: Option<&str> = Some("opt_out");

    #[test]
    fn the_last_decision_counts_and_doubt_refuses() {
        assert!(result(&[(OUT, Some(1)), (IN, Some(2))]));
        assert!(!result(&[(IN, Some(2)), (OUT, Some(3)), (IN, Some(1))]));
        assert!(
            !result(&[(IN, Some(2)), (OUT, Some(2))]),
            "a tie is a refusal"
        );
        assert!(
            !result(&[(IN, Some(2)), (None, Some(3))]),
            "an unknown status is no consent"
        );
        assert!(
            !result(&[(IN, Some(101))]),
            "a decision in the future is none"
        );
        assert!(result(&[(IN, Some(100)), (OUT, Some(101)), (OUT, None)]));
        assert!(!result(&[]));
    }

    #[test]
    fn another_status_is_an_error_where_the_row_counts() {
        let update = |row| {
            decisions_with(&[row])
                .err()
                .map(|error| error.strip_backtrace())
        };
        assert_eq!(
            update((Some("OPT_IN"), Some(1))).as_deref(),
            Some(
                "Execution error: consented: argument 'status' must be 'opt_in' or 'opt_out', got 'OPT_IN'"
            )
        );
        assert_eq!(update((Some("maybe"), Some(101))), None);
        assert_eq!(update((Some("maybe"), None)), None);
    }

    fn decisions_with(rows: &[Row]) -> Result<Decisions> {
        let mut state = decisions();
        state.resize(1);
        state.update(&columns(rows), Groups::One, None)?;
        Ok(state)
    }

    fn rows() -> impl Strategy<Value = Vec<Row>> {
        let status = prop_oneof![Just(IN), Just(OUT), Just(None)];
        proptest::collection::vec(
            (status, proptest::option::weighted(0.9, 80_i64..105)),
            0..30,
        )
    }

    proptest! {
        #[test]
        fn every_way_to_aggregate_gives_the_same(rows in rows(), seed: u64) {
            check_group_state(&decisions(), &columns(&rows), seed)?;
        }

        #[test]
        fn equals_the_rule_read_aloud(rows in rows()) {
            let counted: Vec<_> = rows.iter().filter_map(|row| Some((row.1.filter(|&t| t <= 100)?, row.0))).collect();
            let last = counted.iter().map(|row| row.0).max();
            let expected = last.is_some()
                && counted.iter().filter(|row| Some(row.0) == last).all(|row| row.1 == IN);
            prop_assert_eq!(result(&rows), expected);
        }
    }
}
