//! What the twins of each prospect bought.
//!
//! Orders lie customer by customer, one entry a product with the decayed weight of the last purchase; the twins lie
//! prospect by prospect. A prospect's votes are added in an array by product, which stays in cache, and taken out again
//! by the list of products that were touched. Sums do not depend on the order of their terms.
//!
//! Limit: one pass over twins × the products each of them bought, a random read of the customer's entries for each twin.

mod voting;

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::common::sum::DoubleDouble;
use crate::relation::threads::on_threads;
use crate::relation::work::{Halt, Held, Work, bytes_with, hold};
use voting::{Vote, Voting};

/// Prospects that a thread scores before it looks for more.
const CHUNK: usize = 1024;
/// Chunks that are scored before their rows are given away.
const ROUND: usize = 32;

pub(super) struct Options {
    pub(super) k: usize,
    pub(super) min_twins: u32,
    pub(super) prior_strength: f64,
}

/// Orders row by row: codes of customer and product, and the decayed weight, from 0 to 1.
#[derive(Debug, Default)]
pub(super) struct Orders {
    pub(super) customers: Vec<u32>,
    pub(super) products: Vec<u32>,
    pub(super) weights: Vec<f64>,
}

/// Twins row by row.
#[derive(Debug, Default)]
pub(super) struct Twins {
    pub(super) prospects: Vec<u32>,
    pub(super) customers: Vec<u32>,
    pub(super) similarities: Vec<f64>,
}

/// A product for a prospect.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Offer {
    pub(super) product: u32,
    pub(super) score: f64,
    /// `None` when no weight is left of anybody's purchase.
    pub(super) lift: Option<f64>,
    pub(super) twins: u32,
}

/// How many prospects, customers and products there are, and the place of each product in the order of their ids.
pub(super) struct Sizes {
    pub(super) prospects: usize,
    pub(super) customers: usize,
    pub(super) product_ranks: Vec<u32>,
}

/// Why there is no result.
pub(super) enum Fault {
    Halt(Halt),
    /// This prospect has this customer twice.
    Twice(u32, u32),
}

impl From<Halt> for Fault {
    fn from(halt: Halt) -> Self {
        Self::Halt(halt)
    }
}

impl Orders {
    pub(super) fn bytes_with(&self, rows: usize) -> usize {
        bytes_with(&self.customers, rows)
            + bytes_with(&self.products, rows)
            + bytes_with(&self.weights, rows)
    }
}

impl Twins {
    pub(super) fn bytes_with(&self, rows: usize) -> usize {
        bytes_with(&self.prospects, rows)
            + bytes_with(&self.customers, rows)
            + bytes_with(&self.similarities, rows)
    }
}

/// Gives the products of each prospect, best first, to `each`.
pub(super) fn twin_products<E: From<Fault>>(
    orders: Orders,
    twins: Twins,
    sizes: &Sizes,
    options: &Options,
    work: &Work,
    mut each: impl FnMut(u32, &[Offer]) -> Result<(), E>,
) -> Result<(), E> {
    let mut held = None;
    let bought = Bought::of(orders, sizes, &mut held, work).map_err(Fault::from)?;
    let audience = Audience::of(twins, sizes.prospects, &mut held, work).map_err(Fault::from)?;
    let scratch = sizes.customers * 4 + sizes.product_ranks.len() * size_of::<Vote>();
    hold(
        &mut held,
        held_bytes(&bought, &audience) + work.threads() * scratch,
        work,
    )
    .map_err(Fault::from)?;
    let starts: Vec<usize> = (0..sizes.prospects).step_by(CHUNK).collect();
    work.expect_steps(starts.len());
    for round in starts.chunks(ROUND) {
        let next = AtomicUsize::new(0);
        let score = |_: usize| -> Result<_, Halt> {
            let mut voting = Voting::new(&bought, sizes, options);
            let mut scored = Vec::new();
            while let Some(&start) = round.get(next.fetch_add(1, Ordering::Relaxed)) {
                let end = (start + CHUNK).min(sizes.prospects);
                let mut offers = Vec::new();
                let mut ends = Vec::with_capacity(CHUNK);
                for prospect in start..end {
                    work.check()?;
                    let twins = audience.of_prospect(prospect);
                    if let Err(customer) = voting.offers(twins, &mut offers) {
                        return Ok(Err(Fault::Twice(prospect as u32, customer)));
                    }
                    ends.push(offers.len());
                }
                scored.push((start, ends, offers));
                work.done_steps(1);
            }
            work.count_scored(voting.scored);
            Ok(Ok(scored))
        };
        let threads = work.threads().min(round.len());
        let parts = on_threads(0..threads, score).map_err(Fault::from)?;
        let mut scored = Vec::with_capacity(round.len());
        for part in parts {
            scored.extend(part?);
        }
        scored.sort_unstable_by_key(|(start, ..)| *start);
        for (first, ends, offers) in &scored {
            let mut start = 0;
            for (prospect, &end) in ends.iter().enumerate() {
                each((first + prospect) as u32, &offers[start..end])?;
                start = end;
            }
        }
    }
    Ok(())
}

