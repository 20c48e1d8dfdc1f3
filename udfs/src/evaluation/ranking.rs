//! The state of every measure of a ranking: scored and labelled rows, kept until the end.
//!
//! The rows of all groups stand in one flat table in order of arrival and are sorted into groups when groups are
//! emitted; a vector for each group would cost an allocation a group.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float64Array, LargeListArray, StructArray,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{DataType, Field, FieldRef, Fields, Float64Type};
use datafusion_common::{Result, exec_err, internal_err};
use datafusion_expr::EmitTo;
use datafusion_expr::utils::format_state_name;
use datafusion_functions_aggregate_common::aggregate::groups_accumulator::nulls::filter_to_nulls;

use crate::common::aggregate::{GroupState, Groups};
use crate::common::arguments::Arguments;
use crate::common::labels::Labels;
use crate::common::numbers::doubles;
use crate::common::sum::known;

/// A score and whether its row is a hit.
pub(crate) type Scored = (f64, bool);

/// A measure of one group. Its arguments are (score, label [, cut]); the kernel gets the rows by score,
/// ascending, and the cut, which is NaN for a measure that has none.
#[derive(Debug)]
pub(crate) struct Measure {
    pub(crate) arguments: &'static Arguments,
    pub(crate) kernel: Kernel,
}

/// What a measure makes of the rows and the cut of one group.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kernel {
    /// DOUBLE.
    Number(fn(&[Scored], f64) -> Option<f64>),
    /// STRUCT<auc, low, high>.
    Interval(fn(&[Scored]) -> Option<[f64; 3]>),
}

impl Measure {
    /// The type of the result.
    pub(crate) fn result_type(&self) -> DataType {
        match self.kernel {
            Kernel::Number(_) => DataType::Float64,
            Kernel::Interval(_) => DataType::Struct(interval_fields()),
        }
    }

    fn has_cut(&self) -> bool {
        self.arguments.list.len() > 2
    }

    /// The state fields of a [`Ranking`] by this measure.
    pub(crate) fn state_fields(&self, name: &str) -> Vec<FieldRef> {
        let list = |item| DataType::LargeList(Arc::new(Field::new_list_field(item, false)));
        let mut fields = vec![
            Field::new(
                format_state_name(name, "scores"),
                list(DataType::Float64),
                true,
            ),
            Field::new(
                format_state_name(name, "labels"),
                list(DataType::Boolean),
                true,
            ),
        ];
        if self.has_cut() {
            fields.push(Field::new(
                format_state_name(name, "cut"),
                DataType::Float64,
                true,
            ));
        }
        fields.into_iter().map(Arc::new).collect()
    }
}

/// The rows of many groups.
#[derive(Debug, Clone)]
pub(crate) struct Ranking {
    measure: &'static Measure,
    rows: Vec<Scored>,
    /// The group of each row.
    groups: Vec<u32>,
    /// The cut of each group, NaN before its first row; stays NaN without a cut.
    cuts: Vec<f64>,
}

impl Ranking {
    pub(crate) fn new(measure: &'static Measure) -> Self {
        Self {
            measure,
            rows: Vec::new(),
            groups: Vec::new(),
            cuts: Vec::new(),
        }
    }

    fn push(&mut self, group: usize, row: Scored) {
        self.rows.push(row);
        self.groups.push(group as u32);
    }

    /// A cut must be in its range, and the same for all rows of a group.
    fn set_cut(&mut self, group: usize, cut: f64) -> Result<()> {
        self.measure.arguments.check_number(2, cut)?;
        let known = self.cuts[group];
        if known.is_nan() {
            self.cuts[group] = cut;
        } else if known.total_cmp(&cut).is_ne() {
            let function = self.measure.arguments.function;
            let name = self
                .measure
                .arguments
                .list
                .last()
                .map_or("?", |argument| argument.name);
            return exec_err!(
                "{function}: argument '{name}' must be the same for all rows of a group, got {known} and {cut}"
            );
        }
        Ok(())
    }

    /// The rows, group after group, and the number of each group's rows.
    fn by_group(&self) -> (Vec<Scored>, Vec<usize>) {
        let mut counts = vec![0; self.cuts.len()];
        for &group in &self.groups {
            counts[group as usize] += 1;
        }
        let mut next = Vec::with_capacity(counts.len());
        let mut start = 0;
        for count in &counts {
            next.push(start);
            start += count;
        }
        let mut sorted = vec![(0.0, false); self.rows.len()];
        for (&row, &group) in self.rows.iter().zip(&self.groups) {
            let place = &mut next[group as usize];
            sorted[*place] = row;
            *place += 1;
        }
        (sorted, counts)
    }
}

