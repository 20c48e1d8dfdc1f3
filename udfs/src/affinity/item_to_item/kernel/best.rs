//! The best candidates of each item.

use std::cmp::Ordering;

use super::carts::Carts;
use crate::relation::work::{Halt, Held, Work};

/// Another item, by its label.
#[derive(Debug, Clone, Copy)]
pub(super) struct Candidate {
    pub(super) score: f64,
    pub(super) support: u32,
    pub(super) other: u32,
}

impl Candidate {
    /// By score, then support, then the smaller id.
    pub(super) fn cmp(&self, other: &Self, carts: &Carts) -> Ordering {
        let rank = |candidate: &Self| carts.rank_of[candidate.other as usize];
        self.score
            .total_cmp(&other.score)
            .then(self.support.cmp(&other.support))
            .then_with(|| rank(other).cmp(&rank(self)))
    }
}

/// For each item at least its best `k` candidates so far, in no order, and at most twice as many.
///
/// Pushing and now and then throwing the worse half away moves less than a heap, and the bar that is left behind
/// refuses most of what comes later by one comparison.
pub(super) struct Best {
    k: usize,
    candidates: Vec<Vec<Candidate>>,
    /// The score that a candidate must have at least to be among the best.
    bars: Vec<f64>,
    held: Held,
}

impl Best {
    pub(super) fn new(items: usize, k: usize, work: &Work) -> Result<Self, Halt> {
        let held = work.reserve(items * (size_of::<Vec<Candidate>>() + 8))?;
        Ok(Self {
            k,
            candidates: vec![Vec::new(); items],
            bars: vec![f64::NEG_INFINITY; items],
            held,
        })
    }

    pub(super) fn len(&self) -> usize {
        self.candidates.iter().map(Vec::len).sum()
    }

    /// The candidates of an item, in no order.
    pub(super) fn of(&mut self, item: u32) -> &mut Vec<Candidate> {
        &mut self.candidates[item as usize]
    }

    /// Whether a candidate with this score may be among the best of an item. Most may not: this is asked for every
    /// pair, and must cost no more than the look.
    #[inline]
    pub(super) fn admits(&self, item: u32, score: f64) -> bool {
        score >= self.bars[item as usize]
    }

    /// Keeps a candidate that is admitted.
    #[inline(never)]
    pub(super) fn push(
        &mut self,
        item: u32,
        candidate: Candidate,
        carts: &Carts,
    ) -> Result<(), Halt> {
        let item = item as usize;
        let candidates = &mut self.candidates[item];
        if candidates.len() == candidates.capacity() {
            let most = self.k.saturating_mul(2);
            if candidates.len() == most {
                candidates.select_nth_unstable_by(self.k - 1, |a, b| b.cmp(a, carts));
                candidates.truncate(self.k);
                self.bars[item] = candidates[self.k - 1].score;
            } else {
                let more = candidates.len().max(4).min(most - candidates.len());
                self.held.grow(more * size_of::<Candidate>())?;
                candidates.reserve_exact(more);
            }
        }
        candidates.push(candidate);
        Ok(())
    }
}
