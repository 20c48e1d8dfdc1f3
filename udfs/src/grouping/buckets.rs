//! Reads scattered rows back, some buckets at a time, and aggregates them.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::compute::concat;
use arrow::datatypes::SchemaRef;
use datafusion_common::Result;
use datafusion_execution::memory_pool::MemoryReservation;
use datafusion_physical_plan::metrics::{BaselineMetrics, RecordOutput};

use super::columns::{Columns, Groups};
use super::pieces::{Collected, Kind, Spread, size_of_columns};
use super::spill::{Cursor, Spiller};

/// Rows that are aggregated at once: they, their groups and their results fit the second cache.
const BLOCK: usize = 1 << 14;
/// Rows of one group that are joined at once.
const LARGE: usize = 1 << 17;
/// What is too little to ask for.
const SMALL: usize = 4 << 20;

/// Some rows or states.
type Part = (Kind, Vec<ArrayRef>);

/// Aggregates the buckets of one partition.
pub(super) struct Buckets {
    schema: SchemaRef,
    collected: Arc<Collected>,
    /// The first bucket of the partition.
    first: usize,
    /// The next bucket, counted from the first.
    next: usize,
    spread: Spread,
    cursors: Vec<Cursor>,
    groups: Groups,
    reservation: MemoryReservation,
    metrics: BaselineMetrics,
    batch_size: usize,
    /// Results that have not left, and how many of their rows have.
    ready: Option<(RecordBatch, usize)>,
}

/// Where the results of a partition go, and from which means.
pub(super) struct Means {
    pub(super) schema: SchemaRef,
    pub(super) spiller: Spiller,
    pub(super) reservation: MemoryReservation,
    pub(super) metrics: BaselineMetrics,
    pub(super) batch_size: usize,
}

impl Buckets {
    pub(super) fn new(
        columns: &Arc<Columns>,
        collected: Arc<Collected>,
        spread: Spread,
        partition: usize,
        means: Means,
    ) -> Result<Self> {
        let runs = collected.runs.iter();
        let cursors = runs.map(|run| means.spiller.read(run, partition, spread));
        Ok(Self {
            schema: means.schema,
            first: partition * spread.buckets,
            next: 0,
            spread,
            cursors: cursors.collect::<Result<_>>()?,
            collected,
            groups: Groups::new(columns)?,
            reservation: means.reservation,
            metrics: means.metrics,
            batch_size: means.batch_size,
            ready: None,
        })
    }

    /// The next batch of results; `None` at the end.
    pub(super) async fn next(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if let Some((batch, sent)) = &mut self.ready
                && *sent < batch.num_rows()
            {
                let rows = self.batch_size.min(batch.num_rows() - *sent);
                let next = batch.slice(*sent, rows);
                *sent += rows;
                return Ok(Some(next.record_output(&self.metrics)));
            }
            let Some(to) = self.block() else {
                return Ok(None);
            };
            let from = std::mem::replace(&mut self.next, to);
            let parts = self.rows(from, to).await?;
            let compute = self.metrics.elapsed_compute().clone();
            let _timer = compute.timer();
            self.aggregate(&parts)?;
            self.ready = Some((
                RecordBatch::try_new(Arc::clone(&self.schema), self.groups.emit()?)?,
                0,
            ));
            self.reservation.free();
        }
    }

    /// The end of the next buckets that are aggregated together.
    fn block(&self) -> Option<usize> {
        let (mut to, mut rows) = (self.next, 0);
        while to < self.spread.buckets {
            let more = self.count(to);
            if rows > 0 && rows + more > BLOCK {
                break;
            }
            rows += more;
            to += 1;
        }
        (rows > 0).then_some(to)
    }

    fn count(&self, bucket: usize) -> usize {
        let place = self.first + bucket;
        let pieces = self.collected.pieces.iter();
        let in_memory: usize = pieces.map(|piece| piece.count(place, place + 1)).sum();
        let cursors = self.cursors.iter();
        in_memory + cursors.map(|cursor| cursor.count(bucket)).sum::<usize>()
    }

    async fn rows(&mut self, from: usize, to: usize) -> Result<Vec<Part>> {
        let (first, end) = (self.first + from, self.first + to);
        let pieces = self.collected.pieces.iter();
        let filled = pieces.filter(|piece| piece.count(first, end) > 0);
        let mut parts: Vec<_> = filled
            .map(|piece| (piece.kind, piece.rows(first, end)))
            .collect();
        for cursor in &mut self.cursors {
            let rows = (from..to).map(|bucket| cursor.count(bucket)).sum();
            let rows = cursor.take(rows).await?;
            parts.extend(rows.into_iter().map(|rows| (cursor.kind, rows)));
        }
        Ok(parts)
    }

    fn aggregate(&mut self, parts: &[Part]) -> Result<()> {
        let rows = |part: &Part| part.1.first().map_or(0, Array::len);
        let mut rest = parts;
        while let Some((kind, first)) = rest.first() {
            let (mut together, mut count) = (0, 0);
            while let Some(part) = rest.get(together)
                && part.0 == *kind
                && (together == 0 || count + rows(part) <= LARGE)
            {
                count += rows(part);
                together += 1;
            }
            let (now, later) = rest.split_at(together);
            let columns = (0..first.len()).map(|column| {
                let parts = now.iter().map(|(_, part)| part[column].as_ref());
                concat(&parts.collect::<Vec<_>>())
            });
            let columns = columns.collect::<Result<Vec<_>, _>>()?;
            let bytes = size_of_columns(&columns) + self.groups.size();
            if bytes > SMALL {
                self.reservation.try_resize(bytes)?;
            }
            self.groups.add_some(*kind, &columns)?;
            rest = later;
        }
        Ok(())
    }
}
