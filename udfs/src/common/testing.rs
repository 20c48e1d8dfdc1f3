//! Events and checks for the tests of aggregates.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BooleanArray, Float64Array, IntervalMonthDayNanoArray, TimestampSecondArray,
    UInt32Array,
};
use arrow::compute::take;
use arrow::datatypes::IntervalMonthDayNano;
use datafusion_common::ScalarValue;
use datafusion_expr::{Accumulator, EmitTo, GroupsAccumulator};
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use super::aggregate::{GroupState, Grouped, Plain};
use super::sliding::Sliding;

/// A weighted event, in seconds.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub(crate) weight: Option<f64>,
    pub(crate) time: Option<i64>,
}

impl Event {
    pub(crate) fn new(weight: f64, time: i64) -> Self {
        Self {
            weight: Some(weight),
            time: Some(time),
        }
    }

    /// (weight, `event_time`, `half_life`, `as_of`) with a half-life of 50 seconds, as of second 1000.
    pub(crate) fn columns(events: &[Self]) -> Vec<ArrayRef> {
        Self::columns_with(events, 50, 1000)
    }

    pub(crate) fn columns_with(events: &[Self], half_life: i64, as_of: i64) -> Vec<ArrayRef> {
        let half_life = IntervalMonthDayNano::new(0, 0, half_life * 1_000_000_000);
        vec![
            Arc::new(
                events
                    .iter()
                    .map(|event| event.weight)
                    .collect::<Float64Array>(),
            ),
            Arc::new(
                events
                    .iter()
                    .map(|event| event.time)
                    .collect::<TimestampSecondArray>(),
            ),
            Arc::new(IntervalMonthDayNanoArray::from_value(
                half_life,
                events.len(),
            )),
            Arc::new(TimestampSecondArray::from_value(as_of, events.len())),
        ]
    }
}

/// Some events, a few of them NULL or after second 1000; the weights are not negative.
pub(crate) fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = (
        proptest::option::weighted(0.9, 0.0..100.0_f64),
        proptest::option::weighted(0.9, 0_i64..1100),
    );
    proptest::collection::vec(
        event.prop_map(|(weight, time)| Event { weight, time }),
        0..60,
    )
}

/// The result over all rows, as one group.
pub(crate) fn plain_result<S: GroupState>(state: &S, args: &[ArrayRef]) -> ScalarValue {
    let mut plain = Plain::new(state.empty());
    plain.update_batch(args).unwrap();
    let first = plain.evaluate().unwrap();
    assert_eq!(
        plain.evaluate().unwrap(),
        first,
        "evaluate must not consume the state"
    );
    first
}

pub(crate) fn float(value: &ScalarValue) -> Option<f64> {
    match value {
        ScalarValue::Float64(value) => *value,
        other => panic!("{other} is no DOUBLE"),
    }
}

