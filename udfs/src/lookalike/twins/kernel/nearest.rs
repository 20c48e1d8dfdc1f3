//! The nearest customers of one profile.
//!
//! The features of the prospect are taken from the rarest to the most common. A customer who has not been met in the
//! lists before shares, at most, the features from the present one on. Let `rest` be the squared length of that part
//! of the prospect's vector p, and τ the similarity to beat. Then, for a customer's vector c,
//!
//! * p·c ≤ √rest·|c|, so once rest < τ²·|p|² nobody new can be near enough, and the most common features, whose lists
//!   are the longest and weigh the least, are never read;
//! * when the features are sets, also p·c ≤ rest and p·c ≤ |c|², so that only lengths from τ·|p| to rest/(τ·|p|)
//!   matter: as profiles are numbered by length, one stretch of the list.
//!
//! Each customer that remains is compared once, in full: the prospect's weights lie in a table by feature, and the
//! customer's features one behind the other. (Bounds as in Bayardo, Ma and Srikant, "Scaling up all pairs similarity
//! search", WWW 2007.)

use super::blocks::{Block, norm};
use super::{Options, Twin};

/// Bounds are widened by this much, far more than what rounding can do.
const SLACK: f64 = 1.0 + 1e-9;

/// The means of one thread.
pub(super) struct Search<'a> {
    idf: &'a [f64],
    ranks: &'a [u32],
    options: &'a Options,
    /// The prospect's weight times idf² by feature; zero for the others.
    table: Vec<f64>,
    /// The last turn in which each customer's profile was met.
    met: Vec<u32>,
    turn: u32,
    rests: Vec<f64>,
    best: Vec<Near>,
    pub(super) scored: u64,
    pub(super) pruned: u64,
}

/// A profile of customers that is near.
#[derive(Clone, Copy)]
struct Near {
    similarity: f64,
    shared: u32,
    profile: u32,
    customers: u32,
}

impl<'a> Search<'a> {
    pub(super) fn new(
        idf: &'a [f64],
        profiles: usize,
        ranks: &'a [u32],
        options: &'a Options,
    ) -> Self {
        Self {
            idf,
            ranks,
            options,
            table: vec![0.0; idf.len()],
            met: vec![0; profiles],
            turn: 0,
            rests: Vec::new(),
            best: Vec::new(),
            scored: 0,
            pruned: 0,
        }
    }

    /// Appends the twins of the prospects with this profile, best first.
    pub(super) fn nearest(&mut self, block: &Block, profile: usize, twins: &mut Vec<Twin>) {
        let (features, weights) = block.prospects.profile(profile);
        let length = norm(features, weights, self.idf);
        self.rests.clear();
        for start in 0..features.len() {
            let weights = weights.get(start..).unwrap_or_default();
            self.rests.push(norm(&features[start..], weights, self.idf));
        }
        for (place, &feature) in features.iter().enumerate() {
            let idf = self.idf[feature as usize];
            let weight = weights.get(place).copied().unwrap_or(1.0);
            self.table[feature as usize] = weight * idf * idf;
        }
        self.turn = self.turn.wrapping_add(1);
        if self.turn == 0 {
            self.met.fill(0);
            self.turn = 1;
        }
        self.best.clear();
        self.search(block, features, weights.is_empty(), length);
        for &feature in features {
            self.table[feature as usize] = 0.0;
        }
        self.choose(block, twins);
    }

