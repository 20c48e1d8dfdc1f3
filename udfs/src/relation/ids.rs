//! Ids as dense codes: 0, 1, 2 … in the order of first appearance.
//!
//! Kernels work on codes of four bytes. Integer ids that lie close together, as keys of a database do, need one array
//! access each; all others are hashed.

use std::hash::BuildHasher;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Int64Array, StringArray, StringViewArray, UInt64Array, new_null_array,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type, UInt64Type};
use datafusion_common::{Result, exec_err};
use hashbrown::{DefaultHashBuilder, HashMap, HashTable};

use crate::common::kinds::is_text;

/// The code of a NULL.
pub(crate) const NO_CODE: u32 = u32::MAX;

/// A span of integers up to this many times their number is kept in an array.
const SPARSE: u64 = 8;
/// A span that is always kept in an array: 4 MiB.
const SMALL: u64 = 1 << 20;

/// The ids of one kind of thing, and their codes.
#[derive(Debug)]
pub(crate) struct Ids {
    data_type: DataType,
    table: Table,
}

#[derive(Debug)]
enum Table {
    /// Unsigned integers with the top bit flipped, so that they compare as signed ones.
    Integers(Integers),
    Texts(Texts),
}

impl Ids {
    /// For ids of an integer or text type; the codes go back to ids of this type.
    pub(crate) fn new(data_type: &DataType) -> Self {
        let table = if is_text(data_type) {
            Table::Texts(Texts::default())
        } else {
            Table::Integers(Integers::default())
        };
        Self {
            data_type: data_type.clone(),
            table,
        }
    }

    /// How many different ids there are.
    pub(crate) fn len(&self) -> usize {
        match &self.table {
            Table::Integers(integers) => integers.values.len(),
            Table::Texts(texts) => texts.ends.len(),
        }
    }

    /// Bytes that are held, and those that so many new ids may add. Tables grow by doubling, so this is a guess that
    /// is right before and after, not in between.
    pub(crate) fn bytes_with(&self, rows: usize) -> usize {
        let held = match &self.table {
            Table::Integers(integers) => integers.size(),
            Table::Texts(texts) => texts.size(),
        };
        held + rows.min(self.len() + 1) * 32
    }

    /// Appends the code of every row; unknown ids get new codes, NULL gets [`NO_CODE`].
    pub(crate) fn encode(&mut self, column: &ArrayRef, codes: &mut Vec<u32>) -> Result<()> {
        let full = self.len() + column.len() >= NO_CODE as usize;
        if full {
            return exec_err!("more than 4 billion different ids");
        }
        self.each(column, codes, Integers::insert, Texts::insert)
    }

    /// Appends the code of every row; unknown ids and NULL get [`NO_CODE`].
    pub(crate) fn find(&mut self, column: &ArrayRef, codes: &mut Vec<u32>) -> Result<()> {
        self.each(
            column,
            codes,
            |integers, value| integers.find(value),
            |texts, text| texts.find(text),
        )
    }

    fn each(
        &mut self,
        column: &ArrayRef,
        codes: &mut Vec<u32>,
        integer: impl Fn(&mut Integers, i64) -> u32,
        text: impl Fn(&mut Texts, &str) -> u32,
    ) -> Result<()> {
        match &mut self.table {
            Table::Integers(integers) => {
                let values = as_integers(column)?;
                let values = values.as_primitive::<Int64Type>();
                if values.null_count() == 0 {
                    codes.extend(
                        values
                            .values()
                            .iter()
                            .map(|&value| integer(integers, value)),
                    );
                } else {
                    let code = |value: Option<i64>| value.map_or(NO_CODE, |v| integer(integers, v));
                    codes.extend(values.iter().map(code));
                }
            }
            Table::Texts(texts) => {
                let mut code = |value: Option<&str>| value.map_or(NO_CODE, |v| text(texts, v));
                match column.data_type() {
                    DataType::Utf8 => codes.extend(column.as_string::<i32>().iter().map(code)),
                    DataType::LargeUtf8 => codes.extend(column.as_string::<i64>().iter().map(code)),
                    _ => {
                        let views = cast(column, &DataType::Utf8View)?;
                        each_view(views.as_string_view(), codes, |value| code(Some(value)));
                    }
                }
            }
        }
        Ok(())
    }

