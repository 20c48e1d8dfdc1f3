//! Views grouped by visitor and by item.

use std::cmp::Reverse;

use super::views::{Blocks, RANGE, Views};
use crate::relation::threads::on_threads;
use crate::relation::work::{Halt, Held, Work};

/// The number of an item by popularity: 0 is the most popular. As narrow as can be, for the lists of the visitors are read
/// in no order, and what part of them the caches hold decides.
pub(super) trait Label:
    Copy + Ord + Default + Into<u32> + TryFrom<u32> + Send + Sync
{
}

impl Label for u16 {}
impl Label for u32 {}

/// What each visitor looked at and who looked at each item, every view once.
pub(super) struct Carts<L> {
    /// The items of each visitor, the most popular first, with gaps behind them.
    pub(super) items: Vec<L>,
    /// Where the visitors of each item start, and the end of the last.
    item_starts: Vec<u32>,
    /// Where the items of each visitor start, by item.
    lists_by_item: Vec<u32>,
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

impl<L: Label> Carts<L> {
    pub(super) fn new(
        views: Views,
        ranks: &[u32],
        max_items: usize,
        work: &Work,
    ) -> Result<Self, Halt> {
        let rows = views.rows();
        if u32::try_from(rows).is_err() {
            let fault = format!(
                "input 'views' must have fewer than {} rows, got {rows}",
                u32::MAX
            );
            return Err(Halt::Invalid(fault));
        }
        let visitors = views.ranges().len() << RANGE;
        let held = work.reserve(rows * size_of::<L>() + visitors * 8 + ranks.len() * 20)?;
        let (code_of, label_of) = labels(&views, ranks);
        let mut lists = Lists {
            starts: vec![0; visitors],
            sizes: vec![0; visitors],
            items: vec![L::default(); rows],
        };
        let mut tallies = on_threads(
            parts(&views, &mut lists, work.threads()).into_iter(),
            |part| part.fill(&label_of, max_items, work),
        )?;
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
        let lists_by_item = lists.turned(&item_starts, work)?;
        let rank_of = code_of.iter().map(|&code| ranks[code as usize]).collect();
        Ok(Self {
            items: lists.items,
            item_starts,
            lists_by_item,
            popularity: total.popularity,
            code_of,
            rank_of,
            visitors: total.visitors,
            left_out: total.left_out,
            _held: [held, held_too],
        })
    }

    /// Where the items of each visitor of an item start.
    pub(super) fn lists_with(&self, item: u32) -> &[u32] {
        let item = item as usize;
        let (start, end) = (self.item_starts[item], self.item_starts[item + 1]);
        &self.lists_by_item[start as usize..end as usize]
    }
}

/// Codes by label and labels by code: the items with the most views first, then by id.
fn labels<L: Label>(rows: &Views, ranks: &[u32]) -> (Vec<u32>, Vec<L>) {
    let mut views = vec![0_u32; ranks.len()];
    let blocks = rows.ranges().iter().flat_map(Blocks::iter);
    for &(_, item) in blocks.flatten() {
        views[item as usize] += 1;
    }
    let mut code_of: Vec<u32> = (0..ranks.len() as u32).collect();
    code_of.sort_unstable_by_key(|&code| (Reverse(views[code as usize]), ranks[code as usize]));
    let mut label_of = vec![L::default(); ranks.len()];
    for (label, &code) in (0..).zip(&code_of) {
        // The caller chose a type that is wide enough.
        label_of[code as usize] = L::try_from(label).unwrap_or_default();
    }
    (code_of, label_of)
}

/// Some ranges of visitors, one a thread.
struct Part<'a, L> {
    ranges: &'a [Blocks],
    /// Where the first list starts.
    begin: u32,
    /// Where the items of each visitor start, how many there are, and they themselves.
    starts: &'a mut [u32],
    sizes: &'a mut [u32],
    items: &'a mut [L],
}