    fn search(&mut self, block: &Block, features: &[u32], sets: bool, length: f64) {
        let mut floor = self.options.min_similarity;
        for (place, &feature) in features.iter().enumerate() {
            let rest = self.rests[place];
            let list = block.with(feature);
            let enough = features.len() - place >= self.options.min_shared as usize;
            if !enough || rest * SLACK < floor * floor * length {
                self.pruned += list.len() as u64;
                continue;
            }
            let mut longest = f64::INFINITY;
            let mut list = list;
            if sets && floor > 0.0 {
                let shortest = floor * floor * length / SLACK;
                longest = rest * rest / (floor * floor * length) * SLACK;
                let skipped = list.partition_point(|&other| block.norms[other as usize] < shortest);
                self.pruned += skipped as u64;
                list = &list[skipped..];
            }
            for (read, &other) in list.iter().enumerate() {
                let norm = block.norms[other as usize];
                if norm > longest {
                    self.pruned += (list.len() - read) as u64;
                    break;
                }
                let met = &mut self.met[other as usize];
                if *met == self.turn {
                    continue;
                }
                *met = self.turn;
                self.scored += 1;
                let (product, shared) = self.compare(block, other as usize);
                let bound = floor * floor * length * norm;
                if product * product * SLACK < bound || shared < self.options.min_shared {
                    continue;
                }
                // Not the product of two roots: equal vectors have a similarity of exactly 1.
                let similarity = (product / (length * norm).sqrt()).min(1.0);
                if similarity < floor {
                    continue;
                }
                let customers = block.customers.members(other as usize).len() as u32;
                let near = Near {
                    similarity,
                    shared,
                    profile: other,
                    customers,
                };
                if let Some(raised) = self.offer(near) {
                    floor = raised;
                    if sets && floor > 0.0 {
                        longest = rest * rest / (floor * floor * length) * SLACK;
                    }
                }
            }
        }
    }

    /// The product of the prospect's vector with a customer's, and how many features both have.
    fn compare(&self, block: &Block, other: usize) -> (f64, u32) {
        let (features, weights) = block.customers.profile(other);
        let (mut product, mut shared) = (0.0, 0);
        if weights.is_empty() {
            for &feature in features {
                let weight = self.table[feature as usize];
                product += weight;
                shared += u32::from(weight > 0.0);
            }
        } else {
            for (&feature, with) in features.iter().zip(weights) {
                let weight = self.table[feature as usize];
                product += weight * with;
                shared += u32::from(weight > 0.0);
            }
        }
        (product, shared)
    }

    /// Keeps a profile if it is among the best; the new similarity to reach, once there are k customers.
    fn offer(&mut self, near: Near) -> Option<f64> {
        let worse = |kept: &Near| (kept.similarity, kept.shared) < (near.similarity, near.shared);
        let place = self.best.partition_point(|kept| !worse(kept));
        self.best.insert(place, near);
        let mut customers = 0;
        let cut = self.best.iter().position(|kept| {
            customers += kept.customers as usize;
            customers >= self.options.k
        })?;
        let last = self.best[cut];
        // Profiles that tie with the last one stay: the ids decide in the end.
        let tied = self.best[cut..].iter().take_while(|kept| {
            kept.shared == last.shared && kept.similarity.to_bits() == last.similarity.to_bits()
        });
        let kept = cut + tied.count();
        self.best.truncate(kept);
        Some(last.similarity)
    }

    /// The k best customers of the best profiles; within a tie those with the smallest ids.
    fn choose(&self, block: &Block, twins: &mut Vec<Twin>) {
        let mut missing = self.options.k;
        let ties = self.best.chunk_by(|a, b| {
            a.shared == b.shared && a.similarity.to_bits() == b.similarity.to_bits()
        });
        for tie in ties {
            let start = twins.len();
            for near in tie {
                let members = block.customers.members(near.profile as usize);
                // They stand in the order of their ids.
                let members = &members[..members.len().min(missing)];
                twins.extend(members.iter().map(|&customer| Twin {
                    customer,
                    similarity: near.similarity,
                    shared: near.shared,
                }));
            }
            if tie.len() > 1 {
                twins[start..].sort_unstable_by_key(|twin| self.ranks[twin.customer as usize]);
            }
            twins.truncate(start + missing.min(twins.len() - start));
            missing -= twins.len() - start;
            if missing == 0 {
                break;
            }
        }
    }
}
