//! People as they arrive, in codes.

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch};
use arrow::compute::{cast, filter_record_batch};
use arrow::datatypes::{DataType, Float64Type, Int64Type, SchemaRef, UInt64Type};
use datafusion_common::{Result, exec_err};

use super::super::people::not_finite;
use super::FUNCTION;
use super::kernel::Cells;
use crate::common::kinds::is_text;
use crate::relation::ids::{Ids, NO_CODE};
use crate::relation::shared_ids::SharedIds;
use crate::relation::work::{Halt, Held, Work, bytes_with, hold};

/// The names of the two inputs.
pub(super) const INPUTS: [&str; 2] = ["seed", "base"];

/// Everybody in the seed, then those of the base who are not in the seed.
pub(super) struct People {
    ids: SharedIds,
    /// Evenly spread numbers, one a person, made from the id alone.
    lots: Vec<u32>,
    seed: usize,
    columns: Vec<Column>,
    held: Option<Held>,
}

/// A feature: its name, where it stands in each input, and what is known of everybody.
struct Column {
    name: String,
    place: [usize; 2],
    known: Known,
}

enum Known {
    Numbers(Vec<f64>),
    Texts {
        ids: Ids,
        codes: Vec<u32>,
    },
    Sets {
        ids: Ids,
        codes: Vec<u32>,
        ends: Vec<usize>,
    },
}

/// What a feature is called, and the values that its codes stand for.
pub(super) struct Name {
    pub(super) name: String,
    pub(super) values: Option<Ids>,
}

impl People {
    /// For tables whose columns after the first are the same but for their order.
    pub(super) fn new(inputs: &[SchemaRef]) -> Self {
        let columns = inputs[0].fields().iter().enumerate().skip(1);
        let columns = columns.map(|(place, field)| {
            let other = inputs[1].index_of(field.name()).unwrap_or(place);
            Column {
                name: field.name().clone(),
                place: [place, other],
                known: Known::of(field.data_type()),
            }
        });
        Self {
            ids: SharedIds::new(FUNCTION, inputs, &[(0, 0), (1, 0)]),
            lots: Vec::new(),
            seed: 0,
            columns: columns.collect(),
            held: None,
        }
    }

    /// Takes rows of the seed (0) or the base (1).
    pub(super) fn push(&mut self, input: usize, batch: &RecordBatch, work: &Work) -> Result<()> {
        self.reserve(input, batch, work)
            .map_err(|halt| halt.into_error(FUNCTION))?;
        let batch = self.new_people(input, batch)?;
        draw_lots(batch.column(0), &mut self.lots)?;
        if input == 0 {
            self.seed = self.lots.len();
        }
        for column in &mut self.columns {
            column.push(input, batch.column(column.place[input]))?;
        }
        Ok(())
    }

    /// The names of the features, what is known of everybody, the lots, and the number of people in the seed.
    pub(super) fn take(self) -> (Vec<Name>, Vec<Cells>, Vec<u32>, usize, Option<Held>) {
        let columns = self.columns.into_iter().map(|column| {
            let (values, cells) = column.known.split();
            let name = column.name;
            (Name { name, values }, cells)
        });
        let (names, cells) = columns.unzip();
        (names, cells, self.lots, self.seed, self.held)
    }

    fn reserve(&mut self, input: usize, batch: &RecordBatch, work: &Work) -> Result<(), Halt> {
        let rows = batch.num_rows();
        let columns = self.columns.iter().map(|column| {
            let array = batch.column(column.place[input]);
            column.known.bytes_with(rows, array)
        });
        let bytes =
            self.ids.ids().bytes_with(rows) + bytes_with(&self.lots, rows) + columns.sum::<usize>();
        hold(&mut self.held, bytes, work)
    }

    /// The rows of people who have an id and were not seen before.
    fn new_people(&mut self, input: usize, batch: &RecordBatch) -> Result<RecordBatch> {
        let mut next = self.ids.ids().len() as u32;
        let mut codes = Vec::with_capacity(batch.num_rows());
        self.ids.encode(batch, 0, &mut codes)?;
        let mut keep = Vec::with_capacity(codes.len());
        for code in codes {
            let new = code == next;
            if new {
                next += 1;
            } else if code != NO_CODE && (input == 0 || code as usize >= self.seed) {
                return exec_err!(
                    "{FUNCTION}: the ids of '{}' must be different, got {} twice; hint: one row a person, \
                     array_agg makes a LIST of several values",
                    INPUTS[input],
                    self.ids.ids().show(code)
                );
            }
            keep.push(new);
        }
        if keep.iter().all(|keep| *keep) {
            return Ok(batch.clone());
        }
        Ok(filter_record_batch(batch, &BooleanArray::from(keep))?)
    }
}