/// Cuts the visitors into as many parts as there are threads, with about as many views each.
fn parts<'a, L>(views: &'a Views, lists: &'a mut Lists<L>, threads: usize) -> Vec<Part<'a, L>> {
    let mut starts = lists.starts.as_mut_slice();
    let mut sizes = lists.sizes.as_mut_slice();
    let mut items = lists.items.as_mut_slice();
    let mut ranges = views.ranges();
    let (mut begin, all) = (0, items.len());
    let mut parts = Vec::with_capacity(threads);
    for thread in 1..=threads {
        let (mut count, mut rows) = (0, 0);
        while let Some(range) = ranges.get(count)
            && (begin + rows) * threads < all * thread
        {
            count += 1;
            rows += range.rows();
        }
        let (mine, rest) = ranges.split_at(count);
        ranges = rest;
        parts.push(Part {
            ranges: mine,
            begin: begin as u32,
            starts: starts.split_off_mut(..count << RANGE).unwrap_or_default(),
            sizes: sizes.split_off_mut(..count << RANGE).unwrap_or_default(),
            items: items.split_off_mut(..rows).unwrap_or_default(),
        });
        begin += rows;
    }
    parts
}

impl<L: Label> Part<'_, L> {
    /// Collects the items of its visitors, sorted and each once, at the start of the room of each.
    fn fill(self, label_of: &[L], max_items: usize, work: &Work) -> Result<Tally, Halt> {
        let visitors = 1 << RANGE;
        let mut tally = Tally::new(label_of.len());
        let starts = self.starts.chunks_mut(visitors);
        let lists = starts.zip(self.sizes.chunks_mut(visitors));
        // All that a range of visitors needs stays in the second cache.
        let mut start = 0;
        for (range, (starts, sizes)) in self.ranges.iter().zip(lists) {
            work.check()?;
            for &(visitor, _) in range.iter().flatten() {
                sizes[visitor as usize % visitors] += 1;
            }
            for (at, size) in starts.iter_mut().zip(&mut *sizes) {
                *at = start;
                start += std::mem::take(size);
            }
            for &(visitor, code) in range.iter().flatten() {
                let visitor = visitor as usize % visitors;
                let size = &mut sizes[visitor];
                self.items[(starts[visitor] + *size) as usize] = label_of[code as usize];
                *size += 1;
            }
            for (at, size) in starts.iter_mut().zip(sizes) {
                let cart = &mut self.items[*at as usize..(*at + *size) as usize];
                *size = tally.count(cart, max_items);
                *at += self.begin;
            }
        }
        Ok(tally)
    }
}

/// Moves each different item of a sorted list to its front; returns how many there are.
fn dedupe<L: Label>(list: &mut [L]) -> usize {
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

    /// Sorts the items of a visitor and counts each once; returns how many there are that count.
    fn count<L: Label>(&mut self, cart: &mut [L], max_items: usize) -> u32 {
        cart.sort_unstable();
        let different = dedupe(cart);
        if different > max_items {
            self.left_out += 1;
            return 0;
        }
        self.visitors += u64::from(different > 0);
        for &item in &cart[..different] {
            self.popularity[item.into() as usize] += 1;
        }
        different as u32
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
struct Lists<L> {
    starts: Vec<u32>,
    sizes: Vec<u32>,
    items: Vec<L>,
}

impl<L: Label> Lists<L> {
    /// For each item the lists that it stands in, in order. Each thread takes items with about as many views.
    fn turned(&self, item_starts: &[u32], work: &Work) -> Result<Vec<u32>, Halt> {
        let all = item_starts.last().copied().unwrap_or(0);
        let mut lists = vec![0_u32; all as usize];
        let mut rest = lists.as_mut_slice();
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
                let start = self.starts[visitor];
                let end = start + self.sizes[visitor];
                for &item in &self.items[start as usize..end as usize] {
                    if let Some(place) =
                        places.get_mut(item.into().wrapping_sub(range.start) as usize)
                    {
                        mine[(*place - begin) as usize] = start;
                        *place += 1;
                    }
                }
            }
            Ok(())
        })?;
        Ok(lists)
    }
}
