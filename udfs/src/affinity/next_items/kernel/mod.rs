//! Sessions that went the same way, and what else is in them (VMIS-kNN: Kersbergen, Sprangers, Schelter, SIGMOD 2022).
//!
//! Past sessions are numbered by the time of their end, so that the sessions of an item are a sorted list, the end of
//! what a current session may know is one cut through all lists, and its candidates come out of a merge of a few of them
//! from the back, the latest first, until there are enough. Weights are whole numbers until the end: sums have no order,
//! ties are ties. A current session costs sample · last items comparisons, a selection, and one addition for each item
//! of its neighbours.

mod index;
mod neighbours;

use super::super::groups::{Groups, in_order_of_ids};
use super::super::recommended::{Candidate, Rows, keep_best};
use crate::common::time::Cutoffs;
use crate::relation::work::{Halt, Held, Work, bytes_with, hold};
pub(super) use index::{Index, Past};
use neighbours::{Neighbour, Neighbours};

/// What is wanted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Options {
    pub(super) k: usize,
    pub(super) sample: usize,
    pub(super) neighbours: usize,
    pub(super) last_items: usize,
}

/// What happens in the current sessions, in codes, none of them NULL.
#[derive(Debug, Default)]
pub(super) struct Current {
    pub(super) session: Vec<u32>,
    pub(super) item: Vec<u32>,
    pub(super) time: Vec<i64>,
    /// For each session the code of the same session in the past, or one that no session has.
    pub(super) same: Vec<u32>,
}

/// The current sessions, which wait for their next items.
pub(super) struct Sessions<'a> {
    index: &'a Index,
    current: &'a Current,
    groups: Groups,
    /// In the order of their ids.
    order: Vec<u32>,
    items: &'a [u32],
    /// Turn a time of the present into one of the past.
    cutoffs: Cutoffs,
    options: Options,
    _held: Held,
}

/// Sessions in one share of the work: some milliseconds.
const SHARE: usize = 128;

impl<'a> Sessions<'a> {
    /// The two lists have the places of items and current sessions in the order of their ids.
    pub(super) fn new(
        index: &'a Index,
        current: &'a Current,
        [items, sessions]: [&'a [u32]; 2],
        cutoffs: Cutoffs,
        options: Options,
        work: &Work,
    ) -> Result<Self, Halt> {
        let held = work.reserve(sessions.len() * 4)?;
        let groups = Groups::new(&current.session, sessions.len(), "current", work)?;
        Ok(Self {
            index,
            current,
            groups,
            order: in_order_of_ids(sessions),
            items,
            cutoffs,
            options,
            _held: held,
        })
    }

    /// In how many shares the work falls.
    pub(super) fn shares(&self) -> usize {
        self.order.len().div_ceil(SHARE)
    }

    /// Does one share after the other; each thread needs one of its own.
    pub(super) fn worker<'b>(
        &'b self,
        work: &'b Work,
    ) -> Result<impl FnMut(usize) -> Result<Rows, Halt> + 'b, Halt> {
        let mut desk = Desk::new(self, work)?;
        Ok(move |share: usize| {
            let mut rows = Rows::default();
            let first = share * SHARE;
            for &session in &self.order[first..self.order.len().min(first + SHARE)] {
                work.check()?;
                rows.push(session, desk.next_items(session)?, work)?;
            }
            work.done_steps(1);
            Ok(rows)
        })
    }
}

/// What a thread works with.
struct Desk<'a> {
    sessions: &'a Sessions<'a>,
    work: &'a Work,
    cutoffs: Cutoffs,
    /// What is said of each item; nothing between two sessions.
    said: Vec<Said>,
    /// The items of which something is said.
    found: Vec<u32>,
    views: Vec<View>,
    /// The last items of the session, the latest first.
    last: Vec<u32>,
    neighbours: Neighbours,
    candidates: Vec<Candidate>,
    _held: Held,
    held_views: Option<Held>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Said {
    /// In units of one over ten times the number of last items.
    weight: u64,
    support: u32,
}

