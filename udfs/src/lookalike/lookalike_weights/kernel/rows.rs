//! The features of each person side by side, two bytes each, for passes over all people.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::count::Counted;
use crate::relation::ids::NO_CODE;
use crate::relation::threads::on_threads;
use crate::relation::work::{Halt, Held, Work};

/// People in one share of the work.
const CHUNK: usize = 4096;

/// Sparse rows of ones.
pub(super) struct Rows {
    /// The features of all people, each person's ascending.
    features: Vec<u16>,
    /// Where each person's end.
    ends: Vec<usize>,
    /// How much each person tells that few others do: the sum of 1 / n over the person's features, where n people have
    /// the feature, and over the columns in which the person's value is too rare to be one.
    pub(super) rarity: Vec<f32>,
    /// How many people have each feature.
    pub(super) counts: Vec<u64>,
    _held: Held,
}

impl Rows {
    /// The features of all columns are numbered one column after the other; there must be no more than 65,536.
    pub(super) fn new(columns: &[Counted], people: usize, work: &Work) -> Result<Self, Halt> {
        let cells: usize = columns.iter().map(|column| column.places.len()).sum();
        let held = work.reserve(cells * 2 + people * (8 + 4))?;
        let mut ends = vec![0_usize; people];
        each_chunk(&mut ends, work, |first, widths| {
            let people = first..first + widths.len();
            for column in columns {
                if column.ends.is_none() {
                    for (width, place) in widths.iter_mut().zip(&column.places[people.clone()]) {
                        *width += usize::from(*place != NO_CODE);
                    }
                } else {
                    for (width, person) in widths.iter_mut().zip(people.clone()) {
                        let known = column.cells_of(person).iter();
                        *width += known.filter(|place| **place != NO_CODE).count();
                    }
                }
            }
        })?;
        let mut end = 0;
        for width in &mut ends {
            end += *width;
            *width = end;
        }
        let counts: Vec<u64> = columns
            .iter()
            .flat_map(|column| {
                column
                    .values
                    .iter()
                    .map(|value| value.seed_n + value.base_n)
            })
            .collect();
        let mut rows = Self {
            features: vec![0; end],
            ends,
            rarity: vec![0.0; people],
            counts,
            _held: held,
        };
        rows.fill(columns, work)?;
        Ok(rows)
    }

    fn fill(&mut self, columns: &[Counted], work: &Work) -> Result<(), Halt> {
        let mut parts = Vec::new();
        let (mut features, mut start) = (self.features.as_mut_slice(), 0);
        for (chunk, rarity) in self.rarity.chunks_mut(CHUNK).enumerate() {
            let first = chunk * CHUNK;
            let end = self.ends[first + rarity.len() - 1];
            let (these, rest) = features.split_at_mut(end - start);
            parts.push((first, start, these, rarity));
            (features, start) = (rest, end);
        }
        let parts = Mutex::new(parts.into_iter());
        let (ends, counts) = (&self.ends, &self.counts);
        on_threads(0..work.threads(), |_| {
            let mut cursors = Vec::with_capacity(CHUNK);
            loop {
                work.check()?;
                let part = parts.lock().unwrap_or_else(PoisonError::into_inner).next();
                let Some((first, start, features, rarity)) = part else {
                    return Ok(());
                };
                cursors.clear();
                cursors.push(0);
                let inner = &ends[first..first + rarity.len() - 1];
                cursors.extend(inner.iter().map(|end| end - start));
                let mut offset = 0;
                for column in columns {
                    let ones: Vec<f32> = column_shares(column, &counts[offset..], ends.len());
                    let mut put = |place: u32, cursor: &mut usize, rarity: &mut f32| {
                        if place == NO_CODE {
                            *rarity += ones[column.values.len()];
                        } else {
                            features[*cursor] = (offset + place as usize) as u16;
                            *cursor += 1;
                            *rarity += ones[place as usize];
                        }
                    };
                    let people = first..first + rarity.len();
                    let targets = cursors.iter_mut().zip(rarity.iter_mut());
                    if column.ends.is_none() {
                        for (place, (cursor, rarity)) in column.places[people].iter().zip(targets) {
                            put(*place, cursor, rarity);
                        }
                    } else {
                        for (person, (cursor, rarity)) in people.zip(targets) {
                            for &place in column.cells_of(person) {
                                put(place, cursor, rarity);
                            }
                        }
                    }
                    offset += column.values.len();
                }
            }
        })?;
        Ok(())
    }

    /// How many people there are.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// How many features the people have, all together.
    pub(super) fn cells(&self) -> usize {
        self.features.len()
    }

    /// The features of a person.
    pub(super) fn get(&self, person: usize) -> &[u16] {
        let start = person.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.features[start..self.ends[person]]
    }
}

/// 1 / n for each value of a column, and last for the values that are too rare, together. A set may lack any value, so
/// that those tell nothing.
fn column_shares(column: &Counted, counts: &[u64], people: usize) -> Vec<f32> {
    let counts = &counts[..column.values.len()];
    let mut shares: Vec<f32> = counts.iter().map(|count| 1.0 / *count as f32).collect();
    let rare = match column.ends {
        None => people as u64 - counts.iter().sum::<u64>(),
        Some(_) => 0,
    };
    shares.push(if rare == 0 { 0.0 } else { 1.0 / rare as f32 });
    shares
}

/// Lets threads fill a vector, a chunk each time; `fill` is told the place of its first item.
pub(super) fn each_chunk<T: Send>(
    items: &mut [T],
    work: &Work,
    fill: impl Fn(usize, &mut [T]) + Sync,
) -> Result<(), Halt> {
    let chunks = Mutex::new(items.chunks_mut(CHUNK).enumerate());
    on_threads(0..work.threads(), |_| {
        loop {
            work.check()?;
            let next = chunks.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some((chunk, items)) = next else {
                return Ok(());
            };
            fill(chunk * CHUNK, items);
        }
    })?;
    Ok(())
}

/// Lets threads add up over all rows, each into a sum of its own.
pub(super) fn by_chunks<T: Clone + Send + Sync>(
    rows: usize,
    work: &Work,
    zero: T,
    add: impl Fn(Range<usize>, &mut T) + Sync,
) -> Result<Vec<T>, Halt> {
    let next = AtomicUsize::new(0);
    on_threads(0..work.threads(), |_| {
        let mut sum = zero.clone();
        loop {
            work.check()?;
            let first = next.fetch_add(CHUNK, Ordering::Relaxed);
            if first >= rows {
                return Ok(sum);
            }
            add(first..rows.min(first + CHUNK), &mut sum);
        }
    })
}

/// σ(z) = 1 / (1 + e⁻ᶻ)
#[inline]
pub(super) fn logistic(z: f64) -> f64 {
    1.0 / (1.0 + (-z).exp())
}
