//! Views grouped by visitor and by item.

use std::cmp::Reverse;

use super::Views;
use crate::relation::threads::on_threads;
use crate::relation::work::{Halt, Held, Work};

/// What each visitor looked at and who looked at each item, every view once. Items go by labels: 0 is the most popular.
pub(super) struct Carts {
    /// Where the items of each visitor start.
    pub(super) starts: Vec<u32>,
    /// The items of each visitor, the most popular first, with gaps behind them.
    pub(super) items: Vec<u32>,
    /// Where the visitors of each item start, and the end of the last.
    item_starts: Vec<u32>,
    visitors_by_item: Vec<u32>,
    /// How many visitors each item has.
    pub(super) popularity: Vec<u32>,
    /// The code of each label, and its place in the order of ids.
    pub(super) code_of: Vec<u32>,
    pub(super) rank_of: Vec<u32>,
    /// Visitors that count, and those with too many items.
    pub(super) visitors: u64,
    pub(super) left_out: u64,
    _held: [Held; 2],
}

impl Carts {
    pub(super) fn new(
        views: Views,
        visitors: usize,
        ranks: &[u32],
        max_items: usize,
        work: &Work,
    ) -> Result<Self, Halt> {
        let rows = views.rows;
        if u32::try_from(rows).is_err() {
            let fault = format!(
                "input 'views' must have fewer than {} rows, got {rows}",
                u32::MAX
            );
            return Err(Halt::Invalid(fault));
        }
        let held = work.reserve(rows * 4 + visitors * 12 + ranks.len() * 20)?;
        let (code_of, label_of) = labels(&views, ranks);
        let starts = group(&views, visitors, work)?;
        let mut items = vec![0; starts[visitors] as usize];
        let mut sizes = vec![0; visitors];
        let mut tallies = in_parts(&starts, &mut items, &mut sizes, work, |part| {
            part.fill(&views, &label_of, max_items, work)
        })?;
        drop(views);
        let mut total = Tally::new(ranks.len());
        for tally in &mut tallies {
            total.add(tally);
        }

        let kept: usize = total.popularity.iter().map(|&count| count as usize).sum();
        let held_too = work.reserve(kept * 4 + ranks.len() * 8)?;
        let mut item_starts = vec![0_u32; code_of.len() + 1];
        for (item, count) in total.popularity.iter().enumerate() {
            item_starts[item + 1] = item_starts[item] + count;
        }
        let lists = Lists {
            starts: &starts,
            sizes: &sizes,
            items: &items,
        };
        let visitors_by_item = lists.turned(&item_starts, work)?;
        let rank_of = code_of.iter().map(|&code| ranks[code as usize]).collect();
        Ok(Self {
            starts,
            items,
            item_starts,
            visitors_by_item,
            popularity: total.popularity,
            code_of,
            rank_of,
            visitors: total.visitors,
            left_out: total.left_out,
            _held: [held, held_too],
        })
    }

    pub(super) fn visitors_of(&self, item: u32) -> &[u32] {
        let item = item as usize;
        let (start, end) = (self.item_starts[item], self.item_starts[item + 1]);
        &self.visitors_by_item[start as usize..end as usize]
    }
}

/// Codes by label and labels by code: the items with the most views first, then by id.
fn labels(rows: &Views, ranks: &[u32]) -> (Vec<u32>, Vec<u32>) {
    let mut views = vec![0_u32; ranks.len()];
    for &item in rows.blocks.iter().flat_map(|block| &block.items) {
        if let Some(views) = views.get_mut(item as usize) {
            *views += 1;
        }
    }
    let mut code_of: Vec<u32> = (0..ranks.len() as u32).collect();
    code_of.sort_unstable_by_key(|&code| (Reverse(views[code as usize]), ranks[code as usize]));
    let mut label_of = vec![0; ranks.len()];
    for (label, &code) in code_of.iter().enumerate() {
        label_of[code as usize] = label as u32;
    }
    (code_of, label_of)
}

/// Where the views of each visitor start, and the end of the last.
fn group(views: &Views, visitors: usize, work: &Work) -> Result<Vec<u32>, Halt> {
    let mut starts = vec![0_u32; visitors + 1];
    for block in &views.blocks {
        work.check()?;
        for (&visitor, &item) in block.visitors.iter().zip(&block.items) {
            if visitor != u32::MAX && item != u32::MAX {
                starts[visitor as usize + 1] += 1;
            }
        }
    }
    for visitor in 0..visitors {
        starts[visitor + 1] += starts[visitor];
    }
    Ok(starts)
}

/// The visitors of one thread.
struct Part<'a> {
    first: usize,
    /// Where the views of each of its visitors start, and the end of the last.
    starts: &'a [u32],
    items: &'a mut [u32],
    sizes: &'a mut [u32],
}

