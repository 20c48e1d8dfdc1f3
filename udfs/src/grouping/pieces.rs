//! Scatters rows into buckets.
//!
//! A piece is some rows, ordered by bucket, column by column: a counting sort of the rows, then one gather a column.
//! Nothing is allocated for a bucket, nothing grows, and a row costs what it holds.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, PrimitiveArray, RecordBatch, UInt32Array,
    downcast_primitive,
};
use arrow::compute::{concat, take};
use arrow::datatypes::DataType;
use datafusion_common::hash_utils::create_hashes;
use datafusion_common::{Result, exec_err};
use datafusion_execution::memory_pool::MemoryReservation;
use datafusion_physical_plan::repartition::REPARTITION_RANDOM_STATE;

use super::columns::{Columns, Groups};
use super::spill::{Run, Spiller};

/// Rows of a piece: a column of it fits the second cache.
const PIECE: usize = 1 << 17;
/// Buckets in all: what one of them holds of ten million rows fits the second cache with room to spare.
const BUCKETS: usize = 1024;
/// Rows of a group that make it worth to fold them, on average.
const WORTH: usize = 8;
/// One in so many hashes is counted.
const SAMPLE: u64 = 64;
/// Less than that is not worth a file.
const LEAST_SPILL: usize = 4 << 20;

/// How rows are spread: first over the partitions of the output, then over the buckets of each.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spread {
    pub(super) partitions: usize,
    /// Buckets of one partition.
    pub(super) buckets: usize,
}

impl Spread {
    pub(super) fn over(partitions: usize) -> Self {
        Self {
            partitions,
            buckets: (BUCKETS / partitions).max(16),
        }
    }

    /// The partition is the one that DataFusion chooses, so that joins find equal keys in the same one.
    fn bucket(self, hash: u64) -> u32 {
        let partition = hash % self.partitions as u64;
        let bucket = ((hash >> 32) * self.buckets as u64) >> 32;
        (partition * self.buckets as u64 + bucket) as u32
    }

    fn count(self) -> usize {
        self.partitions * self.buckets
    }
}

/// Rows, or the states of groups, in the order of their buckets.
pub(super) struct Piece {
    pub(super) kind: Kind,
    pub(super) columns: Vec<ArrayRef>,
    /// Where each bucket starts, and the end.
    pub(super) starts: Vec<u32>,
}

impl Piece {
    /// The rows of some buckets.
    pub(super) fn rows(&self, from: usize, to: usize) -> Vec<ArrayRef> {
        let (start, end) = (self.starts[from] as usize, self.starts[to] as usize);
        let columns = self.columns.iter();
        columns
            .map(|column| column.slice(start, end - start))
            .collect()
    }

    pub(super) fn count(&self, from: usize, to: usize) -> usize {
        (self.starts[to] - self.starts[from]) as usize
    }
}

/// What columns hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// What is kept of rows.
    Rows,
    /// Keys and states of groups.
    States,
}

/// Everything that was scattered.
#[derive(Default)]
pub(super) struct Collected {
    pub(super) pieces: Vec<Piece>,
    pub(super) runs: Vec<Run>,
    /// The memory of the pieces.
    pub(super) held: Vec<MemoryReservation>,
}

/// Scatters the rows of one thread.
pub(super) struct Scatter {
    columns: Arc<Columns>,
    spread: Spread,
    reservation: MemoryReservation,
    spiller: Spiller,
    waiting: Vec<Vec<ArrayRef>>,
    /// The buckets of the waiting rows.
    buckets: Vec<u32>,
    hashes: Vec<u64>,
    pieces: Vec<Piece>,
    runs: Vec<Run>,
    folding: Folding,
}

/// What decides whether rows are folded into states of their groups: a sample of the hashes, by value, so that it
/// counts groups and not rows.
struct Folding {
    possible: bool,
    rows: usize,
    sample: HashSet<u64>,
}

impl Folding {
    fn see(&mut self, hashes: &[u64]) {
        if self.possible {
            self.rows += hashes.len();
            let sampled = hashes.iter().filter(|hash| *hash >> 20 & (SAMPLE - 1) == 0);
            self.sample.extend(sampled);
        }
    }

