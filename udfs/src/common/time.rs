//! Points in time and half-lives, exact in integers.
//!
//! Times stay in the unit of their column. A point of reference (`as_of`) is rounded down to that unit and
//! keeps the rest aside, so that "after `as_of`" is an integer comparison and an age is one integer difference:
//! no epoch value ever becomes a float, which could not hold its nanoseconds.

use std::borrow::Cow;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Date32Array, Int64Array, IntervalMonthDayNanoArray, make_array,
};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{
    DataType, Date32Type, Date64Type, FieldRef, IntervalMonthDayNano, TimeUnit,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    TimestampSecondType,
};
use arrow::util::display::array_value_to_string;
use datafusion_common::{Result, internal_datafusion_err, internal_err};

use super::arguments::{Arguments, Kind};

const DAY: i128 = 86_400_000_000_000;
/// 365.25 days: twelve months of a half-life are a Julian year.
const YEAR: i128 = DAY * 1461 / 4;

/// The length of a half-life in nanoseconds: a month is 30 days, twelve months are 365.25 days.
/// Fails when it is not above zero; `position` is that of the argument.
pub(crate) fn half_life_nanos(
    arguments: &Arguments,
    position: usize,
    half_life: IntervalMonthDayNano,
) -> Result<i128> {
    let months = i128::from(half_life.months);
    let nanos = months / 12 * YEAR
        + months % 12 * 30 * DAY
        + i128::from(half_life.days) * DAY
        + i128::from(half_life.nanoseconds);
    if nanos <= 0 {
        let got = IntervalMonthDayNanoArray::from_value(half_life, 1);
        let got = array_value_to_string(&got, 0)?;
        return Err(arguments.invalid(position, "an interval above zero", got));
    }
    Ok(nanos)
}

/// The length of an interval in whole ticks of so many nanoseconds, rounded down: two ticks are at most an interval
/// apart when their difference is at most this. Fails like [`half_life_nanos`].
pub(crate) fn interval_ticks(
    arguments: &Arguments,
    position: usize,
    interval: IntervalMonthDayNano,
    unit: i128,
) -> Result<i64> {
    let ticks = half_life_nanos(arguments, position, interval)? / unit;
    Ok(i64::try_from(ticks).unwrap_or(i64::MAX))
}

/// The type of the first argument that is a time.
pub(crate) fn event_type(arguments: &Arguments, fields: &[FieldRef]) -> Result<DataType> {
    let mut columns = arguments.list.iter().zip(fields);
    let time = columns.find(|(argument, _)| argument.kind == Kind::Time);
    time.map(|(_, field)| field.data_type().clone())
        .ok_or_else(|| internal_datafusion_err!("{}: no time", arguments.function))
}

/// Nanoseconds in one tick of a TIMESTAMP or DATE type.
pub(crate) fn nanos_per_tick(data_type: &DataType) -> Result<i128> {
    Ok(match data_type {
        DataType::Timestamp(TimeUnit::Second, _) => 1_000_000_000,
        DataType::Timestamp(TimeUnit::Millisecond, _) | DataType::Date64 => 1_000_000,
        DataType::Timestamp(TimeUnit::Microsecond, _) => 1_000,
        DataType::Timestamp(TimeUnit::Nanosecond, _) => 1,
        DataType::Date32 => DAY,
        other => return internal_err!("{other} is no time"),
    })
}

/// The ticks of a TIMESTAMP or DATE array since 1970, in UTC; undefined where the array is NULL.
pub(crate) fn ticks(array: &ArrayRef) -> Result<Cow<'_, [i64]>> {
    let borrowed: &[i64] = match array.data_type() {
        DataType::Timestamp(TimeUnit::Second, _) => {
            array.as_primitive::<TimestampSecondType>().values()
        }
        DataType::Timestamp(TimeUnit::Millisecond, _) => {
            array.as_primitive::<TimestampMillisecondType>().values()
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            array.as_primitive::<TimestampMicrosecondType>().values()
        }
        DataType::Timestamp(TimeUnit::Nanosecond, _) => {
            array.as_primitive::<TimestampNanosecondType>().values()
        }
        DataType::Date64 => array.as_primitive::<Date64Type>().values(),
        DataType::Date32 => {
            let days = array.as_primitive::<Date32Type>().values().iter();
            return Ok(Cow::Owned(days.map(|&day| i64::from(day)).collect()));
        }
        other => return internal_err!("{other} is no time"),
    };
    Ok(Cow::Borrowed(borrowed))
}

/// The array of type `data_type` that has these ticks: the reverse of [`ticks`].
pub(crate) fn from_ticks(
    ticks: Vec<i64>,
    nulls: Option<NullBuffer>,
    data_type: &DataType,
) -> Result<ArrayRef> {
    if data_type == &DataType::Date32 {
        let days = ticks
            .into_iter()
            .map(|tick| tick as i32)
            .collect::<Vec<_>>();
        return Ok(Arc::new(Date32Array::new(days.into(), nulls)));
    }
    let data = Int64Array::new(ticks.into(), nulls).into_data();
    Ok(make_array(
        data.into_builder().data_type(data_type.clone()).build()?,
    ))
}

