//! Adds up what the items of each visitor say of others.
//!
//! The neighbours of an item lie side by side. A visitor's items are taken in the order of their ids, and what they say
//! is added into one array of all items, so that each sum has one order of terms, whatever the order of the rows. A
//! visitor with n items of m neighbours each costs n·m additions at random places of that array.

mod graph;

use super::super::groups::{Groups, in_order_of_ids};
use super::super::recommended::{Candidate, Rows, keep_best};
use crate::relation::work::{Halt, Held, Work, bytes_with, hold};
pub(super) use graph::{Graph, Pairs};

/// Who has what, in codes, none of them NULL.
#[derive(Debug, Default)]
pub(super) struct Histories {
    pub(super) visitor: Vec<u32>,
    pub(super) item: Vec<u32>,
    /// Without them an item counts once, however often it is there.
    pub(super) weight: Option<Vec<f64>>,
}

/// The visitors who wait for recommendations.
pub(super) struct Visitors<'a> {
    graph: &'a Graph,
    histories: &'a Histories,
    groups: Groups,
    /// In the order of their ids.
    order: Vec<u32>,
    items: &'a [u32],
    k: usize,
    _held: Held,
}

/// Visitors in one share of the work.
const SHARE: usize = 1024;

impl<'a> Visitors<'a> {
    /// Each shall get `k` items. The two lists have the places of items and visitors in the order of their ids.
    pub(super) fn new(
        graph: &'a Graph,
        histories: &'a Histories,
        [items, visitors]: [&'a [u32]; 2],
        k: usize,
        work: &Work,
    ) -> Result<Self, Halt> {
        let held = work.reserve(visitors.len() * 4)?;
        let groups = Groups::new(&histories.visitor, visitors.len(), "history", work)?;
        Ok(Self {
            graph,
            histories,
            groups,
            order: in_order_of_ids(visitors),
            items,
            k,
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
            for &visitor in &self.order[first..self.order.len().min(first + SHARE)] {
                rows.push(visitor, desk.recommend(self.groups.of(visitor))?, work)?;
            }
            work.done_steps(1);
            Ok(rows)
        })
    }
}

/// What a thread works with.
struct Desk<'a> {
    visitors: &'a Visitors<'a>,
    work: &'a Work,
    /// What is said of each item; nothing between two visitors.
    said: Vec<Said>,
    /// The items of which something is said.
    found: Vec<u32>,
    own: Vec<Own>,
    candidates: Vec<Candidate>,
    _held: Held,
    held_own: Option<Held>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Said {
    score: f64,
    support: u32,
}

/// An item of the visitor, and its place in the order of ids.
#[derive(Debug, Clone, Copy)]
struct Own {
    rank: u32,
    item: u32,
    weight: f64,
}

/// In place of the support of an item that the visitor has.
const OWNED: u32 = u32::MAX;

impl<'a> Desk<'a> {
    fn new(visitors: &'a Visitors<'a>, work: &'a Work) -> Result<Self, Halt> {
        let items = visitors.items.len();
        let each = size_of::<Said>() + size_of::<u32>() + size_of::<Candidate>();
        Ok(Self {
            visitors,
            work,
            _held: work.reserve(items * each)?,
            said: vec![Said::default(); items],
            found: Vec::new(),
            own: Vec::new(),
            candidates: Vec::new(),
            held_own: None,
        })
    }

    /// The best items for the visitor of these rows.
    fn recommend(&mut self, rows: &[u32]) -> Result<&[Candidate], Halt> {
        let Visitors {
            graph, items, k, ..
        } = self.visitors;
        self.take(rows)?;
        for own in &self.own {
            self.said[own.item as usize].support = OWNED;
        }
        for own in self.own.iter().filter(|own| own.weight > 0.0) {
            self.work.check()?;
            for near in graph.of(own.item) {
                let said = &mut self.said[near.other as usize];
                if said.support == OWNED {
                    continue;
                }
                if said.support == 0 {
                    self.found.push(near.other);
                }
                said.support += 1;
                said.score += own.weight * near.score;
            }
        }
        for own in &self.own {
            self.said[own.item as usize] = Said::default();
        }
        self.candidates.clear();
        for item in self.found.drain(..) {
            let Said { score, support } = std::mem::take(&mut self.said[item as usize]);
            if !score.is_finite() {
                let fault = format!(
                    "the score of an item must be a finite number, got {score}; hint: make the weights smaller"
                );
                return Err(Halt::Invalid(fault));
            }
            self.candidates.push(Candidate {
                item,
                support,
                score,
            });
        }
        self.work.count_scored(self.candidates.len() as u64);
        keep_best(&mut self.candidates, *k, items);
        Ok(&self.candidates)
    }

    /// Collects the visitor's items in the order of their ids, each once; weights add up in the order of their size.
    fn take(&mut self, rows: &[u32]) -> Result<(), Halt> {
        let Visitors {
            histories, items, ..
        } = self.visitors;
        self.own.clear();
        let bytes = bytes_with(&self.own, rows.len());
        hold(&mut self.held_own, bytes, self.work)?;
        self.own.extend(rows.iter().map(|&row| {
            let item = histories.item[row as usize];
            let weight = histories.weight.as_ref();
            Own {
                rank: items[item as usize],
                item,
                weight: weight.map_or(1.0, |weight| weight[row as usize]),
            }
        }));
        let order = |a: &Own, b: &Own| a.rank.cmp(&b.rank).then(a.weight.total_cmp(&b.weight));
        self.own.sort_unstable_by(order);
        let add_up = histories.weight.is_some();
        self.own.dedup_by(|again, first| {
            let same = again.item == first.item;
            if same && add_up {
                first.weight += again.weight;
            }
            same
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests;