/// Cuts the visitors into as many parts as there are threads, with about as many views each.
fn in_parts(
    starts: &[u32],
    mut items: &mut [u32],
    mut sizes: &mut [u32],
    work: &Work,
    each: impl Fn(Part<'_>) -> Result<Tally, Halt> + Sync,
) -> Result<Vec<Tally>, Halt> {
    let (threads, all) = (work.threads(), items.len());
    let mut first = 0;
    let mut parts = Vec::with_capacity(threads);
    for thread in 1..=threads {
        let goal = (all * thread / threads) as u32;
        let last = if thread == threads {
            starts.len() - 1
        } else {
            starts
                .partition_point(|&start| start < goal)
                .min(starts.len() - 1)
        };
        let last = last.max(first);
        let mine = items.split_off_mut(..(starts[last] - starts[first]) as usize);
        let (Some(items), Some(sizes)) = (mine, sizes.split_off_mut(..last - first)) else {
            break;
        };
        parts.push(Part {
            first,
            starts: &starts[first..=last],
            items,
            sizes,
        });
        first = last;
    }
    on_threads(parts.into_iter(), each)
}

impl Part<'_> {
    /// Collects the items of its visitors, sorted and each once, at the start of the room of each.
    fn fill(
        self,
        views: &Views,
        label_of: &[u32],
        max_items: usize,
        work: &Work,
    ) -> Result<Tally, Halt> {
        let Self {
            first,
            starts,
            items,
            sizes,
        } = self;
        let begin = starts[0];
        let held = work.reserve(sizes.len() * 4)?;
        for block in &views.blocks {
            work.check()?;
            for (&visitor, &code) in block.visitors.iter().zip(&block.items) {
                // NULL visitors and those of other threads lie outside.
                let visitor = (visitor as usize).wrapping_sub(first);
                if let Some(size) = sizes.get_mut(visitor)
                    && code != u32::MAX
                {
                    items[(starts[visitor] - begin + *size) as usize] = label_of[code as usize];
                    *size += 1;
                }
            }
        }
        drop(held);
        let mut tally = Tally::new(label_of.len());
        for (visitor, size) in sizes.iter_mut().enumerate() {
            if visitor % 65_536 == 0 {
                work.check()?;
            }
            let start = (starts[visitor] - begin) as usize;
            let cart = &mut items[start..start + *size as usize];
            cart.sort_unstable();
            let different = dedupe(cart);
            *size = different as u32;
            match different {
                0 => {}
                many if many > max_items => {
                    tally.left_out += 1;
                    *size = 0;
                }
                _ => {
                    tally.visitors += 1;
                    for &item in &cart[..different] {
                        tally.popularity[item as usize] += 1;
                    }
                }
            }
        }
        Ok(tally)
    }
}

/// Moves each different item of a sorted list to its front; returns how many there are.
fn dedupe(list: &mut [u32]) -> usize {
    let mut kept = 0;
    for place in 0..list.len() {
        if kept == 0 || list[kept - 1] != list[place] {
            list[kept] = list[place];
            kept += 1;
        }
    }
    kept
}

/// What is counted while the visitors are gone through.
struct Tally {
    popularity: Vec<u32>,
    visitors: u64,
    left_out: u64,
}

impl Tally {
    fn new(items: usize) -> Self {
        Self {
            popularity: vec![0; items],
            visitors: 0,
            left_out: 0,
        }
    }

    fn add(&mut self, other: &Self) {
        for (count, other) in self.popularity.iter_mut().zip(&other.popularity) {
            *count += other;
        }
        self.visitors += other.visitors;
        self.left_out += other.left_out;
    }
}

/// The items of all visitors.
struct Lists<'a> {
    starts: &'a [u32],
    sizes: &'a [u32],
    items: &'a [u32],
}

impl Lists<'_> {
    /// The visitors of each item, in order. Each thread takes items with about as many views.
    fn turned(&self, item_starts: &[u32], work: &Work) -> Result<Vec<u32>, Halt> {
        let all = item_starts.last().copied().unwrap_or(0);
        let mut visitors = vec![0_u32; all as usize];
        let mut rest = visitors.as_mut_slice();
        let mut first = 0;
        let mut parts = Vec::with_capacity(work.threads());
        for thread in 1..=work.threads() as u64 {
            let goal = (u64::from(all) * thread / work.threads() as u64) as u32;
            let last = item_starts
                .partition_point(|&start| start < goal)
                .max(first);
            let size = (item_starts[last] - item_starts[first]) as usize;
            if let Some(mine) = rest.split_off_mut(..size) {
                parts.push((first as u32..last as u32, mine));
            }
            first = last;
        }
        on_threads(parts.into_iter(), |(range, mine)| {
            let begin = item_starts[range.start as usize];
            let mut places = item_starts[range.start as usize..range.end as usize].to_vec();
            for visitor in 0..self.sizes.len() {
                if visitor % 65_536 == 0 {
                    work.check()?;
                }
                let start = self.starts[visitor] as usize;
                for &item in &self.items[start..start + self.sizes[visitor] as usize] {
                    if let Some(place) = places.get_mut(item.wrapping_sub(range.start) as usize) {
                        mine[(*place - begin) as usize] = visitor as u32;
                        *place += 1;
                    }
                }
            }
            Ok(())
        })?;
        Ok(visitors)
    }
}