    fn is_worth(&self) -> bool {
        self.rows >= PIECE && self.sample.len() * SAMPLE as usize * WORTH < self.rows
    }
}

impl Scatter {
    pub(super) fn new(
        columns: Arc<Columns>,
        spread: Spread,
        reservation: MemoryReservation,
        spiller: Spiller,
    ) -> Self {
        Self {
            folding: Folding {
                possible: columns.fold(),
                rows: 0,
                sample: HashSet::new(),
            },
            columns,
            spread,
            reservation,
            spiller,
            waiting: Vec::new(),
            buckets: Vec::new(),
            hashes: Vec::new(),
            pieces: Vec::new(),
            runs: Vec::new(),
        }
    }

    pub(super) fn push(&mut self, batch: &RecordBatch) -> Result<()> {
        let kept = self.columns.evaluate(batch)?;
        // These rows and their copy in the piece; half of it stays free for those who read the buckets.
        let bytes = 2 * size_of_columns(&kept) + 8 * batch.num_rows();
        if self.reservation.try_grow(bytes).is_err() {
            if self.reservation.size() >= LEAST_SPILL {
                self.spill()?;
            }
            self.reservation.grow(bytes);
        }
        self.hashes.clear();
        self.hashes.resize(batch.num_rows(), 0);
        let keys = &kept[..self.columns.keys()];
        create_hashes(
            keys,
            REPARTITION_RANDOM_STATE.random_state(),
            &mut self.hashes,
        )?;
        self.folding.see(&self.hashes);
        let spread = self.spread;
        self.buckets
            .extend(self.hashes.iter().map(|&hash| spread.bucket(hash)));
        self.waiting.push(kept);
        if self.buckets.len() >= PIECE {
            self.cut()?;
            if self.folding.is_worth() {
                self.fold()?;
            }
        }
        Ok(())
    }

    /// Ends. Who had to spill once spills the rest as well, so that there is memory to read it.
    pub(super) fn finish(mut self) -> Result<Collected> {
        if self.runs.is_empty() {
            self.cut()?;
        } else {
            self.spill()?;
        }
        Ok(Collected {
            pieces: self.pieces,
            runs: self.runs,
            held: vec![self.reservation],
        })
    }

    /// Makes a piece of the waiting rows.
    fn cut(&mut self) -> Result<()> {
        if self.buckets.is_empty() {
            return Ok(());
        }
        let mut starts = vec![0_u32; self.spread.count() + 1];
        for &bucket in &self.buckets {
            starts[bucket as usize + 1] += 1;
        }
        for bucket in 1..starts.len() {
            starts[bucket] += starts[bucket - 1];
        }
        let mut next = starts.clone();
        let places = self.buckets.iter().map(|&bucket| {
            let place = &mut next[bucket as usize];
            *place += 1;
            *place - 1
        });
        let places: Vec<_> = places.collect();
        let waiting = std::mem::take(&mut self.waiting);
        let columns = (0..self.columns.schema().fields().len()).map(|column| {
            let parts: Vec<_> = waiting.iter().map(|kept| &kept[column]).collect();
            let scattered = scattered(&parts, &places)?;
            Ok(compact(scattered, 1 << 20))
        });
        let columns = columns.collect::<Result<Vec<_>>>()?;
        self.buckets.clear();
        let kind = Kind::Rows;
        self.pieces.push(Piece {
            kind,
            columns,
            starts,
        });
        self.hold();
        Ok(())
    }

    /// Keeps of the reservation what the pieces take, and half as much for those who read them.
    fn hold(&mut self) {
        let pieces = self.pieces.iter();
        let bytes = pieces.map(|piece| size_of_columns(&piece.columns) + 4 * piece.starts.len());
        let bytes: usize = bytes.sum();
        self.reservation
            .shrink(self.reservation.size().saturating_sub(bytes + bytes / 2));
    }

