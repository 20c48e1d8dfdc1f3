//! The state of `affinity`.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Float64Array, Int64Array, StructArray};
use arrow::datatypes::{DataType, Field, Fields, Float64Type, Int64Type};
use datafusion_common::{Result, exec_err};
use datafusion_expr::EmitTo;

use super::ARGUMENTS;
use crate::common::aggregate::{GroupState, Groups};
use crate::common::decay::decayed_weights;
use crate::common::numbers::finite_result;
use crate::common::sum::{DoubleDouble, known};
use crate::common::time::{from_ticks, ticks};
use crate::evidence::effective_n::effective_number;

/// The fields of the result, when events have this time type.
pub(super) fn result_fields(event_time: &DataType) -> Fields {
    Fields::from(vec![
        Field::new("score", DataType::Float64, true),
        Field::new("events", DataType::Int64, false),
        Field::new("evidence", DataType::Float64, false),
        Field::new("last_time", event_time.clone(), true),
    ])
}

/// Affinities of many groups.
#[derive(Debug, Clone)]
pub(super) struct Affinities {
    time: DataType,
    groups: Vec<Interest>,
}

/// One group in one record: a cache line, where six vectors would be six misses.
#[derive(Debug, Clone, Copy)]
struct Interest {
    score: DoubleDouble,
    squares: DoubleDouble,
    events: i64,
    /// The latest tick; undefined while there is no event.
    last: i64,
}

impl Interest {
    const NONE: Self = Self {
        score: DoubleDouble::NONE,
        squares: DoubleDouble::NONE,
        events: 0,
        last: i64::MIN,
    };

    fn evidence(&self) -> f64 {
        effective_number(self.score, self.squares, self.events)
    }
}

impl Affinities {
    pub(super) fn new(time: DataType) -> Self {
        Self {
            time,
            groups: Vec::new(),
        }
    }
}

impl GroupState for Affinities {
    fn empty(&self) -> Self {
        Self::new(self.time.clone())
    }

    fn resize(&mut self, groups: usize) {
        self.groups.resize(groups, Interest::NONE);
    }

    fn update(
        &mut self,
        args: &[ArrayRef],
        groups: Groups<'_>,
        filter: Option<&BooleanArray>,
    ) -> Result<()> {
        let weights = decayed_weights(&ARGUMENTS, args, filter)?;
        let times = ticks(&args[1])?;
        groups.visit(weights.len(), |row, group| {
            let weight = weights[row];
            if !weight.is_nan() {
                let group = &mut self.groups[group];
                group.score.add(weight);
                group.squares.add(weight * weight);
                group.events += 1;
                group.last = group.last.max(times[row]);
            }
        });
        Ok(())
    }

