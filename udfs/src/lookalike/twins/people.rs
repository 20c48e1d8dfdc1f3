//! Customers and prospects as they arrive, in codes.

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch};
use arrow::buffer::OffsetBuffer;
use arrow::compute::filter_record_batch;
use arrow::datatypes::{DataType, Float64Type, Schema, SchemaRef};
use datafusion_common::{Result, exec_err, internal_datafusion_err};
use hashbrown::HashMap;

use super::kernel::{People, Sides};
use super::{CUSTOMERS, FUNCTION, INPUTS};
use crate::relation::ids::{Ids, NO_CODE};
use crate::relation::work::{Held, Work, hold};

/// Both tables: first all customers, then the prospects.
pub(super) struct Tables {
    /// Where id, blocks and features stand in each input.
    places: [Places; 2],
    ids: [Ids; 2],
    people: [People; 2],
    blocks: Blocks,
    features: Ids,
    /// Whether there are weights.
    weighted: bool,
    held: Option<Held>,
}

struct Places {
    blocks: Vec<usize>,
    features: usize,
}

impl Tables {
    pub(super) fn new(inputs: &[SchemaRef], block: &[String], features: &str) -> Result<Self> {
        let place = |schema: &Schema| -> Result<Places> {
            let blocks = block.iter().map(|name| schema.index_of(name));
            Ok(Places {
                blocks: blocks.collect::<Result<_, _>>()?,
                features: schema.index_of(features)?,
            })
        };
        let places = [place(&inputs[0])?, place(&inputs[1])?];
        let customers = &inputs[CUSTOMERS];
        let column = customers.field(places[CUSTOMERS].features).data_type();
        let types = places[CUSTOMERS].blocks.iter();
        let types = types.map(|&place| customers.field(place).data_type());
        Ok(Self {
            ids: [0, 1].map(|input| Ids::new(inputs[input].field(0).data_type())),
            people: [People::default(), People::default()],
            blocks: Blocks::new(types),
            features: Ids::new(element(column)),
            weighted: matches!(column, DataType::Map(_, _)),
            places,
            held: None,
        })
    }

    pub(super) fn push(&mut self, input: usize, batch: &RecordBatch, work: &Work) -> Result<()> {
        let column = batch.column(self.places[input].features);
        let elements = match column.as_map_opt() {
            Some(map) => map.entries().len(),
            None => column.as_list::<i32>().values().len(),
        };
        let rows = batch.num_rows();
        let others = &self.people[1 - input];
        let bytes = self.people[input].bytes_with(rows, elements, self.weighted)
            + others.bytes_with(0, 0, self.weighted)
            + self.ids[input].bytes_with(rows)
            + self.ids[1 - input].bytes_with(0)
            + self.features.bytes_with(elements);
        hold(&mut self.held, bytes, work).map_err(|halt| halt.into_error(FUNCTION))?;
        let batch = self.different(input, batch)?;
        let blocks = self.places[input].blocks.iter();
        let blocks: Vec<_> = blocks.map(|&place| batch.column(place)).collect();
        let known = &mut self.people[input].blocks;
        self.blocks
            .encode(input == CUSTOMERS, batch.num_rows(), &blocks, known)?;
        self.features(input, batch.column(self.places[input].features))
    }

    /// The ids, and what the kernel needs.
    pub(super) fn take(self) -> ([Ids; 2], Sides, Option<Held>) {
        let [prospects, customers] = self.people;
        let sides = Sides {
            customers,
            prospects,
            feature_ranks: self.features.ranks(),
            customer_ranks: self.ids[CUSTOMERS].ranks(),
            blocks: self.blocks.len(),
        };
        (self.ids, sides, self.held)
    }

    /// The rows that have an id. An id that comes twice is an error.
    fn different(&mut self, input: usize, batch: &RecordBatch) -> Result<RecordBatch> {
        let ids = &mut self.ids[input];
        let first = ids.len() as u32;
        let mut codes = Vec::with_capacity(batch.num_rows());
        ids.encode(batch.column(0), &mut codes)?;
        let known = codes.iter().filter(|&&code| code != NO_CODE);
        for (new, &code) in (first..).zip(known) {
            if code != new {
                return exec_err!(
                    "{FUNCTION}: the ids of '{}' must be different, got {} twice; hint: one row a person, \
                     array_agg makes a LIST of several features",
                    INPUTS[input].name,
                    ids.show(code)
                );
            }
        }
        if batch.column(0).null_count() == 0 {
            return Ok(batch.clone());
        }
        let keep = codes.iter().map(|&code| Some(code != NO_CODE));
        Ok(filter_record_batch(batch, &keep.collect::<BooleanArray>())?)
    }

