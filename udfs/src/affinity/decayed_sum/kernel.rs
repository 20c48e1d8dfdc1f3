//! The states of `decayed_sum` and its kin: of many groups, and of a window frame.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Float64Array};
use arrow::datatypes::{DataType, Field, FieldRef, Float64Type};
use datafusion_common::{Result, ScalarValue, exec_err, not_impl_err};
use datafusion_expr::utils::format_state_name;
use datafusion_expr::{Accumulator, EmitTo};

use crate::common::aggregate::{GroupState, Groups};
use crate::common::arguments::Arguments;
use crate::common::decay::decayed_weights;
use crate::common::numbers::finite_result;
use crate::common::sum::{DoubleDouble, ExactSum, known};

/// The state fields of a [`DecayedSums`].
pub(crate) fn state_fields(name: &str) -> Vec<FieldRef> {
    ["sum", "rest"]
        .map(|part| {
            Arc::new(Field::new(
                format_state_name(name, part),
                DataType::Float64,
                true,
            ))
        })
        .to_vec()
}

/// Decayed sums of many groups. `nothing` is the result of a group without events.
#[derive(Debug, Clone)]
pub(crate) struct DecayedSums {
    arguments: &'static Arguments,
    nothing: Option<f64>,
    sums: Vec<DoubleDouble>,
}

impl DecayedSums {
    pub(crate) fn new(arguments: &'static Arguments, nothing: Option<f64>) -> Self {
        Self {
            arguments,
            nothing,
            sums: Vec::new(),
        }
    }
}

impl GroupState for DecayedSums {
    fn empty(&self) -> Self {
        Self::new(self.arguments, self.nothing)
    }

    fn resize(&mut self, groups: usize) {
        self.sums.resize(groups, DoubleDouble::NONE);
    }

    fn update(
        &mut self,
        args: &[ArrayRef],
        groups: Groups<'_>,
        filter: Option<&BooleanArray>,
    ) -> Result<()> {
        let weights = decayed_weights(self.arguments, args, filter)?;
        groups.visit(weights.len(), |row, group| {
            if !weights[row].is_nan() {
                self.sums[group].add(weights[row]);
            }
        });
        Ok(())
    }

    fn merge(&mut self, states: &[ArrayRef], groups: Groups<'_>) -> Result<()> {
        let [sum, rest] = states else {
            return exec_err!("{}: expected two states", self.arguments.function);
        };
        let sum = sum.as_primitive::<Float64Type>();
        let (values, rest) = (sum.values(), rest.as_primitive::<Float64Type>().values());
        let complete = sum.null_count() == 0;
        groups.visit(sum.len(), |row, group| {
            if complete || sum.is_valid(row) {
                self.sums[group].add_pair(values[row], rest[row]);
            }
        });
        Ok(())
    }

    fn take(&mut self, emit: EmitTo) -> Self {
        Self {
            sums: emit.take_needed(&mut self.sums),
            ..self.empty()
        }
    }

    fn finish(self) -> Result<ArrayRef> {
        // NaN stands for nothing until `known` turns it into NULL.
        let nothing = self.nothing.unwrap_or(f64::NAN);
        let results = self.sums.iter().map(|sum| match sum.value() {
            Some(sum) => finite_result(self.arguments, sum),
            None => Ok(nothing),
        });
        Ok(known(results.collect::<Result<_>>()?))
    }

    fn into_state(self) -> Result<Vec<ArrayRef>> {
        Ok(DoubleDouble::columns(&self.sums).to_vec())
    }

    // The hot path of a GROUP BY with few rows a group: no sums, only the weights themselves.
    fn convert(&self, args: &[ArrayRef], filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        let weights = decayed_weights(self.arguments, args, filter)?;
        let rest = Float64Array::from(vec![0.0; weights.len()]);
        Ok(vec![known(weights), Arc::new(rest)])
    }

    fn size(&self) -> usize {
        self.sums.capacity() * size_of::<DoubleDouble>()
    }
}

/// The decayed sum of a moving window frame. A row that leaves is taken out exactly, however large it was.
#[derive(Debug)]
pub(crate) struct SlidingSum {
    arguments: &'static Arguments,
    nothing: Option<f64>,
    sum: ExactSum,
    rows: usize,
}

