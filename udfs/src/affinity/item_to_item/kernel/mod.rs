//! Counts the visitors that pairs of items share, and keeps the best of each item.
//!
//! The views are grouped by visitor, range by range of them in the cache, and by item; then, item by item, the items of
//! its visitors are counted into an array. Items are numbered by popularity, and a visitor's items are in that order, so
//! that an item counts only the more popular ones, each pair once, and the end of a visitor's list needs no look-up. A
//! product of two small numbers tells of nearly every pair that it is not among the best of either item.
//!
//! For n views the groups move some 24 n bytes; the pairs cost one random access a view, to the list of its visitor,
//! and an increment each (in the second-level cache up to some 100,000 items). Ten million views of a million visitors
//! and 50,000 items are 45 million pairs: some 0.4 s on two threads, the larger half of it the latency of the lists,
//! which take 20 MB. Reading and numbering the views takes 0.3 s before, grouping them 0.1 s.

mod best;
mod carts;
mod views;

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::evidence::root_llr::signed_root;
use crate::relation::threads::on_threads;
use crate::relation::work::{Halt, Work};
use best::{Best, Candidate};
use carts::{Carts, Label};
pub(crate) use views::Views;

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

/// The neighbours of all items. `ranks` is the place of each item code in the order of ids.
pub(crate) fn item_to_item(
    views: Views,
    ranks: &[u32],
    options: &Options,
    work: &Work,
) -> Result<Neighbours, Halt> {
    if ranks.len() <= 1 << 16 {
        with_labels::<u16>(views, ranks, options, work)
    } else {
        with_labels::<u32>(views, ranks, options, work)
    }
}

fn with_labels<L: Label>(
    views: Views,
    ranks: &[u32],
    options: &Options,
    work: &Work,
) -> Result<Neighbours, Halt> {
    let carts: Carts<L> = Carts::new(views, ranks, options.max_items, work)?;
    work.count_left_out(carts.left_out);
    let next = AtomicUsize::new(0);
    work.expect_steps(ranks.len().div_ceil(SHARE));
    let bests = on_threads(0..work.threads(), |_| count(&carts, &next, options, work))?;
    merge(&bests, &carts, ranks.len(), options.k, work)
}

/// Counts the pairs of the items that this thread gets, and offers each to both of its items.
///
/// The least popular items come first. Most pairs share one visitor, and then the less popular partner is the nearer
/// one: in this order the best come early, and few of the later ones pass the bar.
fn count<L: Label>(
    carts: &Carts<L>,
    next: &AtomicUsize,
    options: &Options,
    work: &Work,
) -> Result<Best, Halt> {
    let items = carts.popularity.len();
    let _held = work.reserve(items * 8)?;
    let mut best = Best::new(&carts.popularity, carts.visitors, options, work)?;
    let mut counts = vec![0_u32; items];
    // One more than there are: what is written last may not count.
    let mut touched = vec![0_u32; items + 1];
    let all = carts.visitors as f64;
    loop {
        let first = next.fetch_add(SHARE, Ordering::Relaxed);
        if first >= items {
            return Ok(best);
        }
        for item in (items.saturating_sub(first + SHARE)..items - first).rev() {
            work.check()?;
            let pairs = add_up(carts, item as u32, &mut counts, &mut touched);
            let a = f64::from(carts.popularity[item]);
            let item = item as u32;
            let mut pruned = 0;
            for &other in &touched[..pairs] {
                let support = std::mem::take(&mut counts[other as usize]);
                if u64::from(support) < options.min_support {
                    continue;
                }
                if !best.may_admit(item, other, support) {
                    pruned += 1;
                    continue;
                }
                let b = f64::from(carts.popularity[other as usize]);
                let score = options.measure.score(f64::from(support), a, b, all);
                let back = match options.measure {
                    Measure::Conditional => options.measure.score(f64::from(support), b, a, all),
                    _ => score,
                };
                let candidate = |score, other| Candidate {
                    score,
                    support,
                    other,
                };
                best.offer(item, candidate(score, other), &carts.rank_of)?;
                best.offer(other, candidate(back, item), &carts.rank_of)?;
            }
            work.count_pruned(pruned);
            work.count_scored(pairs as u64 - pruned);
        }
        work.done_steps(1);
    }
}

/// Counts the visitors that an item shares with each more popular one; returns how many such items there are.
fn add_up<L: Label>(carts: &Carts<L>, item: u32, counts: &mut [u32], touched: &mut [u32]) -> usize {
    let mut pairs = 0;
    for starts in carts.lists_with(item).chunks(16) {
        // First only the starts of some lists: these reads do not wait for each other, and the lists are on their way
        // from memory when they are walked.
        let fetched = starts
            .iter()
            .fold(0, |all, &start| all ^ carts.items[start as usize].into());
        std::hint::black_box(fetched);
        for &start in starts {
            // The item itself ends the part of the list that is more popular.
            let list = carts.items[start as usize..].iter();
            let list = list.map(|&other| other.into());
            for other in list.take_while(|other| *other != item) {
                let count = &mut counts[other as usize];
                // Without a branch, which would be mispredicted often.
                touched[pairs] = other;
                pairs += usize::from(*count == 0);
                *count += 1;
            }
        }
    }
    pairs
}

/// Joins what the threads found, in the order of ids.
fn merge<L: Label>(
    bests: &[Best],
    carts: &Carts<L>,
    codes: usize,
    k: usize,
    work: &Work,
) -> Result<Neighbours, Halt> {
    let most: usize = bests.iter().map(Best::len).sum();
    let _held = work.reserve(most.min(carts.popularity.len() * k) * 48 + codes * 4)?;
    let mut label_at = vec![u32::MAX; codes];
    for (label, &rank) in carts.rank_of.iter().enumerate() {
        label_at[rank as usize] = label as u32;
    }
    label_at.retain(|label| *label != u32::MAX);
    let parts = label_at.chunks(label_at.len().div_ceil(work.threads()).max(1));
    let parts = on_threads(parts, |labels| {
        let mut found = Neighbours::default();
        let mut candidates = Vec::new();
        for &label in labels {
            work.check()?;
            for best in bests {
                candidates.extend_from_slice(best.of(label));
            }
            candidates.sort_unstable_by(|a, b| b.cmp(a, &carts.rank_of));
            for (place, candidate) in candidates.drain(..).enumerate().take(k) {
                found.item.push(carts.code_of[label as usize]);
                found.other.push(carts.code_of[candidate.other as usize]);
                found.score.push(candidate.score);
                found.support.push(candidate.support);
                found.rank.push(place as u32 + 1);
            }
        }
        Ok(found)
    });
    let joined = parts?.into_iter().reduce(|mut all, mut part| {
        all.item.append(&mut part.item);
        all.other.append(&mut part.other);
        all.score.append(&mut part.score);
        all.support.append(&mut part.support);
        all.rank.append(&mut part.rank);
        all
    });
    Ok(joined.unwrap_or_default())
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

    /// What a number of shared visitors, times this of both items, is at least as much as a score in either direction;
    /// infinite where there is no such number.
    fn scale(self, popularity: u32, all: u64) -> f64 {
        let popularity = f64::from(popularity);
        match self {
            Self::Count => 1.0,
            // a + b − both is at least the larger of a and b, and so at least √(a·b).
            Self::Cosine | Self::Jaccard => 1.0 / popularity.sqrt(),
            Self::Lift => (all as f64).sqrt() / popularity,
            Self::Llr | Self::Conditional => f64::INFINITY,
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