    /// For each code its place in the order of the ids: numbers by size, texts by bytes.
    pub(crate) fn ranks(&self) -> Vec<u32> {
        let codes = match &self.table {
            // The array has them in order.
            Table::Integers(integers) if integers.far.is_none() => {
                let known = integers.near.iter().filter(|&&code| code > 0);
                known.map(|code| code - 1).collect()
            }
            Table::Integers(integers) => {
                let mut codes: Vec<u32> = (0..self.len() as u32).collect();
                codes.sort_unstable_by_key(|&code| integers.values[code as usize]);
                codes
            }
            Table::Texts(texts) => {
                let mut codes: Vec<u32> = (0..self.len() as u32).collect();
                codes.sort_unstable_by(|&a, &b| texts.get(a).cmp(texts.get(b)));
                codes
            }
        };
        let mut ranks = vec![0; codes.len()];
        for (rank, code) in codes.into_iter().enumerate() {
            ranks[code as usize] = rank as u32;
        }
        ranks
    }

    /// The ids of these codes, in the type of the input.
    pub(crate) fn decode(&self, codes: &[u32]) -> Result<ArrayRef> {
        if codes.is_empty() {
            return Ok(new_null_array(&self.data_type, 0));
        }
        let array: ArrayRef = match &self.table {
            Table::Integers(integers) => {
                let values = codes.iter().map(|&code| integers.values[code as usize]);
                match self.data_type {
                    DataType::UInt64 => {
                        let values = values.map(|value| (value ^ i64::MIN) as u64);
                        Arc::new(UInt64Array::from_iter_values(values))
                    }
                    _ => Arc::new(Int64Array::from_iter_values(values)),
                }
            }
            Table::Texts(texts) => {
                let values = codes.iter().map(|&code| texts.get(code));
                Arc::new(StringArray::from_iter_values(values))
            }
        };
        Ok(cast(&array, &self.data_type)?)
    }

    /// One id as text, for error messages.
    pub(crate) fn show(&self, code: u32) -> String {
        match &self.table {
            Table::Integers(integers) => {
                let value = integers.values[code as usize];
                match self.data_type {
                    DataType::UInt64 => ((value ^ i64::MIN) as u64).to_string(),
                    _ => value.to_string(),
                }
            }
            Table::Texts(texts) => format!("'{}'", texts.get(code)),
        }
    }
}

/// Appends the code of every text, [`NO_CODE`] for a NULL. A text of up to 12 bytes lies in its view, so that those seen
/// lately need no look-up: in a column of few values nearly all.
fn each_view(texts: &StringViewArray, codes: &mut Vec<u32>, mut code: impl FnMut(&str) -> u32) {
    // No short text has this view.
    let mut recent = [(u128::MAX, NO_CODE); 64];
    for (row, &view) in texts.views().iter().enumerate() {
        if texts.is_null(row) {
            codes.push(NO_CODE);
            continue;
        }
        if view as u32 > 12 {
            codes.push(code(texts.value(row)));
            continue;
        }
        let folded = (view >> 64) as u64 ^ view as u64;
        let slot = &mut recent[(folded.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 58) as usize];
        if slot.0 != view {
            *slot = (view, code(texts.value(row)));
        }
        codes.push(slot.1);
    }
}

/// Any integer array as `Int64`; `UInt64` with the top bit flipped.
fn as_integers(column: &ArrayRef) -> Result<ArrayRef> {
    Ok(match column.data_type() {
        DataType::Int64 => Arc::clone(column),
        DataType::UInt64 => {
            let values = column.as_primitive::<UInt64Type>();
            Arc::new(values.unary::<_, Int64Type>(|value| value as i64 ^ i64::MIN))
        }
        _ => cast(column, &DataType::Int64)?,
    })
}

#[derive(Debug, Default)]
struct Integers {
    values: Vec<i64>,
    /// The smallest value of `near`.
    first: i64,
    /// Codes plus one by distance from `first`, while the values lie close together.
    near: Vec<u32>,
    /// Codes, once they do not.
    far: Option<HashMap<i64, u32>>,
}

impl Integers {
    fn size(&self) -> usize {
        let far = self.far.as_ref().map_or(0, HashMap::allocation_size);
        self.values.capacity() * 8 + self.near.capacity() * 4 + far
    }

