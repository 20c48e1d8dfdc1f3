//! Scattered rows on disk.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::compute::concat;
use arrow::datatypes::SchemaRef;
use datafusion_common::{Result, internal_err};
use datafusion_execution::SendableRecordBatchStream;
use datafusion_execution::spill_file::SpillFile;
use datafusion_physical_plan::SpillManager;
use futures::StreamExt;

use super::pieces::{Kind, Piece, Spread};

/// Rows of a batch on disk.
const ROWS: usize = 8192;

/// The rows of some pieces, in one file for each partition, ordered by bucket.
pub(super) struct Run {
    kind: Kind,
    /// How many rows each bucket has.
    counts: Vec<u32>,
    files: Vec<Option<Arc<dyn SpillFile>>>,
}

/// Writes runs.
pub(super) struct Spiller {
    rows: SpillManager,
    states: SpillManager,
}

impl Spiller {
    pub(super) fn new(rows: SpillManager, states: SpillManager) -> Self {
        Self { rows, states }
    }

    fn manager(&self, kind: Kind) -> &SpillManager {
        match kind {
            Kind::Rows => &self.rows,
            Kind::States => &self.states,
        }
    }

    pub(super) fn spill(&self, pieces: Vec<Piece>, spread: Spread) -> Result<Vec<Run>> {
        let (states, rows): (Vec<_>, Vec<_>) = pieces
            .into_iter()
            .partition(|piece| piece.kind == Kind::States);
        let pieces = [(Kind::Rows, rows), (Kind::States, states)].into_iter();
        let some = pieces.filter(|(_, pieces)| !pieces.is_empty());
        some.map(|(kind, pieces)| self.run(kind, &pieces, spread))
            .collect()
    }

    fn run(&self, kind: Kind, pieces: &[Piece], spread: Spread) -> Result<Run> {
        let schema = self.manager(kind).schema();
        let buckets = spread.partitions * spread.buckets;
        let count = |bucket| {
            let rows = pieces.iter().map(|piece| piece.count(bucket, bucket + 1));
            rows.sum::<usize>() as u32
        };
        let counts: Vec<u32> = (0..buckets).map(count).collect();
        let mut files = Vec::with_capacity(spread.partitions);
        for partition in 0..spread.partitions {
            let mut file = self.manager(kind).create_in_progress_file("grouping")?;
            let (mut from, end) = (partition * spread.buckets, (partition + 1) * spread.buckets);
            while from < end {
                let (mut to, mut rows) = (from, 0);
                while to < end && (rows == 0 || rows + counts[to] as usize <= ROWS) {
                    rows += counts[to] as usize;
                    to += 1;
                }
                // A large bucket is written as it lies, so that it is never copied as a whole.
                let one_by_one = if rows > ROWS { 1 } else { pieces.len() };
                for pieces in pieces.chunks(one_by_one) {
                    let part = rows_of(pieces, schema, from, to)?;
                    for start in (0..part.num_rows()).step_by(ROWS) {
                        let rows = ROWS.min(part.num_rows() - start);
                        file.append_batch(&part.slice(start, rows))?;
                    }
                }
                from = to;
            }
            files.push(file.finish()?);
        }
        Ok(Run {
            kind,
            counts,
            files,
        })
    }

    /// Starts to read the rows of a partition.
    pub(super) fn read(&self, run: &Run, partition: usize, spread: Spread) -> Result<Cursor> {
        let manager = self.manager(run.kind);
        let file = run.files[partition].as_ref();
        let first = partition * spread.buckets;
        let stream = file
            .map(|file| manager.read_spill_as_stream(Arc::clone(file), None))
            .transpose()?;
        Ok(Cursor {
            kind: run.kind,
            counts: run.counts[first..first + spread.buckets].to_vec(),
            stream,
            rest: RecordBatch::new_empty(Arc::clone(manager.schema())),
        })
    }
}

/// The rows of some buckets.
fn rows_of(pieces: &[Piece], schema: &SchemaRef, from: usize, to: usize) -> Result<RecordBatch> {
    // Bucket by bucket, as they are read.
    let each = (from..to).flat_map(|bucket| pieces.iter().map(move |piece| (piece, bucket)));
    let filled = each.filter(|(piece, bucket)| piece.count(*bucket, bucket + 1) > 0);
    let mut rows: Vec<_> = filled
        .map(|(piece, bucket)| piece.rows(bucket, bucket + 1))
        .collect();
    if rows.is_empty() {
        rows.extend(pieces.first().map(|piece| piece.rows(from, from)));
    }
    let columns = (0..schema.fields().len()).map(|column| {
        let parts: Vec<&dyn Array> = rows.iter().map(|rows| rows[column].as_ref()).collect();
        concat(&parts)
    });
    let columns = columns.collect::<Result<Vec<_>, _>>()?;
    Ok(RecordBatch::try_new(Arc::clone(schema), columns)?)
}

/// Reads the buckets of a partition from a run, one after the other.
pub(super) struct Cursor {
    pub(super) kind: Kind,
    counts: Vec<u32>,
    stream: Option<SendableRecordBatchStream>,
    rest: RecordBatch,
}

impl Cursor {
    pub(super) fn count(&self, bucket: usize) -> usize {
        self.counts[bucket] as usize
    }

    /// The next rows, in some parts.
    pub(super) async fn take(&mut self, mut rows: usize) -> Result<Vec<Vec<ArrayRef>>> {
        let mut parts = Vec::new();
        while rows > 0 {
            if self.rest.num_rows() == 0 {
                let stream = self.stream.as_mut();
                let next = match stream {
                    Some(stream) => stream.next().await.transpose()?,
                    None => None,
                };
                let Some(next) = next else {
                    return internal_err!("a file of scattered rows is too short");
                };
                self.rest = next;
                continue;
            }
            let here = rows.min(self.rest.num_rows());
            parts.push(self.rest.slice(0, here).columns().to_vec());
            self.rest = self.rest.slice(here, self.rest.num_rows() - here);
            rows -= here;
        }
        Ok(parts)
    }
}
