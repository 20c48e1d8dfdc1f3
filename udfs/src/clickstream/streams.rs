//! The events of many visitors, until their end is known.
//!
//! All events go into one log in the order in which they arrive: no allocation and no random access a row. The
//! log is ordered by group when groups leave it, which costs nothing when the input is ordered by group already.

use std::fmt::Debug;
use std::mem;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int64Array, ListArray, UInt64Array};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field, FieldRef, Int64Type, UInt64Type};
use datafusion_common::{Result, exec_err};
use datafusion_expr::EmitTo;
use datafusion_expr::function::StateFieldsArgs;
use datafusion_expr::utils::format_state_name;

use super::conditions::{condition_sets, counted};
use crate::common::aggregate::{GroupState, Groups};
use crate::common::time::ticks;

/// What one visitor did at one time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) tick: i64,
    /// One bit for each condition that is true.
    pub(crate) met: u64,
}

/// What is asked of the events of a visitor.
pub(crate) trait Question: Clone + Debug + Send + Sync + 'static {
    /// Whether events count that meet no condition.
    fn needs_blanks(&self) -> bool;

    /// The answer for each visitor.
    fn answer(&self, visitors: Visitors<'_>) -> Result<ArrayRef>;
}

/// The events of many groups, and the question that they will answer.
#[derive(Debug, Clone)]
pub(crate) struct Streams<Q> {
    question: Q,
    /// The position of the event time among the arguments; the conditions follow it.
    time: usize,
    log: Log,
}

impl<Q: Question> Streams<Q> {
    pub(crate) fn new(question: Q, time: usize) -> Self {
        Self {
            question,
            time,
            log: Log::default(),
        }
    }
}

/// The state of such a function: for each group the times and the condition sets of its events.
pub(crate) fn state_fields(args: &StateFieldsArgs<'_>) -> Vec<FieldRef> {
    [("times", DataType::Int64), ("met", DataType::UInt64)]
        .map(|(part, element)| {
            let name = format_state_name(args.name, part);
            Arc::new(Field::new_list(
                name,
                Field::new_list_field(element, true),
                true,
            ))
        })
        .to_vec()
}

impl<Q: Question> GroupState for Streams<Q> {
    fn empty(&self) -> Self {
        Self::new(self.question.clone(), self.time)
    }

    fn resize(&mut self, groups: usize) {
        self.log.resize(groups);
    }

    fn update(
        &mut self,
        args: &[ArrayRef],
        groups: Groups<'_>,
        filter: Option<&BooleanArray>,
    ) -> Result<()> {
        let event_time = &args[self.time];
        let times = ticks(event_time)?;
        let sets = condition_sets(&args[self.time + 1..], times.len());
        let counted = counted(filter, Some(event_time));
        let blanks = self.question.needs_blanks();
        let event = |row: usize| {
            let met = sets[row];
            let counts = (met != 0 || blanks)
                && counted.as_ref().is_none_or(|counted| counted.is_valid(row));
            let tick = times[row];
            counts.then_some(Event { tick, met })
        };
        if let Groups::Of(groups) = groups
            && self.log.ticks.is_empty()
            && !groups.is_sorted()
        {
            self.log.fill(groups, event);
            return Ok(());
        }
        self.log.reserve(times.len());
        groups.visit(times.len(), |row, group| {
            if let Some(event) = event(row) {
                self.log.push(group, event);
            }
        });
        Ok(())
    }

    fn merge(&mut self, states: &[ArrayRef], groups: Groups<'_>) -> Result<()> {
        let [times, met] = states else {
            return exec_err!("expected two states of events");
        };
        let (times, met) = (times.as_list::<i32>(), met.as_list::<i32>());
        let ticks = times.values().as_primitive::<Int64Type>().values();
        let sets = met.values().as_primitive::<UInt64Type>().values();
        let (ends, other_ends) = (times.offsets(), met.offsets());
        groups.visit(times.len(), |row, group| {
            if times.is_valid(row) {
                let mine = &ticks[ends[row] as usize..ends[row + 1] as usize];
                let sets = &sets[other_ends[row] as usize..other_ends[row + 1] as usize];
                for (&tick, &met) in mine.iter().zip(sets) {
                    self.log.push(group, Event { tick, met });
                }
            }
        });
        Ok(())
    }

    fn take(&mut self, emit: EmitTo) -> Self {
        Self {
            question: self.question.clone(),
            time: self.time,
            log: match emit {
                EmitTo::All => mem::take(&mut self.log),
                EmitTo::First(groups) => self.log.take_first(groups),
            },
        }
    }

