//! The neighbours of each item, side by side.

use super::super::super::groups::Groups;
use crate::relation::work::{Halt, Held, Work};

/// Neighbours as they came, in codes, none of them NULL.
#[derive(Debug, Default)]
pub(in super::super) struct Pairs {
    pub(in super::super) item: Vec<u32>,
    pub(in super::super) other: Vec<u32>,
    pub(in super::super) score: Vec<f64>,
}

/// A pair that stands twice in the neighbours: item and other.
pub(in super::super) type Twice = (u32, u32);

/// The neighbours of each item.
pub(in super::super) struct Graph {
    /// Where the neighbours of each item start, and the end of the last.
    starts: Vec<u32>,
    near: Vec<Near>,
    _held: Held,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Near {
    pub(super) other: u32,
    pub(super) score: f64,
}

impl Graph {
    /// Fails with the first pair that is there twice, by the order of ids, in which `ranks` are the places of the items.
    pub(in super::super) fn new(
        pairs: &Pairs,
        ranks: &[u32],
        work: &Work,
    ) -> Result<Result<Self, Twice>, Halt> {
        let groups = Groups::new(&pairs.item, ranks.len(), "neighbours", work)?;
        let count = pairs.item.len();
        let held = work.reserve((ranks.len() + 1) * 4 + count * size_of::<Near>())?;
        let mut starts = Vec::with_capacity(ranks.len() + 1);
        let mut near: Vec<Near> = Vec::with_capacity(count);
        starts.push(0);
        let mut twice: Option<Twice> = None;
        for item in 0..ranks.len() as u32 {
            work.check()?;
            let first = near.len();
            near.extend(groups.of(item).iter().map(|&row| Near {
                other: pairs.other[row as usize],
                score: pairs.score[row as usize],
            }));
            let rank = |code: u32| ranks[code as usize];
            let mine = &mut near[first..];
            mine.sort_unstable_by_key(|near| rank(near.other));
            let same = mine.windows(2).find(|pair| pair[0].other == pair[1].other);
            if let Some(other) = same.map(|pair| pair[0].other)
                && twice.is_none_or(|(before, _)| rank(item) < rank(before))
            {
                twice = Some((item, other));
            }
            starts.push(near.len() as u32);
        }
        Ok(match twice {
            Some(twice) => Err(twice),
            None => Ok(Self {
                starts,
                near,
                _held: held,
            }),
        })
    }

    pub(super) fn of(&self, item: u32) -> &[Near] {
        let item = item as usize;
        &self.near[self.starts[item] as usize..self.starts[item + 1] as usize]
    }
}
