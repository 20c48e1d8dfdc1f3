//! `sessionize(event_time, gap [, max_length])`: the number of the visit that an event belongs to.

pub(crate) mod exec;
mod sort;

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array};
use arrow::compute::SortOptions;
use arrow::datatypes::{DataType, Field, FieldRef, IntervalMonthDayNano, IntervalMonthDayNanoType};
use datafusion_common::{Result, ScalarValue, exec_datafusion_err, internal_err, plan_err};
use datafusion_expr::expr::Sort as SortExpr;
use datafusion_expr::function::{PartitionEvaluatorArgs, WindowUDFFieldArgs};
use datafusion_expr::{Documentation, PartitionEvaluator, Signature, Volatility, WindowUDFImpl};
use datafusion_macros::user_doc;

use crate::common::arguments::{Argument, Arguments, Kind};
use crate::common::literals::Call;
use crate::common::time::{interval_ticks, nanos_per_tick, ticks};

static ARGUMENTS: Arguments = Arguments {
    function: "sessionize",
    counts: &[2, 3],
    list: &[
        Argument::new("event_time", Kind::Time),
        Argument::new("gap", Kind::HalfLife),
        Argument::new("max_length", Kind::HalfLife),
    ],
};

pub(crate) static CALL: Window = Window;

/// The arguments, and the order of the window: numbers that never fall let an aggregate by session run without a sort.
#[derive(Debug)]
pub(crate) struct Window;

impl Call for Window {
    fn function(&self) -> &'static str {
        ARGUMENTS.function
    }

    #[cfg(test)]
    fn names(&self) -> Vec<&'static str> {
        ARGUMENTS.names()
    }

    fn check(&self, literals: &[Option<&ScalarValue>]) -> Result<()> {
        ARGUMENTS.check(literals)
    }

    fn check_order(&self, order_by: &[SortExpr]) -> Result<()> {
        let hint = "hint: OVER (PARTITION BY visitor ORDER BY event_time)";
        match order_by.first() {
            None => plan_err!("sessionize: the window has no ORDER BY; {hint}"),
            Some(first) if first.asc && !first.nulls_first => Ok(()),
            Some(first) => plan_err!(
                "sessionize: the window must be in ascending order with NULLS LAST, got {first}; {hint}"
            ),
        }
    }
}

#[user_doc(
    doc_section(label = "Clickstream"),
    description = "The session of each event of a visitor, BIGINT from 1: a new session starts when the pause \
since the event before is longer than `gap`, or when the session would grow longer than `max_length`; a pause of \
exactly `gap` stays. Needs ORDER BY event_time. NULL where the time is NULL; such a row is ignored.",
    syntax_example = "sessionize(event_time, gap [, max_length]) OVER (PARTITION BY visitor ORDER BY event_time)",
    sql_example = r"```sql
SELECT visitor, at, sessionize(at, INTERVAL '30 minutes') OVER (PARTITION BY visitor ORDER BY at) AS session
FROM (VALUES ('ann', TIMESTAMP '2026-06-01 09:00:00'), ('ann', TIMESTAMP '2026-06-01 09:30:00'),
             ('ann', TIMESTAMP '2026-06-01 10:15:00'), ('bob', TIMESTAMP '2026-06-01 09:10:00')) AS t(visitor, at)