    fn merge(&mut self, states: &[ArrayRef], groups: Groups<'_>) -> Result<()> {
        let [score, score_rest, squares, squares_rest, events, last] = states else {
            return exec_err!("affinity: expected six states");
        };
        let double = |column: &ArrayRef| column.as_primitive::<Float64Type>().values().clone();
        let (score, score_rest) = (double(score), double(score_rest));
        let (squares, squares_rest) = (double(squares), double(squares_rest));
        let events = events.as_primitive::<Int64Type>().values();
        let last = ticks(last)?;
        groups.visit(events.len(), |row, group| {
            if events[row] > 0 {
                let group = &mut self.groups[group];
                group.score.add_pair(score[row], score_rest[row]);
                group.squares.add_pair(squares[row], squares_rest[row]);
                group.events += events[row];
                group.last = group.last.max(last[row]);
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

    // One pass over the records: with millions of groups they no longer fit a cache.
    fn finish(self) -> Result<ArrayRef> {
        let count = self.groups.len();
        let mut score = Vec::with_capacity(count);
        let mut evidence = Vec::with_capacity(count);
        let mut events = Vec::with_capacity(count);
        let mut last = Vec::with_capacity(count);
        for group in &self.groups {
            // NaN stands for no score until `known` turns it into NULL.
            score.push(match group.score.value() {
                Some(sum) => finite_result(&ARGUMENTS, sum)?,
                None => f64::NAN,
            });
            evidence.push(finite_result(&ARGUMENTS, group.evidence())?);
            events.push(group.events);
            last.push(group.last);
        }
        let score = known(score);
        let last = from_ticks(last, score.nulls().cloned(), &self.time)?;
        let evidence: ArrayRef = Arc::new(Float64Array::from(evidence));
        let columns = vec![score, Arc::new(Int64Array::from(events)), evidence, last];
        let fields = result_fields(&self.time);
        Ok(Arc::new(StructArray::try_new_with_length(
            fields, columns, None, count,
        )?))
    }

    fn into_state(self) -> Result<Vec<ArrayRef>> {
        let groups = &self.groups;
        let sums = |part: fn(&Interest) -> DoubleDouble| -> [ArrayRef; 2] {
            DoubleDouble::columns(&groups.iter().map(part).collect::<Vec<_>>())
        };
        let [score, score_rest] = sums(|group| group.score);
        let [squares, squares_rest] = sums(|group| group.squares);
        let events = Int64Array::from_iter_values(groups.iter().map(|group| group.events));
        let last = groups.iter().map(|group| group.last).collect();
        let last = from_ticks(last, score.nulls().cloned(), &self.time)?;
        Ok(vec![
            score,
            score_rest,
            squares,
            squares_rest,
            Arc::new(events),
            last,
        ])
    }

    // The hot path of a GROUP BY with few rows a group: no sums, only the weights themselves.
    fn convert(&self, args: &[ArrayRef], filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        let weights = decayed_weights(&ARGUMENTS, args, filter)?;
        let counts = weights.iter().map(|weight| i64::from(!weight.is_nan()));
        let events: ArrayRef = Arc::new(Int64Array::from_iter_values(counts));
        let squares = known(weights.iter().map(|weight| weight * weight).collect());
        let rest: ArrayRef = Arc::new(Float64Array::from(vec![0.0; weights.len()]));
        let score = known(weights);
        let last = match score.nulls() {
            None => Arc::clone(&args[1]),
            nulls => from_ticks(ticks(&args[1])?.into_owned(), nulls.cloned(), &self.time)?,
        };
        Ok(vec![score, Arc::clone(&rest), squares, rest, events, last])
    }

    fn size(&self) -> usize {
        self.groups.capacity() * size_of::<Interest>()
    }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "these results are exact")]
mod tests {
    use arrow::datatypes::TimeUnit;
    use datafusion_common::ScalarValue;
    use proptest::prelude::*;

    use super::*;
    use crate::common::testing::{Event, check_group_state, events, plain_result};

    const SECOND: DataType = DataType::Timestamp(TimeUnit::Second, None);

    /// (score, events, evidence, `last_time`) over all events.
    fn result(args: &[ArrayRef]) -> (Option<f64>, i64, f64, Option<i64>) {
        let ScalarValue::Struct(row) = plain_result(&Affinities::new(SECOND), args) else {
            panic!("no struct");
        };
        assert!(row.is_valid(0), "the struct itself is never NULL");
        let (score, evidence) = (row.column(0), row.column(2));
        let score = score.as_primitive::<Float64Type>();
        let last = row.column(3);
        (
            score.is_valid(0).then(|| score.value(0)),
            row.column(1).as_primitive::<Int64Type>().value(0),
            evidence.as_primitive::<Float64Type>().value(0),
            last.is_valid(0).then(|| ticks(last).unwrap()[0]),
        )
    }

    #[test]
    fn score_and_evidence_fade_together() {
        let events = [
            Event::new(1.0, 100),
            Event::new(1.0, 93),
            Event::new(1.0, 101),
        ];
        let got = result(&Event::columns_with(&events, 7, 100));
        assert_eq!(got, (Some(1.5), 2, 1.8, Some(100)));
    }

    #[test]
    fn no_event_is_no_score() {
        assert_eq!(result(&Event::columns(&[])), (None, 0, 0.0, None));
        assert_eq!(
            result(&Event::columns(&[Event::new(1.0, 1001)])),
            (None, 0, 0.0, None)
        );
    }

    #[test]
    fn what_has_faded_away_is_no_evidence() {
        let one = |age: i64| result(&Event::columns_with(&[Event::new(1.0, -age)], 1, 0));
        assert_eq!(one(400).2, 1.0);
        assert_eq!(one(530), ((Some((-530.0_f64).exp2())), 1, 0.0, Some(-530)));
        assert_eq!(one(2000), (Some(0.0), 1, 0.0, Some(-2000)));
    }

    proptest! {
        #[test]
        fn every_way_to_aggregate_gives_the_same(events in events(), seed: u64) {
            check_group_state(&Affinities::new(SECOND), &Event::columns(&events), seed)?;
        }

        #[test]
        fn evidence_is_between_one_and_the_number_of_events(events in events()) {
            let (score, count, evidence, _) = result(&Event::columns(&events));
            if score.is_some_and(|score| score > 0.0) {
                prop_assert!(evidence <= count as f64);
                prop_assert!(evidence >= 1.0 - 1e-12, "{evidence}");
            } else {
                prop_assert_eq!(evidence, 0.0);
            }
        }
    }
}