/// Checks that every way to aggregate agrees: plain or grouped, in any order, in parts that are merged, with
/// each row as a state of its own, with a filter, and with groups emitted a few at a time.
pub(crate) fn check_group_state<S: GroupState>(
    state: &S,
    args: &[ArrayRef],
    seed: u64,
) -> Result<(), TestCaseError> {
    let mut random = Random(seed | 1);
    let rows = args[0].len();
    let group_count = 1 + random.below(5);
    let groups: Vec<usize> = (0..rows).map(|_| random.below(group_count)).collect();
    let filter = (0..rows)
        .map(|_| match random.below(8) {
            0 => None,
            1 => Some(false),
            _ => Some(true),
        })
        .collect::<BooleanArray>();

    // The reference: each group alone, row after row.
    let expected: Vec<_> = (0..group_count)
        .map(|group| {
            let mine = (0..rows)
                .filter(|&row| groups[row] == group && filter.is_valid(row) && filter.value(row));
            plain_result(state, &picked(args, mine))
        })
        .collect();

    let mut whole = Grouped(state.empty());
    whole
        .update_batch(args, &groups, Some(&filter), group_count)
        .unwrap();
    prop_assert!(whole.size() > size_of::<S>() || rows == 0);
    prop_assert_eq!(
        emitted(&mut whole, EmitTo::All),
        expected.clone(),
        "grouped"
    );

    let mut order: Vec<usize> = (0..rows).collect();
    for row in (1..rows).rev() {
        order.swap(row, random.below(row + 1));
    }
    let part_count = 1 + random.below(4);
    let mut merged = Grouped(state.empty());
    let mut merged_plain: Vec<_> = (0..group_count)
        .map(|_| Plain::new(state.empty()))
        .collect();
    for part in order.chunks(rows.div_ceil(part_count).max(1)) {
        let part_args = picked(args, part.iter().copied());
        let part_groups: Vec<_> = part.iter().map(|&row| groups[row]).collect();
        let part_filter = part
            .iter()
            .map(|&row| filter.is_valid(row).then(|| filter.value(row)))
            .collect::<BooleanArray>();
        let states = if random.below(2) == 0 {
            let converter = Grouped(state.empty());
            let states = converter
                .convert_to_state(&part_args, Some(&part_filter))
                .unwrap();
            merged
                .merge_batch(&states, &part_groups, group_count)
                .unwrap();
            (states, part_groups)
        } else {
            let mut partial = Grouped(state.empty());
            partial
                .update_batch(&part_args, &part_groups, Some(&part_filter), group_count)
                .unwrap();
            let states = partial.state(EmitTo::All).unwrap();
            let all: Vec<_> = (0..group_count).collect();
            merged.merge_batch(&states, &all, group_count).unwrap();
            (states, all)
        };
        for (row, &group) in states.1.iter().enumerate() {
            let state: Vec<_> = states.0.iter().map(|column| column.slice(row, 1)).collect();
            merged_plain[group].merge_batch(&state).unwrap();
        }
    }
    if rows > 0 {
        let first = emitted(&mut merged, EmitTo::First(1));
        prop_assert_eq!(&first[..], &expected[..1], "first group");
        prop_assert_eq!(
            emitted(&mut merged, EmitTo::All),
            expected[1..].to_vec(),
            "other groups"
        );
    }
    for (group, plain) in merged_plain.iter_mut().enumerate() {
        // Through the scalar state once more, as between two stages of a plan.
        let state_row: Vec<_> = plain
            .state()
            .unwrap()
            .iter()
            .map(|value| value.to_array().unwrap())
            .collect();
        let mut last = Plain::new(state.empty());
        last.merge_batch(&state_row).unwrap();
        prop_assert_eq!(
            last.evaluate().unwrap(),
            expected[group].clone(),
            "plain states"
        );
    }
    check_frames(state, args, &mut random)
}

/// Checks that a moving frame gives what its rows alone give.
fn check_frames<S: GroupState>(
    state: &S,
    args: &[ArrayRef],
    random: &mut Random,
) -> Result<(), TestCaseError> {
    let rows = args[0].len();
    let slice = |from: usize, to: usize| -> Vec<ArrayRef> {
        args.iter()
            .map(|column| column.slice(from, to - from))
            .collect()
    };
    let most = 1 + random.below(4);
    let mut sliding = Sliding::new(state.empty());
    let (mut start, mut end) = (0, 0);
    while end < rows {
        let last = end;
        end = rows.min(end + random.below(most + 1));
        sliding.update_batch(&slice(last, end)).unwrap();
        let first = start;
        start = end.min(start + random.below(most + 1));
        sliding.retract_batch(&slice(first, start)).unwrap();
        // An empty frame is not evaluated, but a filter may have emptied it.
        let frame = plain_result(state, &slice(start, end));
        prop_assert_eq!(
            sliding.evaluate().unwrap(),
            frame,
            "frame {}..{}",
            start,
            end
        );
    }
    Ok(())
}

fn emitted<S: GroupState>(grouped: &mut Grouped<S>, emit: EmitTo) -> Vec<ScalarValue> {
    let results = grouped.evaluate(emit).unwrap();
    (0..results.len())
        .map(|row| ScalarValue::try_from_array(&results, row).unwrap())
        .collect()
}

fn picked(args: &[ArrayRef], rows: impl Iterator<Item = usize>) -> Vec<ArrayRef> {
    let rows = UInt32Array::from_iter_values(rows.map(|row| row as u32));
    args.iter()
        .map(|column| take(column, &rows, None).unwrap())
        .collect()
}

/// Marsaglia's xorshift: enough to shuffle.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }
}