    fn find(&self, value: i64) -> u32 {
        if let Some(far) = &self.far {
            return far.get(&value).copied().unwrap_or(NO_CODE);
        }
        let distance = value.wrapping_sub(self.first) as u64;
        let place = usize::try_from(distance).ok();
        match place.and_then(|place| self.near.get(place)) {
            Some(&code) => code.wrapping_sub(1),
            None => NO_CODE,
        }
    }

    fn insert(&mut self, value: i64) -> u32 {
        let known = self.find(value);
        if known != NO_CODE {
            return known;
        }
        let code = self.values.len() as u32;
        if self.far.is_none() && !self.make_room(value) {
            let pairs = self.values.iter().zip(0..);
            self.far = Some(pairs.map(|(&value, code)| (value, code)).collect());
            self.near = Vec::new();
        }
        self.values.push(value);
        match &mut self.far {
            Some(far) => {
                far.insert(value, code);
            }
            None => self.near[value.wrapping_sub(self.first) as usize] = code + 1,
        }
        code
    }

    /// Widens the array to hold `value`, unless it would be mostly holes.
    fn make_room(&mut self, value: i64) -> bool {
        if self.near.is_empty() {
            self.first = value;
        }
        let last = self.first.saturating_add(self.near.len() as i64);
        let (low, high) = (self.first.min(value), last.max(value.saturating_add(1)));
        let span = high.wrapping_sub(low) as u64;
        if span > SMALL.max(SPARSE * self.values.len() as u64) || high == i64::MAX {
            return false;
        }
        let below = self.first.wrapping_sub(low) as usize;
        if below > 0 {
            // Room for as much again, so that values that fall one by one do not move the array each time.
            // There is always room for what is needed: no value is below the smallest integer.
            let spare = below
                .max(self.near.len())
                .min(self.first.wrapping_sub(i64::MIN) as usize);
            let mut wider = vec![0; spare + self.near.len()];
            wider[spare..].copy_from_slice(&self.near);
            self.near = wider;
            self.first -= spare as i64;
        }
        let needed = value.wrapping_sub(self.first) as usize + 1;
        if needed > self.near.len() {
            self.near.resize(needed, 0);
        }
        true
    }
}

#[derive(Debug, Default)]
struct Texts {
    bytes: String,
    ends: Vec<usize>,
    table: HashTable<u32>,
    hasher: DefaultHashBuilder,
}

impl Texts {
    fn size(&self) -> usize {
        self.bytes.capacity() + self.ends.capacity() * 8 + self.table.allocation_size()
    }

    fn get(&self, code: u32) -> &str {
        text_of(&self.bytes, &self.ends, code)
    }

    fn find(&self, text: &str) -> u32 {
        let hash = self.hasher.hash_one(text);
        let same = |&code: &u32| self.get(code) == text;
        self.table.find(hash, same).copied().unwrap_or(NO_CODE)
    }

    fn insert(&mut self, text: &str) -> u32 {
        let known = self.find(text);
        if known != NO_CODE {
            return known;
        }
        let code = self.ends.len() as u32;
        self.bytes.push_str(text);
        self.ends.push(self.bytes.len());
        let hash_of = |&code: &u32| {
            let text = text_of(&self.bytes, &self.ends, code);
            self.hasher.hash_one(text)
        };
        self.table
            .insert_unique(self.hasher.hash_one(text), code, hash_of);
        code
    }
}

