//! Views as they come, by ranges of visitors.

use crate::relation::ids::NO_CODE;
use crate::relation::work::{Halt, Held, Work};

/// Visitors with equal codes but for so many last bits are one range: what is made of their views fits the second cache.
pub(super) const RANGE: usize = 13;
/// Views of a block.
const BLOCK: usize = 1 << 13;

/// Who looked at what, in codes. Each range of visitors has blocks of its own, so that it grows without being moved and
/// its lists are made without a look beyond the cache.
#[derive(Default)]
pub(crate) struct Views {
    ranges: Vec<Blocks>,
    held: Option<Held>,
}

/// The views of a range of visitors.
#[derive(Default)]
pub(super) struct Blocks {
    full: Vec<Vec<View>>,
    last: Vec<View>,
}

/// Visitor and item.
type View = (u32, u32);

impl Blocks {
    pub(super) fn iter(&self) -> impl Iterator<Item = &[View]> {
        let full = self.full.iter().map(Vec::as_slice);
        full.chain([self.last.as_slice()])
    }

    pub(super) fn rows(&self) -> usize {
        self.full.len() * BLOCK + self.last.len()
    }
}

impl Views {
    /// Takes views; those with a NULL do not count.
    pub(crate) fn push(
        &mut self,
        visitors: &[u32],
        items: &[u32],
        work: &Work,
    ) -> Result<(), Halt> {
        for (&visitor, &item) in visitors.iter().zip(items) {
            if visitor == NO_CODE || item == NO_CODE {
                continue;
            }
            let range = visitor as usize >> RANGE;
            if range >= self.ranges.len() {
                self.ranges.resize_with(range + 1, Blocks::default);
            }
            let blocks = &mut self.ranges[range];
            if blocks.last.len() == blocks.last.capacity() {
                grow(&mut self.held, blocks, work)?;
            }
            blocks.last.push((visitor, item));
        }
        Ok(())
    }

    pub(super) fn ranges(&self) -> &[Blocks] {
        &self.ranges
    }

    pub(super) fn rows(&self) -> usize {
        self.ranges.iter().map(Blocks::rows).sum()
    }
}

/// Makes room for another view: small at first, block by block later.
#[cold]
fn grow(held: &mut Option<Held>, blocks: &mut Blocks, work: &Work) -> Result<(), Halt> {
    let capacity = blocks.last.capacity();
    let more = if capacity == BLOCK {
        BLOCK
    } else {
        capacity.max(256)
    };
    let bytes = more * size_of::<View>();
    match held {
        Some(held) => held.grow(bytes)?,
        None => *held = Some(work.reserve(bytes)?),
    }
    if capacity == BLOCK {
        let next = Vec::with_capacity(BLOCK);
        blocks.full.push(std::mem::replace(&mut blocks.last, next));
    } else {
        blocks.last.reserve_exact(more);
    }
    Ok(())
}