/// A point of reference in the ticks of an event column.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Cutoff {
    /// The last tick that is not after it; `None` when every event is.
    pub(crate) last_tick: Option<i64>,
    /// How far it lies after `last_tick`, in ticks.
    pub(crate) beyond: f64,
}

/// Turns points of reference into cut-offs; remembers the last one, since it is mostly the same for all rows.
#[derive(Debug, Clone)]
pub(crate) struct Cutoffs {
    event_unit: i128,
    unit: i128,
    last: Option<(i64, Cutoff)>,
}

impl Cutoffs {
    pub(crate) fn new(event_time: &DataType, as_of: &DataType) -> Result<Self> {
        Ok(Self {
            event_unit: nanos_per_tick(event_time)?,
            unit: nanos_per_tick(as_of)?,
            last: None,
        })
    }

    /// Nanoseconds in one tick of the event column.
    pub(crate) fn event_unit(&self) -> i128 {
        self.event_unit
    }

    pub(crate) fn at(&mut self, as_of: i64) -> Cutoff {
        if let Some((known, cutoff)) = self.last
            && known == as_of
        {
            return cutoff;
        }
        let nanos = i128::from(as_of) * self.unit;
        let floor = nanos.div_euclid(self.event_unit);
        let rest = nanos.rem_euclid(self.event_unit) as f64 / self.event_unit as f64;
        // A cut-off beyond the years that the column can hold keeps the distance in `beyond`.
        let last_tick = floor.min(i128::from(i64::MAX));
        let cutoff = Cutoff {
            last_tick: i64::try_from(last_tick).ok(),
            beyond: (floor - last_tick) as f64 + rest,
        };
        self.last = Some((as_of, cutoff));
        cutoff
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::arguments::Argument;

    static ARGUMENTS: Arguments = Arguments {
        function: "f",
        counts: &[1],
        list: &[Argument::new("half_life", Kind::HalfLife)],
    };
    const SECOND: DataType = DataType::Timestamp(TimeUnit::Second, None);
    const NANOSECOND: DataType = DataType::Timestamp(TimeUnit::Nanosecond, None);

    #[test]
    fn a_month_is_thirty_days_and_a_year_is_julian() {
        let nanos = |months, days, nanos| {
            half_life_nanos(
                &ARGUMENTS,
                0,
                IntervalMonthDayNano::new(months, days, nanos),
            )
            .unwrap()
        };
        assert_eq!(nanos(1, 0, 0), 30 * DAY);
        assert_eq!(nanos(12, 0, 0) * 4, 1461 * DAY);
        assert_eq!(nanos(14, 3, 7), YEAR + 63 * DAY + 7);
        assert_eq!(nanos(1, -29, 0), DAY);
    }

    #[test]
    fn a_half_life_must_be_above_zero() {
        for (days, shown) in [(0, "0 secs"), (-1, "-1 days")] {
            let error = half_life_nanos(&ARGUMENTS, 0, IntervalMonthDayNano::new(0, days, 0));
            assert_eq!(
                error.unwrap_err().strip_backtrace(),
                format!(
                    "Execution error: f: argument 'half_life' must be an interval above zero, got {shown}"
                )
            );
        }
    }

    #[test]
    fn a_cutoff_is_rounded_down_and_keeps_the_rest() {
        let mut cutoffs = Cutoffs::new(&SECOND, &NANOSECOND).unwrap();
        let expected = |last_tick, beyond| Cutoff {
            last_tick: Some(last_tick),
            beyond,
        };
        assert_eq!(cutoffs.at(2_250_000_000), expected(2, 0.25));
        assert_eq!(cutoffs.at(-250_000_000), expected(-1, 0.75));
        assert_eq!(cutoffs.at(3_000_000_000), expected(3, 0.0));
    }

    #[test]
    fn a_cutoff_outside_the_column_is_still_exact() {
        let mut cutoffs = Cutoffs::new(&NANOSECOND, &DataType::Date32).unwrap();
        let year_2400 = cutoffs.at(157_054);
        assert_eq!(year_2400.last_tick, Some(i64::MAX));
        assert!((i64::MAX as f64 + year_2400.beyond - 157_054.0 * DAY as f64).abs() < 4096.0);
        assert_eq!(cutoffs.at(-157_054).last_tick, None);
    }

    #[test]
    fn ticks_survive_the_way_back() {
        for data_type in [
            SECOND,
            NANOSECOND,
            DataType::Timestamp(TimeUnit::Millisecond, Some("Europe/Paris".into())),
            DataType::Date32,
            DataType::Date64,
        ] {
            let array = from_ticks(vec![-3, 0, 86_400_000], None, &data_type).unwrap();
            assert_eq!(array.data_type(), &data_type);
            assert_eq!(ticks(&array).unwrap().as_ref(), [-3, 0, 86_400_000]);
        }
    }
}