/// An item of a session, and its place in the order of ids.
#[derive(Debug, Clone, Copy)]
struct View {
    time: i64,
    rank: u32,
    item: u32,
}

/// The weight of a match falls by a tenth with each step back.
const TENTHS: usize = 10;

impl<'a> Desk<'a> {
    fn new(sessions: &'a Sessions<'a>, work: &'a Work) -> Result<Self, Halt> {
        let items = sessions.items.len();
        let each = size_of::<Said>() + size_of::<u32>() + size_of::<Candidate>();
        let sample = sessions.options.sample.min(sessions.index.sessions());
        Ok(Self {
            sessions,
            work,
            cutoffs: sessions.cutoffs.clone(),
            _held: work.reserve(items * each + sample * size_of::<Neighbour>())?,
            said: vec![Said::default(); items],
            found: Vec::new(),
            views: Vec::new(),
            last: Vec::new(),
            neighbours: Neighbours::default(),
            candidates: Vec::new(),
            held_views: None,
        })
    }

    /// The best items for a session.
    fn next_items(&mut self, session: u32) -> Result<&[Candidate], Halt> {
        let Sessions {
            index,
            current,
            options,
            items,
            ..
        } = self.sessions;
        self.candidates.clear();
        let Some(end) = self.take_last(session)? else {
            return Ok(&[]);
        };
        let end = self.cutoffs.at(end).last_tick;
        let known = end.map_or(0, |end| index.ended_by(end));
        let same = index.number(current.same[session as usize]);
        self.neighbours
            .find(index, &self.last, known, same, options);
        for neighbour in self.neighbours.all() {
            let matched = TENTHS.saturating_sub(neighbour.matched as usize + 1) as u64;
            if matched == 0 {
                continue;
            }
            for &item in index.items(neighbour.session) {
                let said = &mut self.said[item as usize];
                if said.support == 0 {
                    self.found.push(item);
                }
                said.support += 1;
                said.weight += neighbour.similarity * matched;
            }
        }
        // The session itself is not among those that are known.
        let mine = if same < known { index.items(same) } else { &[] };
        let all = f64::from(known - u32::from(same < known));
        let unit = (TENTHS * self.last.len()) as f64;
        for item in self.found.drain(..) {
            let Said { weight, support } = std::mem::take(&mut self.said[item as usize]);
            if item == self.last[0] {
                continue;
            }
            let with =
                index.with(item, known).len() - usize::from(mine.binary_search(&item).is_ok());
            self.candidates.push(Candidate {
                item,
                support,
                score: weight as f64 / unit * (all / with as f64).ln(),
            });
        }
        self.work.count_scored(self.candidates.len() as u64);
        keep_best(&mut self.candidates, options.k, items);
        Ok(&self.candidates)
    }

    /// Collects the last items of a session, and gives the time of its last event.
    fn take_last(&mut self, session: u32) -> Result<Option<i64>, Halt> {
        let Sessions {
            current,
            groups,
            items,
            options,
            ..
        } = self.sessions;
        let rows = groups.of(session);
        self.views.clear();
        let bytes = bytes_with(&self.views, rows.len()) + bytes_with(&self.last, rows.len());
        hold(&mut self.held_views, bytes, self.work)?;
        self.views.extend(rows.iter().map(|&row| {
            let item = current.item[row as usize];
            View {
                time: current.time[row as usize],
                rank: items[item as usize],
                item,
            }
        }));
        let latest_first = |a: &View, b: &View| b.time.cmp(&a.time).then(a.rank.cmp(&b.rank));
        let by_item = |a: &View, b: &View| a.rank.cmp(&b.rank).then(b.time.cmp(&a.time));
        self.views.sort_unstable_by(by_item);
        self.views.dedup_by_key(|view| view.item);
        self.views.sort_unstable_by(latest_first);
        self.last.clear();
        let last = self.views.iter().take(options.last_items);
        self.last.extend(last.map(|view| view.item));
        Ok(self.views.first().map(|view| view.time))
    }
}

#[cfg(test)]
mod tests;
