//! One state kernel for both of DataFusion's aggregate interfaces.
//!
//! A function implements [`GroupState`]: the state of many groups. [`Grouped`] offers it for GROUP BY, and
//! [`Plain`] uses it with a single group for everything else, so that the two cannot disagree.

use std::fmt::Debug;

use arrow::array::{ArrayRef, BooleanArray};
use datafusion_common::{Result, ScalarValue};
use datafusion_expr::{Accumulator, EmitTo, GroupsAccumulator};

/// The state of an aggregate for many groups, in flat vectors.
pub(crate) trait GroupState: Clone + Debug + Send + Sync + 'static {
    /// The same aggregate without groups.
    fn empty(&self) -> Self;

    /// Makes room for so many groups.
    fn resize(&mut self, groups: usize);

    /// Adds rows of arguments; those where the filter is not true do not count.
    fn update(
        &mut self,
        args: &[ArrayRef],
        groups: Groups<'_>,
        filter: Option<&BooleanArray>,
    ) -> Result<()>;

    /// Adds rows of state.
    fn merge(&mut self, states: &[ArrayRef], groups: Groups<'_>) -> Result<()>;

    /// Removes the groups to emit; the others move down.
    fn take(&mut self, emit: EmitTo) -> Self;

    /// The results, one row a group.
    fn finish(self) -> Result<ArrayRef>;

    /// The states, one row a group.
    fn into_state(self) -> Result<Vec<ArrayRef>>;

    /// Each row of arguments as a state of its own.
    fn convert(&self, args: &[ArrayRef], filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        let mut state = self.empty();
        state.resize(args.first().map_or(0, |array| array.len()));
        state.update(args, Groups::OneForEachRow, filter)?;
        state.into_state()
    }

    /// Bytes on the heap; called once a batch, so constant time.
    fn size(&self) -> usize;
}

/// Which group each row of a batch belongs to.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Groups<'a> {
    /// All rows to group 0.
    One,
    /// Row i to group i.
    OneForEachRow,
    /// Row i to the group at position i.
    Of(&'a [usize]),
}

impl Groups<'_> {
    /// Calls `visit(row, group)` for the first `rows` rows.
    #[inline]
    pub(crate) fn visit(self, rows: usize, mut visit: impl FnMut(usize, usize)) {
        match self {
            Self::One => (0..rows).for_each(|row| visit(row, 0)),
            Self::OneForEachRow => (0..rows).for_each(|row| visit(row, row)),
            Self::Of(groups) => {
                for (row, &group) in groups.iter().enumerate().take(rows) {
                    visit(row, group);
                }
            }
        }
    }
}

/// A [`GroupState`] of one group.
#[derive(Debug)]
pub(crate) struct Plain<S>(S);

impl<S: GroupState> Plain<S> {
    pub(crate) fn new(mut state: S) -> Self {
        state.resize(1);
        Self(state)
    }
}

impl<S: GroupState> Accumulator for Plain<S> {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.0.update(values, Groups::One, None)
    }

    // A running window evaluates after each row and goes on, so the state stays.
    fn evaluate(&mut self) -> Result<ScalarValue> {
        ScalarValue::try_from_array(&self.0.clone().finish()?, 0)
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.0.size()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let columns = self.0.clone().into_state()?;
        columns
            .iter()
            .map(|column| ScalarValue::try_from_array(column, 0))
            .collect()
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.0.merge(states, Groups::One)
    }
}

/// The result of a group without rows, which subqueries and empty window frames give without asking a state.
pub(crate) fn of_nothing(state: impl GroupState) -> Result<ScalarValue> {
    Plain::new(state).evaluate()
}

/// A [`GroupState`] of many groups.
#[derive(Debug)]
pub(crate) struct Grouped<S>(pub(crate) S);

impl<S: GroupState> GroupsAccumulator for Grouped<S> {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        self.0.resize(total_num_groups);
        self.0.update(values, Groups::Of(group_indices), opt_filter)
    }

    fn merge_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        total_num_groups: usize,
    ) -> Result<()> {
        self.0.resize(total_num_groups);
        self.0.merge(values, Groups::Of(group_indices))
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        self.0.take(emit_to).finish()
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        self.0.take(emit_to).into_state()
    }

    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        opt_filter: Option<&BooleanArray>,
    ) -> Result<Vec<ArrayRef>> {
        self.0.convert(values, opt_filter)
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.0.size()
    }
}
