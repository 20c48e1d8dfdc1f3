//! Numbers the groups of a block of rows.
//!
//! DataFusion's tables copy each new key, since their rows go away. The rows of a block stay until their results have
//! left, so that here a group is the number of its first row, and the keys of the results are gathered at the end.

use std::hash::BuildHasher;

use arrow::array::{Array, ArrayRef, AsArray, StringViewArray};
use arrow::buffer::NullBuffer;
use arrow::compute::{cast, partition};
use arrow::datatypes::{DataType, Int64Type, UInt64Type};
use datafusion_common::Result;
use hashbrown::DefaultHashBuilder;

use crate::common::time::ticks;

/// Texts of at most so many bytes lie in their view.
const INLINE: usize = 12;
/// Odd, with bits all over (the golden ratio).
const SPREAD: u64 = 0x9E37_79B9_7F4A_7C15;

/// Whether [`Table`] knows keys of this type; what GROUP BY compares in a way of its own, such as a float, is not here.
pub(super) fn is_known(data_type: &DataType) -> bool {
    match data_type {
        DataType::Timestamp(_, _) | DataType::Date32 | DataType::Date64 | DataType::Utf8View => {
            true
        }
        other => other.is_integer(),
    }
}

/// A hash table for one block after the other.
#[derive(Default)]
pub(super) struct Table {
    /// The group that starts at each place, counted from 1.
    slots: Vec<u32>,
    hashes: Vec<u64>,
    hasher: DefaultHashBuilder,
}

impl Table {
    /// The group of each row, and the first row of each group; all keys must be of known types.
    pub(super) fn number(
        &mut self,
        keys: &[ArrayRef],
        groups: &mut Vec<usize>,
        firsts: &mut Vec<u32>,
    ) -> Result<()> {
        let rows = keys.first().map_or(0, Array::len);
        groups.clear();
        firsts.clear();
        let keys = keys.iter().map(Key::of).collect::<Result<Vec<_>>>()?;
        self.hashes.clear();
        self.hashes.resize(rows, 0);
        for key in &keys {
            key.hash(&mut self.hashes, &self.hasher);
        }
        let places = (2 * rows).next_power_of_two();
        self.slots.clear();
        self.slots.resize(places, 0);
        match keys.as_slice() {
            [
                Key {
                    values: Values::Bits(bits),
                    nulls: None,
                },
            ] => self.probe(groups, firsts, |a, b| bits[a] == bits[b]),
            keys => self.probe(groups, firsts, |a, b| {
                keys.iter().all(|key| key.is_same(a, b))
            }),
        }
        Ok(())
    }

    fn probe(
        &mut self,
        groups: &mut Vec<usize>,
        firsts: &mut Vec<u32>,
        is_same: impl Fn(usize, usize) -> bool,
    ) {
        let mask = self.slots.len() - 1;
        for (row, &hash) in self.hashes.iter().enumerate() {
            let mut place = (hash >> 20) as usize & mask;
            let group = loop {
                let slot = self.slots[place] as usize;
                if slot == 0 {
                    firsts.push(row as u32);
                    self.slots[place] = firsts.len() as u32;
                    break firsts.len() - 1;
                }
                let first = firsts[slot - 1] as usize;
                if self.hashes[first] == hash && is_same(first, row) {
                    break slot - 1;
                }
                place = (place + 1) & mask;
            };
            groups.push(group);
        }
    }
}

/// The same for rows in which equal keys lie together.
pub(super) fn number_runs(
    keys: &[ArrayRef],
    groups: &mut Vec<usize>,
    firsts: &mut Vec<u32>,
) -> Result<()> {
    groups.clear();
    firsts.clear();
    for (group, run) in partition(keys)?.ranges().into_iter().enumerate() {
        firsts.push(run.start as u32);
        groups.resize(run.end, group);
    }
    Ok(())
}

struct Key<'a> {
    values: Values<'a>,
    nulls: Option<&'a NullBuffer>,
}

enum Values<'a> {
    Bits(Vec<u64>),
    Texts(&'a StringViewArray),
}

