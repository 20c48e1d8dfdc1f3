//! Aggregates over moving window frames: `OVER (… ROWS BETWEEN 5 PRECEDING AND CURRENT ROW)`.

use std::collections::VecDeque;

use arrow::array::{Array, ArrayRef};
use arrow::compute::concat;
use datafusion_common::{Result, ScalarValue, not_impl_err};
use datafusion_expr::Accumulator;

use super::aggregate::{GroupState, Plain};

/// A [`GroupState`] of the rows of a moving frame.
///
/// Few states can forget a row, so this one keeps the rows of the frame and starts anew once one has left it: the
/// work for a row is that of its frame. A sum can do better, see `SlidingSum` of `decayed_sum`.
#[derive(Debug)]
pub(crate) struct Sliding<S> {
    empty: S,
    /// The rows of the frame, oldest first, as batches of arguments.
    rows: VecDeque<Vec<ArrayRef>>,
    /// The state of all rows, unless one of them has left since it was made.
    state: Option<Plain<S>>,
}

impl<S: GroupState> Sliding<S> {
    pub(crate) fn new(empty: S) -> Self {
        Self {
            empty,
            rows: VecDeque::new(),
            state: None,
        }
    }

    /// The state of the rows of the frame.
    fn whole(&mut self) -> Result<Plain<S>> {
        let mut state = Plain::new(self.empty.empty());
        // Rows come one by one; one update with all of them costs much less than one for each.
        if self.rows.len() > 1 {
            let columns = self.rows.front().map_or(0, Vec::len);
            let whole = (0..columns).map(|column| {
                let parts: Vec<&dyn Array> = self
                    .rows
                    .iter()
                    .map(|batch| batch[column].as_ref())
                    .collect();
                Ok(concat(&parts)?)
            });
            self.rows = VecDeque::from([whole.collect::<Result<Vec<_>>>()?]);
        }
        for batch in &self.rows {
            state.update_batch(batch)?;
        }
        Ok(state)
    }
}

impl<S: GroupState> Accumulator for Sliding<S> {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        if rows(values) == 0 {
            return Ok(());
        }
        if let Some(state) = &mut self.state {
            state.update_batch(values)?;
        }
        self.rows.push_back(values.to_vec());
        Ok(())
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let mut leaving = rows(values);
        if leaving > 0 {
            self.state = None;
        }
        while leaving > 0
            && let Some(oldest) = self.rows.front_mut()
        {
            let held = rows(oldest);
            if held <= leaving {
                self.rows.pop_front();
            } else {
                for column in oldest {
                    *column = column.slice(leaving, held - leaving);
                }
            }
            leaving = leaving.saturating_sub(held);
        }
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let mut state = match self.state.take() {
            Some(state) => state,
            None => self.whole()?,
        };
        let result = state.evaluate();
        self.state = Some(state);
        result
    }

    fn size(&self) -> usize {
        let columns = self.rows.iter().flatten();
        // Of slices of one batch only what they show.
        let rows = columns.filter_map(|column| column.to_data().get_slice_memory_size().ok());
        let rows: usize = rows.sum();
        size_of_val(self) + rows + self.state.as_ref().map_or(0, Accumulator::size)
    }

    // A window frame is never split over partitions.
    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        not_impl_err!("a window frame has no state")
    }

    fn merge_batch(&mut self, _states: &[ArrayRef]) -> Result<()> {
        not_impl_err!("a window frame has no state")
    }
}

fn rows(columns: &[ArrayRef]) -> usize {
    columns.first().map_or(0, Array::len)
}