    /// Makes the pieces one, with one state for each group.
    fn fold(&mut self) -> Result<()> {
        let pieces = std::mem::take(&mut self.pieces);
        let mut groups = Groups::new(&self.columns)?;
        let mut states = Vec::with_capacity(self.spread.count());
        let mut starts = vec![0_u32];
        for bucket in 0..self.spread.count() {
            for piece in &pieces {
                if piece.count(bucket, bucket + 1) > 0 {
                    groups.add_some(piece.kind, &piece.rows(bucket, bucket + 1))?;
                }
            }
            let here = groups.count() as u32;
            starts.push(starts[bucket] + here);
            if here > 0 || bucket == 0 {
                states.push(groups.emit_states()?);
            }
        }
        let width = self.columns.state_schema().fields().len();
        let columns = (0..width).map(|column| {
            let parts: Vec<&dyn Array> = states.iter().map(|part| part[column].as_ref()).collect();
            Ok(concat(&parts)?)
        });
        self.pieces.push(Piece {
            kind: Kind::States,
            columns: columns.collect::<Result<_>>()?,
            starts,
        });
        self.folding.rows = 0;
        self.hold();
        Ok(())
    }

    fn spill(&mut self) -> Result<()> {
        self.cut()?;
        let pieces = std::mem::take(&mut self.pieces);
        self.runs
            .append(&mut self.spiller.spill(pieces, self.spread)?);
        self.reservation.free();
        Ok(())
    }
}

/// The rows of all parts, each at its place.
fn scattered(parts: &[&ArrayRef], places: &[u32]) -> Result<ArrayRef> {
    let Some(first) = parts.first() else {
        return exec_err!("no rows to scatter");
    };
    let known = parts.iter().all(|part| part.null_count() == 0);
    macro_rules! primitive {
        ($type:ty) => {
            if known {
                return Ok(scattered_values::<$type>(parts, places));
            }
        };
    }
    downcast_primitive! {
        first.data_type() => (primitive),
        _ => {}
    }
    let mut order = vec![0_u32; places.len()];
    for (row, &place) in (0..).zip(places) {
        order[place as usize] = row;
    }
    let parts: Vec<&dyn Array> = parts.iter().map(AsRef::as_ref).collect();
    Ok(take(&concat(&parts)?, &UInt32Array::from(order), None)?)
}

/// The same for numbers that are known: they are moved once.
fn scattered_values<T: ArrowPrimitiveType>(parts: &[&ArrayRef], places: &[u32]) -> ArrayRef {
    let mut values = vec![T::default_value(); places.len()];
    let mut rest = places;
    for part in parts {
        let (mine, others) = rest.split_at(part.len());
        rest = others;
        for (&place, &value) in mine.iter().zip(part.as_primitive::<T>().values()) {
            values[place as usize] = value;
        }
    }
    let data_type = parts
        .first()
        .map_or(T::DATA_TYPE, |part| part.data_type().clone());
    Arc::new(PrimitiveArray::<T>::new(values.into(), None).with_data_type(data_type))
}

/// Text that lies scattered over far larger buffers is brought together; `slack` bytes do not matter.
pub(super) fn compact(column: ArrayRef, slack: usize) -> ArrayRef {
    if column.data_type() != &DataType::Utf8View {
        return column;
    }
    let views = column.as_string_view();
    if size_of_buffers(&column) > 2 * views.total_buffer_bytes_used() + slack {
        Arc::new(views.gc())
    } else {
        column
    }
}

/// The bytes that these columns keep in memory, each buffer once.
pub(super) fn size_of_columns(columns: &[ArrayRef]) -> usize {
    columns
        .iter()
        .map(|column| match column.data_type() {
            DataType::Utf8View => 16 * column.len() + size_of_buffers(column),
            _ => column.to_data().get_slice_memory_size().unwrap_or(0),
        })
        .sum()
}

fn size_of_buffers(column: &ArrayRef) -> usize {
    let buffers = column.as_string_view().data_buffers().iter();
    let mut sizes: Vec<_> = buffers
        .map(|buffer| (buffer.as_ptr(), buffer.len()))
        .collect();
    sizes.sort_unstable();
    sizes.dedup();
    sizes.iter().map(|(_, bytes)| bytes).sum()
}
