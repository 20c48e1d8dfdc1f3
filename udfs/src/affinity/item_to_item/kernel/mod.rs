//! Counts the visitors that pairs of items share, and keeps the best of each item.
//!
//! The views are grouped by visitor and by item; then, item by item, the items of its visitors are counted into an
//! array. Items are numbered by popularity, and a visitor's items are in that order, so that an item counts only the
//! more popular ones, each pair once, and the end of a visitor's list needs no look-up. For n views the groups move
//! 30 n bytes; the pairs cost one random access a view and an increment each (in the second-level cache up to some
//! 100,000 items). Ten million views of a million visitors and 50,000 items are 45 million pairs: 0.5 s on two threads,
//! of which the look-ups of the visitors' lists, bound by the latency of memory, are the larger half.

mod best;
mod carts;

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::evidence::root_llr::signed_root;
use crate::relation::threads::on_threads;
use crate::relation::work::{Halt, Held, Work};
use best::{Best, Candidate};
use carts::Carts;

/// What is wanted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Options {
    pub(crate) k: usize,
    pub(crate) measure: Measure,
    pub(crate) min_support: u64,
    pub(crate) max_items: usize,
}

/// How alike two items are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Measure {
    Count,
    Jaccard,
    Cosine,
    Lift,
    Llr,
    Conditional,
}

/// Who looked at what, in codes; [`u32::MAX`] is a NULL. Kept in blocks, so that it grows without being moved and
/// without spare room.
#[derive(Default)]
pub(crate) struct Views {
    blocks: Vec<Block>,
    rows: usize,
    held: Vec<Held>,
}

/// Visitors and items of some rows.
#[derive(Default)]
pub(crate) struct Block {
    pub(crate) visitors: Vec<u32>,
    pub(crate) items: Vec<u32>,
}

/// Rows of a block.
const BLOCK: usize = 1 << 18;

impl Views {
    /// Where so many more rows are to be appended.
    pub(crate) fn room(&mut self, rows: usize, work: &Work) -> Result<&mut Block, Halt> {
        self.rows += rows;
        let full = |block: &Block| block.visitors.len() + rows > block.visitors.capacity();
        if self.blocks.last().is_none_or(full) {
            let capacity = rows.max(BLOCK);
            self.held.push(work.reserve(capacity * 8)?);
            self.blocks.push(Block {
                visitors: Vec::with_capacity(capacity),
                items: Vec::with_capacity(capacity),
            });
        }
        let last = self.blocks.len() - 1;
        Ok(&mut self.blocks[last])
    }
}

/// The best others of each item, in the order of the items' ids, best first.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Neighbours {
    pub(crate) item: Vec<u32>,
    pub(crate) other: Vec<u32>,
    pub(crate) score: Vec<f64>,
    pub(crate) support: Vec<u32>,
    pub(crate) rank: Vec<u32>,
}

/// Items in one share of the work: enough to make handing out cheap, few enough that no thread waits long at the end,
/// when it comes to the items with the most visitors.
const SHARE: usize = 8;

/// The neighbours of all items. `ranks` is the place of each item code in the order of ids; visitor codes are below
/// `visitors`.
pub(crate) fn item_to_item(
    views: Views,
    visitors: usize,
    ranks: &[u32],
    options: &Options,
    work: &Work,
) -> Result<Neighbours, Halt> {
    let carts = Carts::new(views, visitors, ranks, options.max_items, work)?;
    work.count_left_out(carts.left_out);
    let next = AtomicUsize::new(0);
    work.expect_steps(ranks.len().div_ceil(SHARE));
    let bests = on_threads(0..work.threads(), |_| count(&carts, &next, options, work))?;
    merge(bests, &carts, ranks.len(), options.k, work)
}