ORDER BY visitor, at;
+---------+---------------------+---------+
| visitor | at                  | session |
+---------+---------------------+---------+
| ann     | 2026-06-01T09:00:00 | 1       |
| ann     | 2026-06-01T09:30:00 | 1       |
| ann     | 2026-06-01T10:15:00 | 2       |
| bob     | 2026-06-01T09:10:00 | 1       |
+---------+---------------------+---------+
```",
    argument(
        name = "event_time",
        description = "TIMESTAMP of any unit and zone, or DATE; the column of ORDER BY."
    ),
    argument(
        name = "gap",
        description = "INTERVAL above zero, or text such as '30 minutes': the longest pause within a session; NULL means that no pause ends one."
    ),
    argument(
        name = "max_length",
        description = "INTERVAL above zero, or text: the longest time from the first to the last event of a session; without it or with NULL there is no limit."
    )
)]
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct Sessionize {
    signature: Signature,
}

impl Sessionize {
    pub(crate) fn new() -> Self {
        Self {
            signature: Signature::user_defined(Volatility::Immutable),
        }
    }
}

impl WindowUDFImpl for Sessionize {
    fn name(&self) -> &str {
        ARGUMENTS.function
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        Ok(ARGUMENTS.coerce(given))
    }

    fn field(&self, args: WindowUDFFieldArgs<'_>) -> Result<FieldRef> {
        let given = args.input_fields().iter();
        let given: Vec<_> = given.map(|field| field.data_type().clone()).collect();
        ARGUMENTS.check_types(&given)?;
        Ok(Arc::new(Field::new(args.name(), DataType::Int64, true)))
    }

    fn partition_evaluator(
        &self,
        _args: PartitionEvaluatorArgs<'_>,
    ) -> Result<Box<dyn PartitionEvaluator>> {
        Ok(Box::new(Sessions::default()))
    }

    // Within a visitor the numbers never fall, and NULLs come last, as [`Window`] makes sure of.
    fn sort_options(&self) -> Option<SortOptions> {
        Some(SortOptions::new(false, false))
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}

/// The session that is open, across batches.
#[derive(Debug, Default)]
struct Sessions(Session);

impl Sessions {
    /// Numbers the rows of a batch, which are those of these visitors one after the other; the first of them may go on
    /// from the batch before.
    fn number(
        &mut self,
        args: &[ArrayRef],
        visitors: &[Range<usize>],
        goes_on: bool,
    ) -> Result<ArrayRef> {
        let [event_time, limits @ ..] = args else {
            return internal_err!("sessionize: expected 2 or 3 arguments");
        };
        let unit = nanos_per_tick(event_time.data_type())?;
        let times = ticks(event_time)?;
        let mut gap = Limit::new(1, limits.first(), unit);
        let mut max_length = Limit::new(2, limits.get(1), unit);
        let known = event_time.nulls();
        let mut numbers = Vec::with_capacity(times.len());
        for (position, visitor) in visitors.iter().enumerate() {
            if position > 0 || !goes_on {
                self.0 = Session::default();
            }
            for row in visitor.clone() {
                if known.is_none_or(|known| known.is_valid(row)) {
                    self.0.add(times[row], gap.at(row)?, max_length.at(row)?)?;
                }
                numbers.push(self.0.number);
            }
        }
        Ok(Arc::new(Int64Array::new(numbers.into(), known.cloned())))
    }
}

impl PartitionEvaluator for Sessions {
    fn evaluate_all(&mut self, args: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
        self.number(args, std::slice::from_ref(&(0..rows)), false)
    }
}

/// The session that is open.
#[derive(Debug, Default)]
struct Session {
    number: i64,
    start: i64,
    last: i64,
}

impl Session {
    fn add(&mut self, tick: i64, gap: i64, max_length: i64) -> Result<()> {
        if self.number > 0 {
            if tick < self.last {
                return Err(exec_datafusion_err!(
                    "sessionize: the events must come in the order of 'event_time'; hint: OVER (PARTITION BY visitor ORDER BY event_time)"
                ));
            }
            let stays = tick.saturating_sub(self.last) <= gap
                && tick.saturating_sub(self.start) <= max_length;
            if stays {
                self.last = tick;
                return Ok(());
            }
        }
        *self = Self {
            number: self.number + 1,
            start: tick,
            last: tick,
        };
        Ok(())
    }
}

/// A column of intervals in ticks; remembers the last one, since it is mostly the same for all rows.
#[derive(Debug)]
struct Limit<'a> {
    position: usize,
    column: Option<&'a ArrayRef>,
    unit: i128,
    last: Option<(IntervalMonthDayNano, i64)>,
}

impl<'a> Limit<'a> {
    fn new(position: usize, column: Option<&'a ArrayRef>, unit: i128) -> Self {
        Self {
            position,
            column,
            unit,
            last: None,
        }
    }

    /// The limit of a row in whole ticks; the largest number when there is none.
    fn at(&mut self, row: usize) -> Result<i64> {
        let Some(column) = self.column.filter(|column| column.is_valid(row)) else {
            return Ok(i64::MAX);
        };
        let interval = column.as_primitive::<IntervalMonthDayNanoType>().value(row);
        if let Some((known, ticks)) = self.last
            && known == interval
        {
            return Ok(ticks);
        }
        let ticks = interval_ticks(&ARGUMENTS, self.position, interval, self.unit)?;
        self.last = Some((interval, ticks));
        Ok(ticks)
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{IntervalMonthDayNanoArray, TimestampSecondArray};
    use arrow::datatypes::Int64Type;
    use proptest::prelude::*;

    use super::*;

    fn numbers(
        times: &[Option<i64>],
        gap: i64,
        max_length: Option<i64>,
    ) -> Result<Vec<Option<i64>>> {
        let seconds = |n: i64| IntervalMonthDayNano::new(0, 0, n * 1_000_000_000);
        let mut args: Vec<ArrayRef> = vec![
            Arc::new(TimestampSecondArray::from(times.to_vec())),
            Arc::new(IntervalMonthDayNanoArray::from_value(
                seconds(gap),
                times.len(),
            )),
        ];
        if let Some(max_length) = max_length {
            args.push(Arc::new(IntervalMonthDayNanoArray::from_value(
                seconds(max_length),
                times.len(),
            )));
        }
        let result = Sessions::default().evaluate_all(&args, times.len())?;
        Ok(result.as_primitive::<Int64Type>().iter().collect())
    }

    fn known(times: &[i64], gap: i64, max_length: Option<i64>) -> Vec<i64> {
        let times: Vec<_> = times.iter().copied().map(Some).collect();
        let numbers = numbers(&times, gap, max_length).unwrap();
        numbers.into_iter().map(Option::unwrap).collect()
    }

    #[test]
    fn a_pause_of_exactly_the_gap_stays() {
        assert_eq!(known(&[-5, 5, 15, 26, 26], 10, None), [1, 1, 1, 2, 2]);
        assert_eq!(known(&[], 10, None), [0; 0]);
    }

    #[test]
    fn a_session_does_not_grow_longer_than_its_limit() {
        assert_eq!(known(&[0, 8, 16, 24, 32], 10, Some(16)), [1, 1, 1, 2, 2]);
        assert_eq!(
            known(&[i64::MIN, 0, i64::MAX], 10, Some(20)),
            [1, 2, 3],
            "no overflow"
        );
    }

    #[test]
    fn a_row_without_time_is_ignored() {
        assert_eq!(
            numbers(&[None, Some(0), None, Some(11), None], 10, None).unwrap(),
            [None, Some(1), None, Some(2), None]
        );
    }

    #[test]
    fn events_must_be_in_order() {
        let error = numbers(&[Some(1), Some(0)], 10, None).unwrap_err();
        assert_eq!(
            error.strip_backtrace(),
            "Execution error: sessionize: the events must come in the order of 'event_time'; \
             hint: OVER (PARTITION BY visitor ORDER BY event_time)"
        );
    }

    proptest! {
        #[test]
        fn sessions_keep_their_limits_and_cannot_be_joined(
            mut times in proptest::collection::vec(0_i64..300, 1..40),
            gap in 1_i64..20,
            max_length in 1_i64..60,
        ) {
            times.sort_unstable();
            let numbers = known(&times, gap, Some(max_length));
            prop_assert_eq!(numbers[0], 1);
            let start = |number: i64| times[numbers.iter().position(|&n| n == number).unwrap()];
            for row in 1..times.len() {
                let longer = times[row] - times[row - 1] > gap;
                let grown = times[row] - start(numbers[row - 1]) > max_length;
                let step = numbers[row] - numbers[row - 1];
                prop_assert_eq!(step, i64::from(longer || grown));
            }
        }
    }
}
