//! Exponential decay of weighted events: `weight · 2^(−age / half_life)`.
//!
//! The kernel works in two steps, so that the loop over rows holds nothing but arithmetic: first the rows are
//! cut into runs of equal (`half_life`, `as_of`), mostly one run a batch, then each run is decayed at once.
//! A row that does not count has the weight NaN.

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{Float64Type, IntervalMonthDayNanoType};
use datafusion_common::{Result, internal_err};
use datafusion_functions_aggregate_common::aggregate::groups_accumulator::nulls::filter_to_nulls;

use super::arguments::Arguments;
use super::time::{Cutoff, Cutoffs, half_life_nanos, ticks};

/// The decayed weight of each row, NaN where the row does not count: a NULL, filtered out, after `as_of`.
///
/// `args` are ([weight,] `event_time`, `half_life`, `as_of`), cast as `arguments` says; without a weight each
/// event weighs 1. Fails when a row that counts has a weight that is not finite or a half-life that is not
/// above zero.
pub(crate) fn decayed_weights(
    arguments: &Arguments,
    args: &[ArrayRef],
    filter: Option<&BooleanArray>,
) -> Result<Vec<f64>> {
    let (weight, times) = args.split_at(args.len().saturating_sub(3));
    let [event_time, half_life, as_of] = times else {
        return internal_err!("{}: too few arguments", arguments.function);
    };
    let half_life_position = weight.len() + 1;
    let filter = filter.map(filter_to_nulls);
    let keep = NullBuffer::union_many([
        filter.as_ref(),
        weight.first().and_then(|weight| weight.nulls()),
        event_time.nulls(),
        as_of.nulls(),
    ]);

    let times = ticks(event_time)?;
    let moments = ticks(as_of)?;
    let half_lives = half_life.as_primitive::<IntervalMonthDayNanoType>();
    let mut cutoffs = Cutoffs::new(event_time.data_type(), as_of.data_type())?;
    let mut weights = Vec::with_capacity(times.len());
    while weights.len() < times.len() {
        let start = weights.len();
        let half_life = half_lives.is_valid(start).then(|| half_lives.value(start));
        let same = |row: usize| {
            moments[row] == moments[start]
                && half_lives.is_valid(row) == half_life.is_some()
                && half_life.is_none_or(|half_life| half_lives.value(row) == half_life)
        };
        let end = (start + 1..times.len())
            .find(|&row| !same(row))
            .unwrap_or(times.len());
        let run = &times[start..end];
        let cutoff = cutoffs.at(moments[start]);
        match half_life.map(|half_life| half_life_nanos(arguments, half_life_position, half_life)) {
            None => weights.extend(run.iter().map(|&tick| undecayed(cutoff, tick))),
            Some(Ok(nanos)) => {
                let rate = -(cutoffs.event_unit() as f64) / nanos as f64;
                weights.extend(run.iter().map(|&tick| factor(cutoff, rate, tick)));
            }
            Some(Err(error)) if (start..end).any(|row| is_kept(keep.as_ref(), row)) => {
                return Err(error);
            }
            Some(Err(_)) => weights.resize(end, f64::NAN),
        }
    }
    if let Some(keep) = keep.filter(|keep| keep.null_count() > 0) {
        for (weight, kept) in weights.iter_mut().zip(&keep) {
            if !kept {
                *weight = f64::NAN;
            }
        }
    }
    if let Some(weight) = weight.first() {
        let values = weight.as_primitive::<Float64Type>().values();
        multiply(arguments, &mut weights, values)?;
    }
    Ok(weights)
}

/// 2^(rate · age) with the age in ticks, NaN for an event after the cut-off.
#[inline]
fn factor(cutoff: Cutoff, rate: f64, tick: i64) -> f64 {
    match cutoff.last_tick {
        // The difference of two i64 fits u64 when it is not negative, even where it overflows i64.
        Some(last) if tick <= last => {
            let age = last.wrapping_sub(tick) as u64 as f64 + cutoff.beyond;
            (rate * age).exp2()
        }
        _ => f64::NAN,
    }
}

#[inline]
fn undecayed(cutoff: Cutoff, tick: i64) -> f64 {
    match cutoff.last_tick {
        Some(last) if tick <= last => 1.0,
        _ => f64::NAN,
    }
}

/// Multiplies each factor by its value; the first value that is not finite is the error, unless its row does
/// not count. A factor is at most 1, so that a finite value cannot overflow here.
fn multiply(arguments: &Arguments, factors: &mut [f64], values: &[f64]) -> Result<()> {
    for (factor, &value) in factors.iter_mut().zip(values) {
        let weight = value * *factor;
        if !weight.is_finite() && !factor.is_nan() {
            arguments.check_number(0, value)?;
        }
        *factor = weight;
    }
    Ok(())
}

fn is_kept(keep: Option<&NullBuffer>, row: usize) -> bool {
    keep.is_none_or(|keep| keep.is_valid(row))
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "these results are exact")]
mod tests {
    use std::sync::Arc;

    use arrow::array::{
        Date32Array, Float64Array, IntervalMonthDayNanoArray, TimestampMillisecondArray,
        TimestampNanosecondArray, TimestampSecondArray,
    };
    use arrow::datatypes::IntervalMonthDayNano;
    use proptest::prelude::*;

    use super::*;
    use crate::common::arguments::{Argument, Kind, Range};

    static ARGUMENTS: Arguments = Arguments {
        function: "f",
        counts: &[4],
        list: &[
            Argument::new("weight", Kind::Number(Range::Finite)),
            Argument::new("event_time", Kind::Time),
            Argument::new("half_life", Kind::HalfLife),
            Argument::new("as_of", Kind::Moment),
        ],
    };