impl Column {
    fn push(&mut self, input: usize, array: &ArrayRef) -> Result<()> {
        match &mut self.known {
            Known::Numbers(numbers) => {
                for number in array.as_primitive::<Float64Type>() {
                    match number {
                        // One zero, not two.
                        Some(number) if number.is_finite() => numbers.push(number + 0.0),
                        Some(number) => {
                            return Err(not_finite(FUNCTION, INPUTS[input], &self.name, number));
                        }
                        None => numbers.push(f64::NAN),
                    }
                }
                Ok(())
            }
            Known::Texts { ids, codes } => ids.encode(array, codes),
            Known::Sets { ids, codes, ends } => {
                let lists = array.as_list::<i32>();
                let offsets = lists.value_offsets();
                let first = offsets[0] as usize;
                let values = lists
                    .values()
                    .slice(first, offsets[lists.len()] as usize - first);
                let mut elements = Vec::with_capacity(values.len());
                ids.encode(&values, &mut elements)?;
                for row in 0..lists.len() {
                    let start = codes.len();
                    if lists.is_null(row) {
                        codes.push(NO_CODE);
                    } else {
                        let range =
                            offsets[row] as usize - first..offsets[row + 1] as usize - first;
                        let known = elements[range].iter().filter(|code| **code != NO_CODE);
                        codes.extend(known);
                        let set = &mut codes[start..];
                        set.sort_unstable();
                        let different = distinct(set);
                        codes.truncate(start + different);
                    }
                    ends.push(codes.len());
                }
                Ok(())
            }
        }
    }
}

/// Moves the different values of a sorted slice to its front; how many there are.
fn distinct(sorted: &mut [u32]) -> usize {
    let mut kept = 0;
    for place in 0..sorted.len() {
        if place == 0 || sorted[place] != sorted[kept - 1] {
            sorted[kept] = sorted[place];
            kept += 1;
        }
    }
    kept
}

impl Known {
    fn of(data_type: &DataType) -> Self {
        let ids = || Ids::new(&DataType::Utf8View);
        match data_type {
            DataType::Float64 => Self::Numbers(Vec::new()),
            DataType::List(_) => Self::Sets {
                ids: ids(),
                codes: Vec::new(),
                ends: Vec::new(),
            },
            _ => Self::Texts {
                ids: ids(),
                codes: Vec::new(),
            },
        }
    }

    /// See [`bytes_with`].
    fn bytes_with(&self, rows: usize, array: &ArrayRef) -> usize {
        match self {
            Self::Numbers(numbers) => bytes_with(numbers, rows),
            Self::Texts { ids, codes } => ids.bytes_with(rows) + bytes_with(codes, rows),
            Self::Sets { ids, codes, ends } => {
                let elements = array.as_list::<i32>().values().len() + rows;
                ids.bytes_with(elements) + bytes_with(codes, elements) + bytes_with(ends, rows)
            }
        }
    }

    fn split(self) -> (Option<Ids>, Cells) {
        match self {
            Self::Numbers(numbers) => (None, Cells::Numbers(numbers)),
            Self::Texts { ids, codes } => {
                let ranks = ids.ranks();
                (Some(ids), Cells::Codes { codes, ranks })
            }
            Self::Sets { ids, codes, ends } => {
                let ranks = ids.ranks();
                (Some(ids), Cells::Sets { codes, ends, ranks })
            }
        }
    }
}

/// Appends a number made from each id: the same wherever the row stands.
fn draw_lots(ids: &ArrayRef, lots: &mut Vec<u32>) -> Result<()> {
    if is_text(ids.data_type()) {
        let texts = cast(ids, &DataType::Utf8View)?;
        let texts = texts.as_string_view();
        lots.extend(texts.iter().map(|text| {
            let bytes = text.unwrap_or_default().as_bytes();
            mix(bytes.iter().fold(bytes.len() as u64, |hash, byte| {
                (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3)
            }))
        }));
    } else if ids.data_type() == &DataType::UInt64 {
        let values = ids.as_primitive::<UInt64Type>().values();
        lots.extend(values.iter().map(|value| mix(*value)));
    } else {
        let values = cast(ids, &DataType::Int64)?;
        let values = values.as_primitive::<Int64Type>().values();
        lots.extend(values.iter().map(|value| mix(*value as u64)));
    }
    Ok(())
}

/// Spreads numbers that lie close together (the finaliser of `SplitMix64`).
fn mix(value: u64) -> u32 {
    let value = value.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((value ^ (value >> 31)) >> 32) as u32
}