    fn finish(mut self) -> Result<ArrayRef> {
        self.log.order();
        self.question.answer(Visitors(&self.log))
    }

    fn into_state(mut self) -> Result<Vec<ArrayRef>> {
        self.log.order();
        let Log {
            ticks, met, start, ..
        } = &mut self.log;
        ticks.drain(..*start);
        met.drain(..*start);
        let times: ArrayRef = Arc::new(Int64Array::from(mem::take(ticks)));
        let met: ArrayRef = Arc::new(UInt64Array::from(mem::take(met)));
        let lengths: Vec<_> = self.log.lengths().collect();
        [times, met]
            .into_iter()
            .map(|values| lists(&lengths, values))
            .collect()
    }

    fn size(&self) -> usize {
        self.log.size()
    }
}

/// Lists of these lengths, one after the other.
pub(crate) fn lists(lengths: &[usize], values: ArrayRef) -> Result<ArrayRef> {
    if i32::try_from(values.len()).is_err() {
        return exec_err!("more than 2147483647 events in one batch of groups");
    }
    let field = Arc::new(Field::new_list_field(values.data_type().clone(), true));
    let offsets = OffsetBuffer::from_lengths(lengths.iter().copied());
    Ok(Arc::new(ListArray::try_new(field, offsets, values, None)?))
}

/// Events with their groups, column by column.
#[derive(Debug, Clone, Default)]
struct Log {
    /// How many groups there are, with or without events.
    count: usize,
    /// The group of each event, counted from `base`.
    groups: Vec<u32>,
    ticks: Vec<i64>,
    met: Vec<u64>,
    /// Whether the groups do not descend, as far as it is known.
    ordered: Ordered,
    /// Events before this one have been taken.
    start: usize,
    /// So many groups have been taken since the numbers were last renewed.
    base: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Ordered {
    #[default]
    Yes,
    No,
}

impl Log {
    fn resize(&mut self, groups: usize) {
        self.count = groups;
        if self.ticks.capacity() == 0 {
            self.groups.reserve(64);
            self.ticks.reserve(64);
            self.met.reserve(64);
        }
    }

    fn reserve(&mut self, events: usize) {
        self.groups.reserve(events);
        self.ticks.reserve(events);
        self.met.reserve(events);
    }

    /// Takes the events of a first batch, in the order of their groups at once.
    fn fill(&mut self, groups: &[usize], event: impl Fn(usize) -> Option<Event>) {
        let mut places = vec![0_usize; self.count + 1];
        for (row, &group) in groups.iter().enumerate() {
            places[group + 1] += usize::from(event(row).is_some());
        }
        for group in 0..self.count {
            places[group + 1] += places[group];
        }
        let events = places[self.count];
        self.ordered = Ordered::Yes;
        self.groups.resize(events, 0);
        self.ticks.resize(events, 0);
        self.met.resize(events, 0);
        for (row, &group) in groups.iter().enumerate() {
            if let Some(event) = event(row) {
                let place = &mut places[group];
                self.groups[*place] = self.base + group as u32;
                self.ticks[*place] = event.tick;
                self.met[*place] = event.met;
                *place += 1;
            }
        }
    }

    #[inline]
    fn push(&mut self, group: usize, event: Event) {
        let group = self.base + group as u32;
        if self.groups.last().is_some_and(|&last| last > group) {
            self.ordered = Ordered::No;
        }
        self.groups.push(group);
        self.ticks.push(event.tick);
        self.met.push(event.met);
    }

    /// How many events each group has; the log must be in order.
    fn lengths(&self) -> impl Iterator<Item = usize> {
        let mut rest = &self.groups[self.start..];
        (0..self.count).map(move |group| {
            let group = self.base + group as u32;
            let length = rest.iter().take_while(|&&other| other == group).count();
            rest = &rest[length..];
            length
        })
    }

    /// Orders the events by group; those of one group keep their order.
    fn order(&mut self) {
        if self.ordered == Ordered::Yes {
            return;
        }
        self.renew();
        // The place of the next event of each group.
        let mut places = vec![0_usize; self.count + 1];
        for &group in &self.groups {
            places[group as usize + 1] += 1;
        }
        for group in 0..self.count {
            places[group + 1] += places[group];
        }
        let mut ticks = vec![0; self.ticks.len()];
        let mut met = vec![0; self.met.len()];
        let events = self.ticks.iter().zip(&self.met);
        for (&group, (&tick, &set)) in self.groups.iter().zip(events) {
            let place = &mut places[group as usize];
            ticks[*place] = tick;
            met[*place] = set;
            *place += 1;
        }
        // Now the place of each group is its end.
        let mut start = 0;
        for (group, &end) in places[..self.count].iter().enumerate() {
            self.groups[start..end].fill(group as u32);
            start = end;
        }
        self.ticks = ticks;
        self.met = met;
        self.ordered = Ordered::Yes;
    }