    fn features(&mut self, input: usize, column: &ArrayRef) -> Result<()> {
        let (offsets, elements, weights) = if let Some(map) = column.as_map_opt() {
            (map.offsets(), map.keys(), Some(map.values()))
        } else {
            let lists = column.as_list::<i32>();
            (lists.offsets(), lists.values(), None)
        };
        let (elements, first) = used(offsets, elements);
        let mut codes = Vec::with_capacity(elements.len());
        if input == CUSTOMERS {
            self.features.encode(&elements, &mut codes)?;
        } else {
            // What no customer has cannot be shared.
            self.features.find(&elements, &mut codes)?;
        }
        let weights = weights.map(|weights| used(offsets, weights).0);
        let weights = weights.as_ref().map(AsArray::as_primitive::<Float64Type>);
        let people = &mut self.people[input];
        let mut vector: Vec<(u32, f64)> = Vec::new();
        for row in 0..column.len() {
            vector.clear();
            let range = offsets[row] as usize - first..offsets[row + 1] as usize - first;
            for place in range.filter(|_| column.is_valid(row)) {
                let weight = match weights {
                    None => 1.0,
                    Some(weights) if weights.is_null(place) => 0.0,
                    Some(weights) => weights.value(place),
                };
                if !weight.is_finite() || weight < 0.0 {
                    return exec_err!(
                        "{FUNCTION}: the weights of 'features' in '{}' must be zero or a positive number, got {weight}",
                        INPUTS[input].name
                    );
                }
                if codes[place] != NO_CODE && weight > 0.0 {
                    vector.push((codes[place], weight));
                }
            }
            vector.sort_unstable_by_key(|(code, _)| *code);
            // A set names a feature once; the weights of a key that stands twice in a map add up.
            vector.dedup_by(|later, earlier| {
                let same = later.0 == earlier.0;
                if same && self.weighted {
                    earlier.1 += later.1;
                }
                same
            });
            let largest = vector.iter().map(|(_, weight)| *weight).fold(0.0, f64::max);
            let scale = power_below(largest);
            for &(code, weight) in &vector {
                people.features.push(code);
                if self.weighted {
                    people.weights.push(weight / scale);
                }
            }
            people.ends.push(people.features.len());
        }
        Ok(())
    }
}

/// The elements of lists that are in use, and where they start.
fn used(offsets: &OffsetBuffer<i32>, elements: &ArrayRef) -> (ArrayRef, usize) {
    let first = offsets[0] as usize;
    let length = offsets[offsets.len() - 1] as usize - first;
    (elements.slice(first, length), first)
}

/// The largest power of two up to a number. Dividing by it rounds nothing; the angle between vectors stays, and no
/// square is too large.
fn power_below(number: f64) -> f64 {
    const FRACTION: u64 = (1 << 52) - 1;
    let power = f64::from_bits(number.to_bits() & !FRACTION);
    if power > 0.0 {
        power
    } else {
        f64::MIN_POSITIVE
    }
}

/// The type of the elements of a LIST or the keys of a MAP.
pub(super) fn element(column: &DataType) -> &DataType {
    match column {
        DataType::List(element) => element.data_type(),
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(fields) => fields[0].data_type(),
            other => other,
        },
        other => other,
    }
}

/// Numbers for the combinations of block values that customers have.
struct Blocks {
    columns: Vec<Ids>,
    /// The combinations of the first columns, one more at a time: number so far and code to the next number.
    combined: Vec<HashMap<(u32, u32), u32>>,
}

impl Blocks {
    fn new<'a>(types: impl Iterator<Item = &'a DataType>) -> Self {
        let columns: Vec<_> = types.map(Ids::new).collect();
        Self {
            combined: columns.iter().map(|_| HashMap::new()).collect(),
            columns,
        }
    }

    /// How many there are.
    fn len(&self) -> usize {
        self.combined.last().map_or(1, HashMap::len)
    }

    /// Appends the block of each row; [`NO_CODE`] when a value is unknown, or, but for customers, new.
    fn encode(
        &mut self,
        customers: bool,
        rows: usize,
        columns: &[&ArrayRef],
        blocks: &mut Vec<u32>,
    ) -> Result<()> {
        let start = blocks.len();
        blocks.resize(start + rows, 0);
        let mut codes = Vec::with_capacity(rows);
        for ((ids, combined), column) in
            self.columns.iter_mut().zip(&mut self.combined).zip(columns)
        {
            codes.clear();
            if customers {
                ids.encode(column, &mut codes)?;
            } else {
                ids.find(column, &mut codes)?;
            }
            for (block, &code) in blocks[start..].iter_mut().zip(&codes) {
                if *block == NO_CODE || code == NO_CODE {
                    *block = NO_CODE;
                } else if customers {
                    let next = combined.len() as u32;
                    *block = *combined.entry((*block, code)).or_insert(next);
                } else {
                    *block = combined.get(&(*block, code)).copied().unwrap_or(NO_CODE);
                }
            }
        }
        if columns.len() != self.columns.len() {
            return Err(internal_datafusion_err!("{FUNCTION}: blocks are missing"));
        }
        Ok(())
    }
}
