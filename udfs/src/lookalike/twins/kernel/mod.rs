//! The k nearest customers of each prospect, exactly.
//!
//! Similarity is the cosine of vectors weighted by idf(c) = ln(1 + N/df(c)), N and df counted over all customers.
//! Work is done per block and per *profile*, a set of features with its weights: thin prospects share few profiles, so
//! each different one is scored once, against the different ones of the customers. Features are numbered from the
//! rarest to the most common; see [`nearest`] for what that saves.
//!
//! Sums always run from the rarest feature to the most common, in doubles: profiles whose features are equally rare
//! have equal sums, to the bit, and ties are true ties.
//!
//! Blocks do not need each other: when there is not the memory for all of them, they are built and scored some at a time.
//!
//! Limit: an inverted index alone reads Σ df(prospects)·df(customers) postings a block. The bounds skip most of them:
//! what remains is one dot product of a few features, in the first cache, for each customer that could still be among
//! the best.

mod blocks;
mod build;
mod nearest;
#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::relation::threads::on_threads;
use crate::relation::work::{Halt, Work, bytes_with};
use blocks::Block;
use build::Build;
use nearest::Search;

/// Profiles that a thread scores before it looks for more.
const CHUNK: usize = 128;
/// Chunks that are scored before their rows are given away.
const ROUND: usize = 128;

pub(super) struct Options {
    pub(super) k: usize,
    pub(super) min_similarity: f64,
    pub(super) min_shared: u32,
}

/// People in codes: block, features, weights.
#[derive(Debug, Default)]
pub(super) struct People {
    /// [`NO_CODE`] is unknown, and matches nobody.
    pub(super) blocks: Vec<u32>,
    pub(super) ends: Vec<usize>,
    /// Of each person, ascending and different; all below the number of features.
    pub(super) features: Vec<u32>,
    /// Above zero, at most 2, one for each of `features`; empty when they are sets.
    pub(super) weights: Vec<f64>,
}

/// A twin of some prospects.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Twin {
    pub(super) customer: u32,
    pub(super) similarity: f64,
    pub(super) shared: u32,
}

impl People {
    pub(super) fn len(&self) -> usize {
        self.blocks.len()
    }

    fn range(&self, person: usize) -> std::ops::Range<usize> {
        let start = person.checked_sub(1).map_or(0, |before| self.ends[before]);
        start..self.ends[person]
    }

    /// Bytes once there are so many more people and features.
    pub(super) fn bytes_with(&self, people: usize, features: usize, weighted: bool) -> usize {
        let weights = if weighted {
            bytes_with(&self.weights, features)
        } else {
            0
        };
        bytes_with(&self.blocks, people)
            + bytes_with(&self.ends, people)
            + bytes_with(&self.features, features)
            + weights
    }
}

/// Both sides.
pub(super) struct Sides {
    pub(super) customers: People,
    pub(super) prospects: People,
    /// The place of each feature in the order of their ids.
    pub(super) feature_ranks: Vec<u32>,
    /// The place of each customer in the order of their ids.
    pub(super) customer_ranks: Vec<u32>,
    /// How many blocks there are.
    pub(super) blocks: usize,
}

/// Gives the twins of each prospect, best first, to `each`: for one profile at a time, with the prospects that have it.
pub(super) fn twins<E: From<Halt>>(
    sides: Sides,
    options: &Options,
    work: &Work,
    mut each: impl FnMut(&[u32], &[Twin]) -> Result<(), E>,
) -> Result<(), E> {
    let (numbers, idf) = by_rarity(&sides.customers, &sides.feature_ranks);
    let mut build = Build::new(sides, &numbers, &idf, work)?;
    while let Some((blocks, held)) = build.next(work)? {
        score(
            &blocks,
            &idf,
            build.customer_ranks(),
            options,
            work,
            &mut each,
        )?;
        drop(held);
    }
    Ok(())
}

/// Finds the twins of the prospects of these blocks.
fn score<E: From<Halt>>(
    blocks: &[Block],
    idf: &[f64],
    customer_ranks: &[u32],
    options: &Options,
    work: &Work,
    each: &mut impl FnMut(&[u32], &[Twin]) -> Result<(), E>,
) -> Result<(), E> {
    let largest = blocks.iter().map(|block| block.customers.len()).max();
    let scratch = 8 * idf.len() + 4 * largest.unwrap_or(0);
    let _held = work.reserve(work.threads() * scratch)?;
    let mut chunks = Vec::new();
    for (number, block) in blocks.iter().enumerate() {
        for start in (0..block.prospects.len()).step_by(CHUNK) {
            chunks.push((number, start));
        }
    }
    work.expect_steps(chunks.len());
    for round in chunks.chunks(ROUND) {
        let next = AtomicUsize::new(0);
        let score = |_: usize| -> Result<Vec<Scored>, Halt> {
            let mut search = Search::new(idf, largest.unwrap_or(0), customer_ranks, options);
            let mut scored = Vec::new();
            while let Some(&(number, start)) = round.get(next.fetch_add(1, Ordering::Relaxed)) {
                let block = &blocks[number];
                let end = (start + CHUNK).min(block.prospects.len());
                let mut found = Scored {
                    ends: Vec::with_capacity(CHUNK),
                    twins: Vec::new(),
                    place: (number, start),
                };
                for profile in start..end {
                    work.check()?;
                    search.nearest(block, profile, &mut found.twins);
                    found.ends.push(found.twins.len());
                }
                scored.push(found);
                work.done_steps(1);
            }
            work.count_scored(search.scored);
            work.count_pruned(search.pruned);
            Ok(scored)
        };
        let threads = work.threads().min(round.len());
        let mut scored = on_threads(0..threads, score)?.concat();
        scored.sort_unstable_by_key(|found| found.place);
        for found in &scored {
            let (number, first) = found.place;
            let mut start = 0;
            for (profile, &end) in found.ends.iter().enumerate() {
                let prospects = blocks[number].prospects.members(first + profile);
                each(prospects, &found.twins[start..end])?;
                start = end;
            }
        }
    }
    Ok(())
}

/// The twins of a chunk of profiles.
#[derive(Clone)]
struct Scored {
    /// The block, and the first profile in it.
    place: (usize, usize),
    ends: Vec<usize>,
    twins: Vec<Twin>,
}

/// A new number for each feature, the rarest among all customers first, and the idf by that number.
fn by_rarity(customers: &People, ranks: &[u32]) -> (Vec<u32>, Vec<f64>) {
    let mut df = vec![0_u64; ranks.len()];
    for &feature in &customers.features {
        df[feature as usize] += 1;
    }
    let mut order: Vec<u32> = (0..ranks.len() as u32).collect();
    order.sort_unstable_by_key(|&feature| (df[feature as usize], ranks[feature as usize]));
    let mut numbers = vec![0; order.len()];
    for (number, &feature) in order.iter().enumerate() {
        numbers[feature as usize] = number as u32;
    }
    let n = customers.len() as f64;
    // A feature that no customer has is in no prospect's vector either; its idf is never asked for.
    let idf = order.iter().map(|&feature| match df[feature as usize] {
        0 => 0.0,
        df => (n / df as f64).ln_1p(),
    });
    (numbers, idf.collect())
}