    /// Forgets the events that have been taken, and counts groups from zero again.
    fn renew(&mut self) {
        self.groups.drain(..self.start);
        self.ticks.drain(..self.start);
        self.met.drain(..self.start);
        for group in &mut self.groups {
            *group -= self.base;
        }
        self.start = 0;
        self.base = 0;
    }

    /// Takes the first groups. What stays is moved only once it is less than what has been taken, so that taking
    /// few groups at a time costs no more than taking all.
    fn take_first(&mut self, groups: usize) -> Self {
        self.order();
        let limit = self.base + groups as u32;
        let start = self.start;
        let length = self.groups[start..].partition_point(|&group| group < limit);
        let mine = start..start + length;
        let first = Self {
            count: groups,
            groups: self.groups[mine.clone()]
                .iter()
                .map(|group| group - self.base)
                .collect(),
            ticks: self.ticks[mine.clone()].to_vec(),
            met: self.met[mine.clone()].to_vec(),
            ..Self::default()
        };
        self.start = mine.end;
        self.base = limit;
        self.count -= groups;
        if self.start >= self.groups.len() / 2 {
            self.renew();
        }
        first
    }

    fn size(&self) -> usize {
        self.groups.capacity() * size_of::<u32>()
            + self.ticks.capacity() * size_of::<i64>()
            + self.met.capacity() * size_of::<u64>()
    }
}

/// The events of each group, group after group.
#[derive(Debug)]
pub(crate) struct Visitors<'a>(&'a Log);

impl Visitors<'_> {
    pub(crate) fn count(&self) -> usize {
        self.0.count
    }

    /// Visits the events of each group in the order of their times; those of one time are ordered by `key`.
    pub(crate) fn visit<K: Ord>(&self, key: impl Fn(&Event) -> K, mut visit: impl FnMut(&[Event])) {
        let mut events = Vec::new();
        let mut start = self.0.start;
        for length in self.0.lengths() {
            let end = start + length;
            let ticks = self.0.ticks[start..end].iter();
            let met = self.0.met[start..end].iter();
            events.clear();
            events.extend(ticks.zip(met).map(|(&tick, &met)| Event { tick, met }));
            let key = |event: &Event| (event.tick, key(event));
            if !events.is_sorted_by_key(key) {
                events.sort_unstable_by_key(key);
            }
            visit(&events);
            start = end;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn log(groups: &[usize], count: usize) -> Log {
        let mut log = Log::default();
        log.resize(count);
        for (index, &group) in groups.iter().enumerate() {
            let tick = index as i64;
            log.push(group, Event { tick, met: 1 });
        }
        log
    }

    /// The times of each group.
    fn times(log: &mut Log) -> Vec<Vec<i64>> {
        log.order();
        let mut groups = Vec::new();
        Visitors(log).visit(
            |_| (),
            |events| groups.push(events.iter().map(|event| event.tick).collect()),
        );
        groups
    }

    proptest! {
        #[test]
        fn groups_may_be_taken_a_few_at_a_time(
            groups in proptest::collection::vec(0_usize..9, 0..40),
            sorted: bool,
            steps in proptest::collection::vec(0_usize..4, 0..6),
        ) {
            let mut groups = groups;
            if sorted {
                groups.sort_unstable();
            }
            let mut expected: Vec<Vec<i64>> = vec![Vec::new(); 9];
            for (index, &group) in groups.iter().enumerate() {
                expected[group].push(index as i64);
            }
            let mut log = log(&groups, 9);
            for step in steps {
                let step = step.min(log.count);
                let mut first = log.take_first(step);
                let rest = expected.split_off(step);
                prop_assert_eq!(times(&mut first), expected);
                expected = rest;
                // A group that stays may get more events, and there may be new groups.
                if log.count > 0 {
                    log.push(log.count - 1, Event { tick: 100, met: 1 });
                    log.push(0, Event { tick: 100, met: 1 });
                    let last = expected.len() - 1;
                    expected[last].push(100);
                    expected[0].push(100);
                }
                log.resize(log.count + 1);
                expected.push(Vec::new());
            }
            prop_assert_eq!(times(&mut log), expected);
        }
    }
}