/// Counts the pairs of the items that this thread gets, and offers each to both of its items.
///
/// The least popular items come first. Most pairs share one visitor, and then the less popular partner is the nearer
/// one: in this order the best come early, and few of the later ones pass the bar.
fn count(carts: &Carts, next: &AtomicUsize, options: &Options, work: &Work) -> Result<Best, Halt> {
    let items = carts.popularity.len();
    let _held = work.reserve(items * 8)?;
    let mut best = Best::new(items, options.k, work)?;
    let mut counts = vec![0_u32; items];
    let mut touched = Vec::new();
    let all = carts.visitors as f64;
    loop {
        let first = next.fetch_add(SHARE, Ordering::Relaxed);
        if first >= items {
            return Ok(best);
        }
        for item in (items.saturating_sub(first + SHARE)..items - first).rev() {
            work.check()?;
            add_up(carts, item as u32, &mut counts, &mut touched);
            let a = f64::from(carts.popularity[item]);
            for &other in &touched {
                let support = std::mem::take(&mut counts[other as usize]);
                if u64::from(support) < options.min_support {
                    continue;
                }
                let b = f64::from(carts.popularity[other as usize]);
                let score = options.measure.score(f64::from(support), a, b, all);
                let back = match options.measure {
                    Measure::Conditional => options.measure.score(f64::from(support), b, a, all),
                    _ => score,
                };
                let item = item as u32;
                let candidate = |score, other| Candidate {
                    score,
                    support,
                    other,
                };
                if best.admits(item, score) {
                    best.push(item, candidate(score, other), carts)?;
                }
                if best.admits(other, back) {
                    best.push(other, candidate(back, item), carts)?;
                }
            }
            work.count_scored(touched.len() as u64);
            touched.clear();
        }
        work.done_steps(1);
    }
}

/// Counts the visitors that an item shares with each more popular one.
fn add_up(carts: &Carts, item: u32, counts: &mut [u32], touched: &mut Vec<u32>) {
    for visitors in carts.visitors_of(item).chunks(16) {
        // First only the starts of some lists: these reads do not wait for each other, and the lists are on their way
        // from memory when they are walked.
        let mut starts = [0_u32; 16];
        for (start, &visitor) in starts.iter_mut().zip(visitors) {
            *start = carts.starts[visitor as usize];
        }
        let starts = &starts[..visitors.len()];
        let fetched = starts
            .iter()
            .fold(0, |all, &start| all ^ carts.items[start as usize]);
        std::hint::black_box(fetched);
        for &start in starts {
            // The item itself ends the part of the list that is more popular.
            for &other in carts.items[start as usize..]
                .iter()
                .take_while(|other| **other != item)
            {
                let count = &mut counts[other as usize];
                if *count == 0 {
                    touched.push(other);
                }
                *count += 1;
            }
        }
    }
}

/// Joins what the threads found, in the order of ids.
fn merge(
    mut bests: Vec<Best>,
    carts: &Carts,
    codes: usize,
    k: usize,
    work: &Work,
) -> Result<Neighbours, Halt> {
    let most: usize = bests.iter().map(Best::len).sum();
    let _held = work.reserve(most.min(carts.popularity.len() * k) * 24 + codes * 4)?;
    let mut label_at = vec![u32::MAX; codes];
    for (label, &rank) in carts.rank_of.iter().enumerate() {
        label_at[rank as usize] = label as u32;
    }
    let mut found = Neighbours::default();
    let mut candidates = Vec::new();
    for label in label_at.into_iter().filter(|label| *label != u32::MAX) {
        work.check()?;
        for best in &mut bests {
            candidates.append(best.of(label));
        }
        candidates.sort_unstable_by(|a, b| b.cmp(a, carts));
        for (place, candidate) in candidates.drain(..).enumerate().take(k) {
            found.item.push(carts.code_of[label as usize]);
            found.other.push(carts.code_of[candidate.other as usize]);
            found.score.push(candidate.score);
            found.support.push(candidate.support);
            found.rank.push(place as u32 + 1);
        }
    }
    Ok(found)
}

impl Measure {
    pub(crate) const NAMES: &'static [&'static str] =
        &["count", "jaccard", "cosine", "lift", "llr", "conditional"];

    /// The measure of a name that is one of [`Self::NAMES`].
    pub(crate) fn of(name: &str) -> Self {
        match name {
            "count" => Self::Count,
            "jaccard" => Self::Jaccard,
            "lift" => Self::Lift,
            "llr" => Self::Llr,
            "conditional" => Self::Conditional,
            _ => Self::Cosine,
        }
    }

    /// The score of an item with `a` visitors and one with `b`, of whom `both` looked at both, among `all`.
    fn score(self, both: f64, a: f64, b: f64, all: f64) -> f64 {
        match self {
            Self::Count => both,
            Self::Jaccard => both / (a + b - both),
            Self::Cosine => both / (a * b).sqrt(),
            Self::Lift => both * all / (a * b),
            Self::Conditional => both / a,
            Self::Llr => {
                // The same sum in both directions, so that a pair has one score to the last bit.
                let (less, more) = (a.min(b), a.max(b));
                let table = [both, less - both, more - both, all - a - b + both];
                // Counts are never negative, so there is always a root.
                signed_root(table).ok().flatten().unwrap_or(0.0)
            }
        }
    }
}

#[cfg(test)]
mod tests;