fn text_of<'a>(bytes: &'a str, ends: &[usize], code: u32) -> &'a str {
    let place = code as usize;
    let start = place.checked_sub(1).map_or(0, |before| ends[before]);
    &bytes[start..ends[place]]
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap as Reference;

    use arrow::array::Int32Array;
    use proptest::prelude::*;

    use super::*;

    fn encode(ids: &mut Ids, column: &ArrayRef) -> Vec<u32> {
        let mut codes = Vec::new();
        ids.encode(column, &mut codes).unwrap();
        codes
    }

    #[test]
    fn null_has_no_code_and_types_come_back() {
        let column: ArrayRef = Arc::new(Int32Array::from(vec![Some(7), None, Some(-3), Some(7)]));
        let mut ids = Ids::new(column.data_type());
        let codes = encode(&mut ids, &column);
        assert_eq!(codes, [0, NO_CODE, 1, 0]);
        assert_eq!(ids.ranks(), [1, 0]);
        let back = ids.decode(&[0, 1]).unwrap();
        assert_eq!(back.as_ref(), &Int32Array::from(vec![7, -3]) as &dyn Array);
    }

    #[test]
    fn unsigned_ids_keep_their_order_beyond_the_signed_range() {
        let column: ArrayRef = Arc::new(UInt64Array::from(vec![u64::MAX, 1, 1 << 63]));
        let mut ids = Ids::new(column.data_type());
        assert_eq!(encode(&mut ids, &column), [0, 1, 2]);
        assert_eq!(ids.ranks(), [2, 0, 1]);
        assert_eq!(&ids.decode(&[0, 1, 2]).unwrap(), &column);
        assert_eq!(ids.show(0), u64::MAX.to_string());
    }

    #[test]
    fn unsigned_ids_may_come_in_any_order() {
        let column: ArrayRef = Arc::new(UInt64Array::from(vec![1000, 3, 500, 0, 1]));
        let mut ids = Ids::new(column.data_type());
        assert_eq!(encode(&mut ids, &column), [0, 1, 2, 3, 4]);
        assert_eq!(&ids.decode(&[0, 1, 2, 3, 4]).unwrap(), &column);
    }

    #[test]
    fn texts_of_every_encoding_share_codes() {
        let view: ArrayRef = Arc::new(StringViewArray::from(vec![
            "b",
            "",
            "a long text, not inlined",
        ]));
        let mut ids = Ids::new(&DataType::Utf8View);
        assert_eq!(encode(&mut ids, &view), [0, 1, 2]);
        for data_type in [
            DataType::Utf8,
            DataType::LargeUtf8,
            DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::Utf8)),
        ] {
            let column = cast(&view, &data_type).unwrap();
            let mut codes = Vec::new();
            ids.find(&column, &mut codes).unwrap();
            assert_eq!(codes, [0, 1, 2], "{data_type}");
        }
        assert_eq!(&ids.decode(&[0, 1, 2]).unwrap(), &view);
        assert_eq!(ids.ranks(), [2, 0, 1]);
    }

    proptest! {
        #[test]
        fn texts_are_numbered_as_a_plain_map_would(
            texts in proptest::collection::vec(proptest::option::of("[ab\\x00]{0,2}|long texts in a buffer [a-c]|[a-z]{12}"), 0..300),
        ) {
            let mut ids = Ids::new(&DataType::Utf8View);
            let views: StringViewArray = texts.iter().map(Option::as_deref).collect();
            let views: ArrayRef = Arc::new(views);
            let codes = encode(&mut ids, &views);
            let mut reference = Reference::new();
            for (text, code) in texts.iter().zip(&codes) {
                let next = reference.len() as u32;
                let expected = match text {
                    Some(text) => *reference.entry(text.as_str()).or_insert(next),
                    None => NO_CODE,
                };
                prop_assert_eq!(expected, *code);
            }
            let mut found = Vec::new();
            let plain: StringArray = texts.iter().map(Option::as_deref).collect();
            let plain: ArrayRef = Arc::new(plain);
            ids.find(&plain, &mut found).unwrap();
            prop_assert_eq!(found, codes);
        }

        #[test]
        fn integers_are_numbered_as_a_plain_map_would(
            scale in prop_oneof![Just(1_i64), Just(1_000_003), Just(i64::MAX / 50)],
            middle in prop_oneof![Just(0_i64), Just(i64::MIN + 51), Just(i64::MAX - 51)],
            small in proptest::collection::vec(-50_i64..=50, 0..200),
        ) {
            let value = |v: &i64| v.saturating_mul(scale).saturating_add(middle);
            let values: Vec<i64> = small.iter().map(value).collect();
            let mut ids = Ids::new(&DataType::Int64);
            let column: ArrayRef = Arc::new(Int64Array::from(values.clone()));
            let codes = encode(&mut ids, &column);
            let mut reference = Reference::new();
            for (value, code) in values.iter().zip(&codes) {
                let next = reference.len() as u32;
                prop_assert_eq!(*reference.entry(*value).or_insert(next), *code);
            }
            let back = ids.decode(&codes).unwrap();
            prop_assert_eq!(back.as_ref(), &Int64Array::from(values.clone()) as &dyn Array);
            let mut ordered = values;
            ordered.sort_unstable();
            ordered.dedup();
            let ranks = ids.ranks();
            prop_assert_eq!(ranks.len(), ordered.len());
            for (value, code) in reference {
                prop_assert_eq!(ordered[ranks[code as usize] as usize], value);
            }
        }
    }
}