fn held_bytes(bought: &Bought, audience: &Audience) -> usize {
    bought.ends.len() * 8
        + bought.entries.len() * size_of::<(u32, f64)>()
        + bought.priors.len() * 8
        + audience.ends.len() * 8
        + audience.twins.len() * size_of::<(u32, f64)>()
}

/// The last purchase of each product by each customer.
struct Bought {
    ends: Vec<usize>,
    /// Product and weight.
    entries: Vec<(u32, f64)>,
    /// By product: the decayed share of all customers who bought it.
    priors: Vec<f64>,
}

impl Bought {
    fn of(
        orders: Orders,
        sizes: &Sizes,
        held: &mut Option<Held>,
        work: &Work,
    ) -> Result<Self, Halt> {
        let rows = orders.customers.len();
        hold(
            held,
            (sizes.customers + 1) * 8 + rows * size_of::<(u32, f64)>(),
            work,
        )?;
        let entries = orders.products.into_iter().zip(orders.weights);
        let (mut ends, mut entries) = by_owner(&orders.customers, entries, sizes.customers);
        let (mut start, mut kept) = (0, 0);
        let mut customers = 0_u64;
        let mut sums = vec![DoubleDouble::NONE; sizes.product_ranks.len()];
        for end in &mut ends {
            work.check()?;
            let own = start..*end;
            start = *end;
            customers += u64::from(!own.is_empty());
            // The latest purchase of a product weighs most.
            entries[own.clone()].sort_unstable_by(|a, b| a.0.cmp(&b.0).then(b.1.total_cmp(&a.1)));
            let first = kept;
            for place in own {
                let entry = entries[place];
                if kept == first || entries[kept - 1].0 != entry.0 {
                    sums[entry.0 as usize].add(entry.1);
                    entries[kept] = entry;
                    kept += 1;
                }
            }
            *end = kept;
        }
        entries.truncate(kept);
        let prior = |sum: &DoubleDouble| sum.value().unwrap_or(0.0) / customers as f64;
        Ok(Self {
            ends,
            entries,
            priors: sums.iter().map(prior).collect(),
        })
    }

    fn by(&self, customer: u32) -> &[(u32, f64)] {
        slice(&self.ends, &self.entries, customer as usize)
    }
}

/// The twins of each prospect.
struct Audience {
    ends: Vec<usize>,
    /// Customer and similarity.
    twins: Vec<(u32, f64)>,
}

impl Audience {
    fn of(
        twins: Twins,
        prospects: usize,
        held: &mut Option<Held>,
        work: &Work,
    ) -> Result<Self, Halt> {
        let rows = twins.prospects.len();
        let bytes = (prospects + 1) * 8 + rows * size_of::<(u32, f64)>();
        match held {
            Some(held) => held.grow(bytes)?,
            none => hold(none, bytes, work)?,
        }
        let entries = twins.customers.into_iter().zip(twins.similarities);
        let (ends, twins) = by_owner(&twins.prospects, entries, prospects);
        Ok(Self { ends, twins })
    }

    fn of_prospect(&self, prospect: usize) -> &[(u32, f64)] {
        slice(&self.ends, &self.twins, prospect)
    }
}

fn slice<'a, T>(ends: &[usize], entries: &'a [T], owner: usize) -> &'a [T] {
    let start = owner.checked_sub(1).map_or(0, |before| ends[before]);
    &entries[start..ends[owner]]
}

/// Sorts entries by their owner; where those of each end.
fn by_owner(
    owners: &[u32],
    entries: impl Iterator<Item = (u32, f64)>,
    count: usize,
) -> (Vec<usize>, Vec<(u32, f64)>) {
    let mut ends = vec![0; count];
    for &owner in owners {
        ends[owner as usize] += 1;
    }
    let mut sum = 0;
    for end in &mut ends {
        sum += std::mem::replace(end, sum);
    }
    let mut sorted = vec![(0, 0.0); owners.len()];
    for (&owner, entry) in owners.iter().zip(entries) {
        let place = &mut ends[owner as usize];
        sorted[*place] = entry;
        *place += 1;
    }
    (ends, sorted)
}
