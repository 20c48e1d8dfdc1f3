//! Sorts people into blocks, as many at a time as there is memory for.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::blocks::Block;
use super::{People, Sides};
use crate::relation::ids::NO_CODE;
use crate::relation::threads::on_threads;
use crate::relation::work::{Halt, Held, Work};

/// The blocks that are still to be built.
pub(super) struct Build<'a> {
    sides: Sides,
    customers: ByBlock,
    prospects: ByBlock,
    numbers: &'a [u32],
    idf: &'a [f64],
    /// The first block that is not built.
    next: usize,
    /// How many are built at once.
    at_once: usize,
    _held: Held,
}

/// The people of each block, in their order.
struct ByBlock {
    ends: Vec<usize>,
    rows: Vec<u32>,
}

impl<'a> Build<'a> {
    pub(super) fn new(
        sides: Sides,
        numbers: &'a [u32],
        idf: &'a [f64],
        work: &Work,
    ) -> Result<Self, Halt> {
        let people = sides.customers.len() + sides.prospects.len();
        let held = work.reserve(people * 4 + sides.blocks * 16)?;
        let [customers, prospects] = [&sides.customers, &sides.prospects].map(|people| {
            let unknown = people.blocks.iter().filter(|&&block| block == NO_CODE);
            work.count_left_out(unknown.count() as u64);
            ByBlock::new(&people.blocks, sides.blocks)
        });
        Ok(Self {
            customers,
            prospects,
            numbers,
            idf,
            next: 0,
            at_once: sides.blocks,
            sides,
            _held: held,
        })
    }

    /// The place of each customer in the order of their ids.
    pub(super) fn customer_ranks(&self) -> &[u32] {
        &self.sides.customer_ranks
    }

    /// The next blocks that have people on both sides, and their memory; `None` at the end.
    pub(super) fn next(&mut self, work: &Work) -> Result<Option<(Vec<Block>, Held)>, Halt> {
        while self.next < self.sides.blocks {
            let last = (self.next + self.at_once).min(self.sides.blocks);
            let range = self.next..last;
            match work.reserve(range.clone().map(|block| self.bytes(block)).sum()) {
                Ok(held) => {
                    let blocks = self.build(range, work)?;
                    self.next = last;
                    if last == self.sides.blocks {
                        // All that is needed of them is in the blocks.
                        self.sides.customers = People::default();
                        self.sides.prospects = People::default();
                    }
                    return Ok(Some((blocks, held)));
                }
                Err(Halt::Memory(_)) if range.len() > 1 => self.at_once = range.len().div_ceil(2),
                Err(halt) => return Err(halt),
            }
        }
        Ok(None)
    }

    /// The bytes that a block takes at most.
    fn bytes(&self, block: usize) -> usize {
        let (customers, prospects) = (&self.sides.customers, &self.sides.prospects);
        let copied = |people: &People, rows: &[u32]| -> usize {
            let features: usize = rows
                .iter()
                .map(|&row| people.range(row as usize).len())
                .sum();
            let weight = if people.weights.is_empty() { 0 } else { 8 };
            features * (4 + weight) + rows.len() * 24
        };
        let rows = self.customers.of(block);
        let postings: usize = rows
            .iter()
            .map(|&row| customers.range(row as usize).len())
            .sum();
        copied(customers, rows) + copied(prospects, self.prospects.of(block)) + postings * 4
    }

    fn build(&self, range: Range<usize>, work: &Work) -> Result<Vec<Block>, Halt> {
        let Sides {
            customers,
            prospects,
            customer_ranks,
            ..
        } = &self.sides;
        let next = AtomicUsize::new(range.start);
        let each = |_: usize| -> Result<Vec<Block>, Halt> {
            let mut counts = vec![0; self.idf.len()];
            let mut built = Vec::new();
            loop {
                let block = next.fetch_add(1, Ordering::Relaxed);
                if block >= range.end {
                    return Ok(built);
                }
                work.check()?;
                let (rows, others) = (self.customers.of(block), self.prospects.of(block));
                if !rows.is_empty() && !others.is_empty() {
                    built.push(Block::new(
                        block,
                        (customers, rows, customer_ranks),
                        (prospects, others),
                        self.numbers,
                        self.idf,
                        &mut counts,
                        work,
                    )?);
                }
            }
        };
        let threads = work.threads().min(range.len());
        let mut built: Vec<Block> = on_threads(0..threads, each)?
            .into_iter()
            .flatten()
            .collect();
        built.sort_unstable_by_key(|block| block.number);
        Ok(built)
    }
}

impl ByBlock {
    fn new(of: &[u32], blocks: usize) -> Self {
        let mut ends = vec![0; blocks];
        for &block in of.iter().filter(|&&block| block != NO_CODE) {
            ends[block as usize] += 1;
        }
        let mut sum = 0;
        for end in &mut ends {
            // The start for now; moved to the end as the people come.
            sum += std::mem::replace(end, sum);
        }
        let mut rows = vec![0; sum];
        for (person, &block) in of.iter().enumerate() {
            if block != NO_CODE {
                let place = &mut ends[block as usize];
                rows[*place] = person as u32;
                *place += 1;
            }
        }
        Self { ends, rows }
    }

    fn of(&self, block: usize) -> &[u32] {
        let start = block.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.rows[start..self.ends[block]]
    }
}