impl SlidingSum {
    pub(crate) fn new(arguments: &'static Arguments, nothing: Option<f64>) -> Self {
        Self {
            arguments,
            nothing,
            sum: ExactSum::default(),
            rows: 0,
        }
    }
}

impl Accumulator for SlidingSum {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for weight in decayed_weights(self.arguments, values, None)? {
            if !weight.is_nan() {
                self.sum.add(weight);
                self.rows += 1;
            }
        }
        Ok(())
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for weight in decayed_weights(self.arguments, values, None)? {
            if !weight.is_nan() {
                self.sum.add(-weight);
                self.rows -= 1;
            }
        }
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let result = match self.rows {
            0 => self.nothing,
            _ => Some(finite_result(self.arguments, self.sum.value())?),
        };
        Ok(ScalarValue::Float64(result))
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.sum.size()
    }

    // A window frame is never split over partitions.
    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        not_impl_err!("{}: a window frame has no state", self.arguments.function)
    }

    fn merge_batch(&mut self, _states: &[ArrayRef]) -> Result<()> {
        not_impl_err!("{}: a window frame has no state", self.arguments.function)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::ARGUMENTS;
    use super::*;
    use crate::common::aggregate::Plain;
    use crate::common::testing::{Event, check_group_state, events, float, plain_result};

    fn args(events: &[Event]) -> Vec<ArrayRef> {
        Event::columns(events)
    }

    #[test]
    fn weights_halve_and_nothing_is_null() {
        let state = DecayedSums::new(&ARGUMENTS, None);
        let events = [
            Event::new(3.0, 100),
            Event::new(4.0, 90),
            Event::new(9.0, 101),
        ];
        let args = Event::columns_with(&events, 10, 100);
        assert_eq!(float(&plain_result(&state, &args)), Some(5.0));
        assert_eq!(
            float(&plain_result(
                &state,
                &Event::columns_with(&events[2..], 10, 100)
            )),
            None
        );
    }

    #[test]
    fn an_overflow_is_an_error() {
        let state = DecayedSums::new(&ARGUMENTS, None);
        let events = [Event::new(f64::MAX, 0), Event::new(f64::MAX, 0)];
        let mut plain = Plain::new(state);
        plain
            .update_batch(&Event::columns_with(&events, 10, 0))
            .unwrap();
        assert_eq!(
            plain.evaluate().unwrap_err().strip_backtrace(),
            "Execution error: decayed_sum: the result is too large for a DOUBLE"
        );
    }

    proptest! {
        #[test]
        fn every_way_to_aggregate_gives_the_same(events in events(), seed: u64) {
            check_group_state(&DecayedSums::new(&ARGUMENTS, None), &args(&events), seed)?;
        }

        #[test]
        fn a_sliding_window_equals_its_frame(events in events(), width in 1_usize..6) {
            let columns = args(&events);
            let slice = |from: usize, to: usize| -> Vec<ArrayRef> {
                columns.iter().map(|column| column.slice(from, to - from)).collect()
            };
            let mut sliding = SlidingSum::new(&ARGUMENTS, None);
            for end in 1..=events.len() {
                let start = end.saturating_sub(width);
                sliding.update_batch(&slice(end - 1, end)).unwrap();
                if start > 0 {
                    sliding.retract_batch(&slice(start - 1, start)).unwrap();
                }
                let frame = plain_result(&DecayedSums::new(&ARGUMENTS, None), &slice(start, end));
                prop_assert_eq!(sliding.evaluate().unwrap(), frame);
            }
        }

        #[test]
        fn no_score_sees_the_future(events in events(), as_of in 0_i64..2000) {
            let past: Vec<_> = events.iter().filter(|event| event.time.is_some_and(|t| t <= as_of)).cloned().collect();
            let state = DecayedSums::new(&ARGUMENTS, None);
            prop_assert_eq!(
                plain_result(&state, &Event::columns_with(&events, 50, as_of)),
                plain_result(&state, &Event::columns_with(&past, 50, as_of))
            );
        }
    }
}
