//! Aggregates that need no more of their rows than a few sums and counts.
//!
//! A function is a [`Recipe`]: what a row adds, and what the totals say. [`Tallies`] keeps the totals of many
//! groups in flat records, with sums that do not depend on the order of the rows.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Float64Array, Int64Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef, Float64Type, Int64Type};
use datafusion_common::{Result, exec_err, internal_err};
use datafusion_expr::EmitTo;
use datafusion_expr::utils::format_state_name;
use datafusion_functions_aggregate_common::aggregate::groups_accumulator::nulls::filter_to_nulls;

use super::aggregate::{GroupState, Groups};
use super::arguments::{Arguments, Kind};
use super::sum::DoubleDouble;

/// An aggregate of `N` numbers or labels that keeps `S` sums and `C` counts.
#[derive(Debug)]
pub(crate) struct Recipe<const N: usize, const S: usize, const C: usize> {
    pub(crate) arguments: &'static Arguments,
    pub(crate) add: fn(&mut Total<S, C>, [Option<f64>; N]) -> Result<()>,
    pub(crate) finish: fn(&[Total<S, C>]) -> Result<ArrayRef>,
}

impl<const N: usize, const S: usize, const C: usize> Recipe<N, S, C> {
    /// The state fields of [`Tallies`] of this recipe.
    #[expect(clippy::unused_self, reason = "its type tells how many")]
    pub(crate) fn state_fields(&self, name: &str) -> Vec<FieldRef> {
        let sums = (0..S).flat_map(|sum| {
            [format!("sum_{sum}"), format!("rest_{sum}")].map(|part| (part, DataType::Float64))
        });
        let counts = (0..C).map(|count| (format!("count_{count}"), DataType::Int64));
        sums.chain(counts)
            .map(|(part, data_type)| {
                let name = format_state_name(name, &part);
                Arc::new(Field::new(name, data_type, true))
            })
            .collect()
    }
}

/// The totals of one group.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Total<const S: usize, const C: usize> {
    pub(crate) sums: [DoubleDouble; S],
    pub(crate) counts: [i64; C],
}

impl<const S: usize, const C: usize> Total<S, C> {
    const NONE: Self = Self {
        sums: [DoubleDouble::NONE; S],
        counts: [0; C],
    };

    /// A sum, 0 when it has no term. Not finite after an overflow.
    pub(crate) fn sum(&self, position: usize) -> f64 {
        self.sums[position].value().unwrap_or(0.0)
    }
}

/// The totals of many groups.
#[derive(Debug, Clone)]
pub(crate) struct Tallies<const N: usize, const S: usize, const C: usize> {
    recipe: &'static Recipe<N, S, C>,
    groups: Vec<Total<S, C>>,
}

impl<const N: usize, const S: usize, const C: usize> Tallies<N, S, C> {
    pub(crate) fn new(recipe: &'static Recipe<N, S, C>) -> Self {
        Self {
            recipe,
            groups: Vec::new(),
        }
    }
}

impl<const N: usize, const S: usize, const C: usize> GroupState for Tallies<N, S, C> {
    fn empty(&self) -> Self {
        Self::new(self.recipe)
    }

    fn resize(&mut self, groups: usize) {
        self.groups.resize(groups, Total::NONE);
    }

    fn update(
        &mut self,
        args: &[ArrayRef],
        groups: Groups<'_>,
        filter: Option<&BooleanArray>,
    ) -> Result<()> {
        let arguments = self.recipe.arguments;
        // Labels are booleans or integers; here they are the numbers 0 and 1.
        let columns = args.iter().map(|column| cast(column, &DataType::Float64));
        let columns = columns.collect::<Result<Vec<_>, _>>()?;
        let columns: Vec<&Float64Array> = columns.iter().map(AsArray::as_primitive).collect();
        let Ok(columns) = <[&Float64Array; N]>::try_from(columns) else {
            return internal_err!("{}: expected {N} arguments", arguments.function);
        };
        let filter = filter.map(filter_to_nulls);
        let rows = columns.first().map_or(0, |column| Array::len(*column));
        let mut outcome = Ok(());
        groups.visit(rows, |row, group| {
            if outcome.is_err() || filter.as_ref().is_some_and(|filter| filter.is_null(row)) {
                return;
            }
            let values = columns.map(|column| column.is_valid(row).then(|| column.value(row)));
            outcome = check(arguments, values)
                .and_then(|()| (self.recipe.add)(&mut self.groups[group], values));
        });
        outcome
    }

    fn merge(&mut self, states: &[ArrayRef], groups: Groups<'_>) -> Result<()> {
        if states.len() != 2 * S + C {
            return exec_err!("{}: expected other states", self.recipe.arguments.function);
        }
        let (sums, counts) = states.split_at(2 * S);
        for (position, pair) in sums.chunks(2).enumerate() {
            let hi = pair[0].as_primitive::<Float64Type>();
            let lo = pair[1].as_primitive::<Float64Type>().values();
            groups.visit(hi.len(), |row, group| {
                if hi.is_valid(row) {
                    self.groups[group].sums[position].add_pair(hi.value(row), lo[row]);
                }
            });
        }
        for (position, column) in counts.iter().enumerate() {
            let counts = column.as_primitive::<Int64Type>().values();
            groups.visit(counts.len(), |row, group| {
                self.groups[group].counts[position] += counts[row];
            });
        }
        Ok(())
    }

    fn take(&mut self, emit: EmitTo) -> Self {
        Self {
            recipe: self.recipe,
            groups: emit.take_needed(&mut self.groups),
        }
    }

    fn finish(self) -> Result<ArrayRef> {
        (self.recipe.finish)(&self.groups)
    }

    fn into_state(self) -> Result<Vec<ArrayRef>> {
        let mut columns = Vec::with_capacity(2 * S + C);
        for position in 0..S {
            let sums = self.groups.iter().map(|group| group.sums[position]);
            columns.extend(DoubleDouble::columns(&sums.collect::<Vec<_>>()));
        }
        for position in 0..C {
            let counts = self.groups.iter().map(|group| group.counts[position]);
            columns.push(Arc::new(Int64Array::from_iter_values(counts)));
        }
        Ok(columns)
    }

    fn size(&self) -> usize {
        self.groups.capacity() * size_of::<Total<S, C>>()
    }
}

/// Fails when a known value is outside its range, or a label is neither 0 nor 1.
fn check<const N: usize>(arguments: &Arguments, values: [Option<f64>; N]) -> Result<()> {
    for (position, value) in values.into_iter().enumerate() {
        let Some(value) = value else { continue };
        if arguments.list[position].kind != Kind::Label {
            arguments.check_number(position, value)?;
        } else if !matches!(value, 0.0 | 1.0) {
            return Err(arguments.invalid(position, "BOOLEAN, 0 or 1", value));
        }
    }
    Ok(())
}