    fn weights(args: &[ArrayRef]) -> Result<Vec<f64>> {
        decayed_weights(&ARGUMENTS, args, None)
    }

    fn seconds(values: Vec<Option<i64>>) -> ArrayRef {
        Arc::new(TimestampSecondArray::from(values))
    }

    fn half_lives(seconds: &[Option<i64>]) -> ArrayRef {
        Arc::new(
            seconds
                .iter()
                .map(|seconds| {
                    seconds.map(|seconds| IntervalMonthDayNano::new(0, 0, seconds * 1_000_000_000))
                })
                .collect::<IntervalMonthDayNanoArray>(),
        )
    }

    #[test]
    fn nulls_and_the_future_do_not_count_and_no_half_life_is_no_decay() {
        let times = seconds(vec![Some(0), Some(11), None, Some(0), Some(0), Some(10)]);
        let half = half_lives(&[Some(5), Some(5), Some(5), None, Some(5), Some(5)]);
        let as_of = seconds(vec![Some(10), Some(10), Some(10), Some(10), None, Some(10)]);
        let weights = weights(&[times, half, as_of]).unwrap();
        let counted: Vec<_> = weights
            .iter()
            .map(|w| (!w.is_nan()).then_some(*w))
            .collect();
        assert_eq!(
            counted,
            [Some(0.25), None, None, Some(1.0), None, Some(1.0)]
        );
    }

    #[test]
    fn an_event_in_the_same_tick_as_a_finer_as_of_counts_only_from_its_start() {
        let millis: ArrayRef = Arc::new(TimestampMillisecondArray::from(vec![1000, 1001, 1002]));
        let nanos: ArrayRef = Arc::new(TimestampNanosecondArray::from(vec![1_001_500_000; 3]));
        let weights = weights(&[millis, half_lives(&[Some(1); 3]), nanos]).unwrap();
        assert_eq!(weights[0], (-0.001_5_f64).exp2());
        assert_eq!(weights[1], (-0.000_5_f64).exp2());
        assert!(weights[2].is_nan());
    }

    #[test]
    fn a_date_starts_at_midnight() {
        let times = seconds(vec![Some(86_399), Some(86_400), Some(86_401)]);
        let as_of: ArrayRef = Arc::new(Date32Array::from(vec![1; 3]));
        let weights = weights(&[times, half_lives(&[None; 3]), as_of]).unwrap();
        assert_eq!(weights[..2], [1.0, 1.0]);
        assert!(weights[2].is_nan());
    }

    #[test]
    fn errors_name_what_is_wrong_unless_the_row_does_not_count() {
        let error = |weight: f64, half_life, time| {
            let weight: ArrayRef = Arc::new(Float64Array::from(vec![weight]));
            let half = half_lives(&[Some(half_life)]);
            weights(&[weight, seconds(vec![time]), half, seconds(vec![Some(0)])])
                .err()
                .map(|error| error.strip_backtrace())
        };
        let text = "Execution error: f: argument";
        assert_eq!(
            error(f64::NAN, 1, Some(0)),
            Some(format!("{text} 'weight' must be a finite number, got NaN"))
        );
        assert_eq!(
            error(f64::NEG_INFINITY, 1, Some(-2000)),
            Some(format!("{text} 'weight' must be a finite number, got -inf"))
        );
        let half_life = error(1.0, 0, Some(0)).unwrap();
        assert!(half_life.starts_with(&format!(
            "{text} 'half_life' must be an interval above zero"
        )));
        assert_eq!(error(f64::NAN, 0, None), None);
        assert_eq!(error(f64::NAN, 1, Some(1)), None);
    }

    proptest! {
        #[test]
        fn equals_the_formula_for_half_lives_from_a_minute_to_ten_years(
            half_life in 60_i64..315_576_000,
            half_lives_of_age in 0.0..1000.0_f64,
            as_of in -3_000_000_000_i64..3_000_000_000,
            weight in -1e6..1e6_f64,
        ) {
            let age = (half_lives_of_age * half_life as f64).min(6e9) as i64;
            let args: [ArrayRef; 4] = [
                Arc::new(Float64Array::from(vec![weight])),
                seconds(vec![Some(as_of - age)]),
                half_lives(&[Some(half_life)]),
                Arc::new(TimestampNanosecondArray::from(vec![as_of * 1_000_000_000])),
            ];
            let got = weights(&args).unwrap()[0];
            let expected = weight * (-std::f64::consts::LN_2 * (age as f64 / half_life as f64)).exp();
            prop_assert!((got - expected).abs() <= 1e-12 * expected.abs(), "{got} {expected}");
        }

        #[test]
        fn runs_do_not_change_the_result(
            rows in proptest::collection::vec((0_i64..50, proptest::option::of(1_i64..4), 20_i64..30), 1..60),
        ) {
            let times = seconds(rows.iter().map(|row| Some(row.0)).collect());
            let half: Vec<_> = rows.iter().map(|row| row.1).collect();
            let as_of = seconds(rows.iter().map(|row| Some(row.2)).collect());
            let args = [times, half_lives(&half), as_of];
            let together = weights(&args).unwrap();
            for (row, together) in together.iter().enumerate() {
                let one: Vec<_> = args.iter().map(|array| array.slice(row, 1)).collect();
                prop_assert_eq!(weights(&one).unwrap()[0].to_bits(), together.to_bits());
            }
        }
    }
}