impl GroupState for Ranking {
    fn empty(&self) -> Self {
        Self::new(self.measure)
    }

    fn resize(&mut self, groups: usize) {
        self.cuts.resize(groups, f64::NAN);
    }

    fn update(
        &mut self,
        args: &[ArrayRef],
        groups: Groups<'_>,
        filter: Option<&BooleanArray>,
    ) -> Result<()> {
        let [score, label, cut @ ..] = args else {
            return internal_err!("{}: too few arguments", self.measure.arguments.function);
        };
        let filter = filter.map(filter_to_nulls);
        let cut = cut.first();
        let kept = NullBuffer::union_many([
            filter.as_ref(),
            score.nulls(),
            label.nulls(),
            cut.and_then(|cut| cut.nulls()),
        ]);
        let is_kept = |row| {
            kept.as_ref()
                .is_none_or(|kept: &NullBuffer| kept.is_valid(row))
        };
        let scores = doubles(score).values();
        let cuts = cut.map(|cut| doubles(cut).values());
        let arguments = self.measure.arguments;
        let mut outcome = Ok(());
        let labels = Labels::new(label);
        groups.visit(scores.len(), |row, group| {
            if !is_kept(row) || outcome.is_err() {
                return;
            }
            outcome = arguments
                .check_number(0, scores[row])
                .and_then(|()| cuts.map_or(Ok(()), |cuts| self.set_cut(group, cuts[row])))
                .and_then(|()| labels.get(arguments, 1, row))
                // −0 and 0 are one score; adding 0 makes them one number.
                .map(|hit| self.push(group, (scores[row] + 0.0, hit)));
        });
        outcome
    }

    fn merge(&mut self, states: &[ArrayRef], groups: Groups<'_>) -> Result<()> {
        let [scores, labels, cuts @ ..] = states else {
            return internal_err!("{}: too few states", self.measure.arguments.function);
        };
        let (scores, labels) = (scores.as_list::<i64>(), labels.as_list::<i64>());
        let offsets = scores.offsets();
        let (score, label) = (scores.values(), labels.values());
        let (score, label) = (
            score.as_primitive::<Float64Type>().values(),
            label.as_boolean(),
        );
        // The two lists have equal lengths, but a slice may have cut them at different places.
        let shift = labels.offsets()[0] - offsets[0];
        let cuts = cuts.first().map(doubles);
        let mut outcome = Ok(());
        groups.visit(scores.len(), |row, group| {
            if outcome.is_err() || scores.is_null(row) {
                return;
            }
            for index in offsets[row]..offsets[row + 1] {
                let hit = label.value((index + shift) as usize);
                self.push(group, (score[index as usize], hit));
            }
            if let Some(cuts) = cuts
                && cuts.is_valid(row)
            {
                outcome = self.set_cut(group, cuts.value(row));
            }
        });
        outcome
    }

    fn take(&mut self, emit: EmitTo) -> Self {
        let cuts = emit.take_needed(&mut self.cuts);
        let mut emitted = Self {
            cuts,
            ..self.empty()
        };
        if let EmitTo::All = emit {
            emitted.rows = std::mem::take(&mut self.rows);
            emitted.groups = std::mem::take(&mut self.groups);
            return emitted;
        }
        let count = emitted.cuts.len() as u32;
        let mut kept = 0;
        for index in 0..self.rows.len() {
            let (row, group) = (self.rows[index], self.groups[index]);
            if group < count {
                emitted.rows.push(row);
                emitted.groups.push(group);
            } else {
                self.rows[kept] = row;
                self.groups[kept] = group - count;
                kept += 1;
            }
        }
        self.rows.truncate(kept);
        self.groups.truncate(kept);
        emitted
    }