impl<'a> Key<'a> {
    fn of(column: &'a ArrayRef) -> Result<Self> {
        let bits = |values: &[i64]| values.iter().map(|&value| value as u64).collect();
        let mut values = match column.data_type() {
            DataType::Utf8View => Values::Texts(column.as_string_view()),
            DataType::Int64 => Values::Bits(bits(column.as_primitive::<Int64Type>().values())),
            DataType::UInt64 => Values::Bits(column.as_primitive::<UInt64Type>().values().to_vec()),
            integer if integer.is_integer() => {
                let wide = cast(column, &DataType::Int64)?;
                Values::Bits(bits(wide.as_primitive::<Int64Type>().values()))
            }
            _ => Values::Bits(bits(&ticks(column)?)),
        };
        let nulls = column.nulls().filter(|nulls| nulls.null_count() > 0);
        if let (Values::Bits(bits), Some(nulls)) = (&mut values, nulls) {
            // What lies below a NULL is no part of the key.
            for (bits, known) in bits.iter_mut().zip(nulls) {
                *bits = if known { *bits } else { SPREAD };
            }
        }
        Ok(Self { values, nulls })
    }

    /// Mixes the hash of each value into what there is.
    fn hash(&self, hashes: &mut [u64], hasher: &DefaultHashBuilder) {
        let mix = |hash: &mut u64, value: u64| {
            let product = u128::from(*hash ^ value ^ SPREAD) * u128::from(SPREAD);
            *hash = product as u64 ^ (product >> 64) as u64;
        };
        match &self.values {
            Values::Bits(bits) => {
                for (hash, &value) in hashes.iter_mut().zip(bits) {
                    mix(hash, value);
                }
            }
            Values::Texts(texts) => {
                for (row, (hash, &view)) in hashes.iter_mut().zip(texts.views()).enumerate() {
                    if self.nulls.is_some_and(|nulls| nulls.is_null(row)) {
                        mix(hash, SPREAD);
                    } else if view as u32 as usize <= INLINE {
                        mix(hash, view as u64);
                        mix(hash, (view >> 64) as u64);
                    } else {
                        mix(hash, hasher.hash_one(texts.value(row)));
                    }
                }
            }
        }
    }

    fn is_same(&self, a: usize, b: usize) -> bool {
        if let Some(nulls) = self.nulls {
            match (nulls.is_null(a), nulls.is_null(b)) {
                (false, false) => {}
                (one, other) => return one == other,
            }
        }
        match &self.values {
            Values::Bits(bits) => bits[a] == bits[b],
            Values::Texts(texts) => {
                let (one, other) = (texts.views()[a], texts.views()[b]);
                // The first 8 bytes of a view are the length and the first 4 bytes of the text.
                one == other
                    || (one as u64 == other as u64
                        && one as u32 as usize > INLINE
                        && texts.value(a) == texts.value(b))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::sync::Arc;

    use arrow::array::{Int32Array, Int64Array};
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn equal_keys_and_only_those_are_one_group(
            rows in proptest::collection::vec(
                (proptest::option::weighted(0.8, -2_i64..3), proptest::option::weighted(0.8, 0_i32..2),
                 proptest::option::weighted(0.8, "(a|b|a text of more than twelve bytes [xy]){0,2}")),
                0..200),
        ) {
            let keys: [ArrayRef; 3] = [
                Arc::new(rows.iter().map(|row| row.0).collect::<Int64Array>()),
                Arc::new(rows.iter().map(|row| row.1).collect::<Int32Array>()),
                Arc::new(rows.iter().map(|row| row.2.as_deref()).collect::<StringViewArray>()),
            ];
            let mut table = Table::default();
            let (mut groups, mut firsts) = (vec![7], vec![7]);
            for width in 1..=3 {
                table.number(&keys[..width], &mut groups, &mut firsts).unwrap();
                let mut known = HashMap::new();
                for (row, key) in rows.iter().enumerate() {
                    let key = (key.0, key.1.filter(|_| width > 1), key.2.as_ref().filter(|_| width > 2), width > 1 && key.1.is_none(), width > 2 && key.2.is_none());
                    let next = known.len();
                    let group = *known.entry(key).or_insert(next);
                    prop_assert_eq!(groups[row], group);
                    prop_assert!(groups[row] < next || firsts[group] as usize == row);
                }
                prop_assert_eq!(groups.len(), rows.len());
                prop_assert_eq!(firsts.len(), known.len());
            }
        }
    }
}
