//! The best candidates of each item.

use std::cmp::Ordering;

use super::Options;
use crate::relation::work::{Halt, Held, Work};

/// Another item, by its label.
#[derive(Debug, Clone, Copy)]
pub(super) struct Candidate {
    pub(super) score: f64,
    pub(super) support: u32,
    pub(super) other: u32,
}

impl Candidate {
    /// By score, then support, then the smaller id: the place of each label in the order of ids is given.
    pub(super) fn cmp(&self, other: &Self, rank_of: &[u32]) -> Ordering {
        let rank = |candidate: &Self| rank_of[candidate.other as usize];
        self.score
            .total_cmp(&other.score)
            .then(self.support.cmp(&other.support))
            .then_with(|| rank(other).cmp(&rank(self)))
    }
}

/// For each item at least its best `k` candidates so far, in no order, and at most twice as many.
///
/// Pushing and now and then throwing the worse half away moves less than a heap, and the bar that is left behind
/// refuses most of what comes later. Nearly all pairs are refused, so that this must cost next to nothing: a product
/// of two numbers of 4 bytes, with room for their rounding, is never below the score.
pub(super) struct Best {
    k: usize,
    candidates: Vec<Vec<Candidate>>,
    sieve: Vec<Sieve>,
    /// The score that a candidate must have at least to be among the best.
    bars: Vec<f64>,
    held: Held,
    /// Bytes that are held and not used.
    spare: usize,
}

/// Bytes that are asked for at once.
const AHEAD: usize = 1 << 16;

/// What is looked at for each pair of an item.
#[derive(Debug, Clone, Copy)]
struct Sieve {
    /// See [`super::Measure::scale`], rounded up.
    scale: f32,
    /// The bar, rounded down.
    bar: f32,
}

/// More than what is lost when numbers become numbers of 4 bytes and are multiplied.
const ROUNDING: f64 = 1e-6;

impl Best {
    /// For items of this popularity, seen by so many visitors in all.
    pub(super) fn new(
        popularity: &[u32],
        visitors: u64,
        options: &Options,
        work: &Work,
    ) -> Result<Self, Halt> {
        let items = popularity.len();
        let bytes = size_of::<Vec<Candidate>>() + size_of::<Sieve>() + 8;
        let held = work.reserve(items * bytes)?;
        let sieve = |&popularity: &u32| Sieve {
            scale: (options.measure.scale(popularity, visitors) * (1.0 + ROUNDING)) as f32,
            bar: f32::NEG_INFINITY,
        };
        Ok(Self {
            k: options.k,
            candidates: vec![Vec::new(); items],
            sieve: popularity.iter().map(sieve).collect(),
            bars: vec![f64::NEG_INFINITY; items],
            held,
            spare: 0,
        })
    }

    pub(super) fn len(&self) -> usize {
        self.candidates.iter().map(Vec::len).sum()
    }

    /// The candidates of an item, in no order.
    pub(super) fn of(&self, item: u32) -> &[Candidate] {
        &self.candidates[item as usize]
    }

    /// Whether either of two items with so many visitors in common may be among the best of the other.
    #[inline]
    pub(super) fn may_admit(&self, item: u32, other: u32, support: u32) -> bool {
        let (one, other) = (self.sieve[item as usize], self.sieve[other as usize]);
        let most = support as f32 * one.scale * other.scale;
        most >= one.bar.min(other.bar)
    }

    /// Keeps a candidate that may be among the best of an item.
    #[inline]
    pub(super) fn offer(
        &mut self,
        item: u32,
        candidate: Candidate,
        rank_of: &[u32],
    ) -> Result<(), Halt> {
        if candidate.score < self.bars[item as usize] {
            return Ok(());
        }
        self.push(item, candidate, rank_of)
    }

    #[inline(never)]
    fn push(&mut self, item: u32, candidate: Candidate, rank_of: &[u32]) -> Result<(), Halt> {
        let item = item as usize;
        let candidates = &mut self.candidates[item];
        if candidates.len() == candidates.capacity() {
            let most = self.k.saturating_mul(2);
            if candidates.len() == most {
                candidates.select_nth_unstable_by(self.k - 1, |a, b| b.cmp(a, rank_of));
                candidates.truncate(self.k);
                let bar = candidates[self.k - 1].score;
                self.bars[item] = bar;
                self.sieve[item].bar = (bar * (1.0 - ROUNDING)) as f32;
            } else {
                let more = (3 * candidates.len()).max(8).min(most - candidates.len());
                let bytes = more * size_of::<Candidate>();
                if bytes > self.spare {
                    // Seldom: all threads ask the same pool.
                    let ahead = bytes.max(AHEAD);
                    self.held.grow(ahead)?;
                    self.spare += ahead;
                }
                self.spare -= bytes;
                candidates.reserve_exact(more);
            }
        }
        candidates.push(candidate);
        Ok(())
    }
}