    fn finish(self) -> Result<ArrayRef> {
        let (mut rows, counts) = self.by_group();
        let mut rest = rows.as_mut_slice();
        let mut groups = counts.iter().map(|&count| {
            let (group, others) = std::mem::take(&mut rest).split_at_mut(count);
            rest = others;
            group.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
            &*group
        });
        match self.measure.kernel {
            Kernel::Number(kernel) => {
                let results = groups
                    .zip(&self.cuts)
                    .map(|(group, &cut)| kernel(group, cut));
                Ok(Arc::new(results.collect::<Float64Array>()))
            }
            Kernel::Interval(kernel) => {
                let results: Vec<_> = groups.by_ref().map(kernel).collect();
                let columns = [0, 1, 2].map(|part| -> ArrayRef {
                    let column = results.iter().map(|result| result.map(|parts| parts[part]));
                    Arc::new(column.collect::<Float64Array>())
                });
                Ok(Arc::new(StructArray::try_new_with_length(
                    interval_fields(),
                    columns.to_vec(),
                    None,
                    results.len(),
                )?))
            }
        }
    }

    fn into_state(self) -> Result<Vec<ArrayRef>> {
        let (rows, counts) = self.by_group();
        let (scores, labels): (Vec<f64>, Vec<bool>) = rows.into_iter().unzip();
        let offsets = OffsetBuffer::<i64>::from_lengths(counts);
        let list = |values: ArrayRef| -> Result<ArrayRef> {
            let field = Arc::new(Field::new_list_field(values.data_type().clone(), false));
            Ok(Arc::new(LargeListArray::try_new(
                field,
                offsets.clone(),
                values,
                None,
            )?))
        };
        let mut columns = vec![
            list(Arc::new(Float64Array::from(scores)))?,
            list(Arc::new(BooleanArray::from(labels)))?,
        ];
        if self.measure.has_cut() {
            columns.push(known(self.cuts));
        }
        Ok(columns)
    }

    fn size(&self) -> usize {
        self.rows.capacity() * size_of::<Scored>()
            + self.groups.capacity() * size_of::<u32>()
            + self.cuts.capacity() * size_of::<f64>()
    }
}

fn interval_fields() -> Fields {
    let parts = ["auc", "low", "high"].map(|part| Field::new(part, DataType::Float64, true));
    Fields::from(parts.to_vec())
}

/// How many hits the best `cut` rows are expected to have; `rows` are sorted by score, ascending. A cut inside a
/// tie, or inside a row, takes its share of the tie's hits.
pub(crate) fn expected_hits(rows: &[Scored], cut: f64) -> f64 {
    let (mut taken, mut expected) = (0.0, 0.0);
    for (size, hits) in ties(rows).rev() {
        let size = size as f64;
        let part = (cut - taken).min(size);
        expected += hits as f64 * (part / size);
        taken += part;
        if taken >= cut {
            break;
        }
    }
    expected
}

/// The number of hits, when there are both hits and misses.
pub(crate) fn hits_of_both(rows: &[Scored]) -> Option<usize> {
    let hits = rows.iter().filter(|row| row.1).count();
    (hits > 0 && hits < rows.len()).then_some(hits)
}

/// Runs of equal scores, from the lowest: the number of rows and of hits in each.
pub(crate) fn ties(rows: &[Scored]) -> impl DoubleEndedIterator<Item = (usize, usize)> {
    rows.chunk_by(|a, b| a.0.total_cmp(&b.0).is_eq())
        .map(|run| (run.len(), run.iter().filter(|row| row.1).count()))
}

#[cfg(test)]
pub(crate) mod testing {
    use arrow::array::Float64Array;
    use proptest::prelude::*;

    use super::*;

    /// Scores with many ties, some of them NULL, and labels.
    pub(crate) fn rows() -> impl Strategy<Value = Vec<(Option<f64>, Option<bool>)>> {
        let score =
            proptest::option::weighted(0.95, (-4_i8..4).prop_map(|score| f64::from(score) / 2.0));
        let label = proptest::option::weighted(0.95, any::<bool>());
        proptest::collection::vec((score, label), 0..40)
    }

    pub(crate) fn columns(rows: &[(Option<f64>, Option<bool>)], cut: Option<f64>) -> Vec<ArrayRef> {
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(rows.iter().map(|row| row.0).collect::<Float64Array>()),
            Arc::new(rows.iter().map(|row| row.1).collect::<BooleanArray>()),
        ];
        columns
            .extend(cut.map(|cut| Arc::new(Float64Array::from_value(cut, rows.len())) as ArrayRef));
        columns
    }

    /// The rows that count.
    pub(crate) fn counted(rows: &[(Option<f64>, Option<bool>)]) -> Vec<Scored> {
        rows.iter()
            .filter_map(|row| Some((row.0?, row.1?)))
            .collect()
    }
}
