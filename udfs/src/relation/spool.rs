//! Rows of a run on disk, for what exceeds the memory limit.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion_common::{Result, exec_err};
use datafusion_execution::spill_file::SpillFile;
use datafusion_execution::{SendableRecordBatchStream, TaskContext};
use datafusion_physical_expr::LexOrdering;
use datafusion_physical_plan::metrics::{ExecutionPlanMetricsSet, SpillMetrics};
use datafusion_physical_plan::stream::RecordBatchStreamAdapter;
use datafusion_physical_plan::{EmptyRecordBatchStream, SpillManager};
use futures::StreamExt;
use futures::executor::block_on;

use crate::common::spilling_sort::sort_with_spills;

/// Where a run keeps rows: the spill folder of the session.
#[derive(Clone)]
pub(crate) struct Disk {
    context: Arc<TaskContext>,
    /// True when nobody waits any more.
    stop: Arc<AtomicBool>,
    metrics: SpillMetrics,
}

/// Rows that are being written.
pub(crate) struct Spool {
    disk: Disk,
    manager: SpillManager,
    write: Write,
}

/// Appends a batch; without one closes the file. (DataFusion does not export the type behind it.)
type Write = Box<dyn FnMut(Option<&RecordBatch>) -> Result<File> + Send>;

/// Rows that are written: to be read as often as needed, gone when this is dropped.
pub(crate) struct Spooled {
    disk: Disk,
    manager: SpillManager,
    file: File,
}

/// None while nothing is written.
type File = Option<Arc<dyn SpillFile>>;

impl Disk {
    pub(super) fn new(
        context: Arc<TaskContext>,
        stop: Arc<AtomicBool>,
        metrics: &ExecutionPlanMetricsSet,
    ) -> Self {
        Self {
            context,
            stop,
            metrics: SpillMetrics::new(metrics, 0),
        }
    }

    /// Starts to write rows of a schema.
    pub(crate) fn spool(&self, schema: SchemaRef) -> Result<Spool> {
        let (environment, config) = (self.context.runtime_env(), self.context.session_config());
        let manager = SpillManager::new(environment, self.metrics.clone(), schema)
            .with_compression_type(config.spill_compression());
        let mut file = manager.create_in_progress_file("rows of a function")?;
        Ok(Spool {
            disk: self.clone(),
            manager,
            write: Box::new(move |batch| match batch {
                Some(batch) => file.append_batch(batch).map(|_| None),
                None => file.finish(),
            }),
        })
    }
}

impl Spool {
    pub(crate) fn schema(&self) -> &SchemaRef {
        self.manager.schema()
    }

    /// Writes a batch, which comes back as it is.
    pub(crate) fn append(&mut self, batch: &RecordBatch) -> Result<()> {
        (self.write)(Some(batch))?;
        Ok(())
    }

    pub(crate) fn finish(mut self) -> Result<Spooled> {
        Ok(Spooled {
            disk: self.disk,
            file: (self.write)(None)?,
            manager: self.manager,
        })
    }
}

impl Spooled {
    pub(crate) fn schema(&self) -> &SchemaRef {
        self.manager.schema()
    }

    /// The batches as they were written.
    pub(crate) fn batches(&self) -> Result<Batches> {
        Ok(Batches(self.stream()?))
    }

    /// The rows in an order, in batches of the session's size.
    pub(crate) fn sorted(&self, order: LexOrdering) -> Result<Batches> {
        let sorted = sort_with_spills(self.stream()?, order, &self.disk.context)?;
        Ok(Batches(sorted))
    }

    fn stream(&self) -> Result<SendableRecordBatchStream> {
        let schema = Arc::clone(self.schema());
        let Some(file) = &self.file else {
            return Ok(Box::pin(EmptyRecordBatchStream::new(schema)));
        };
        let batches = self.manager.read_spill_as_stream(Arc::clone(file), None)?;
        let stop = Arc::clone(&self.disk.stop);
        // A sort reads all of it before it gives anything.
        let batches = batches.map(move |batch| {
            if stop.load(Ordering::Relaxed) {
                return exec_err!("cancelled");
            }
            batch
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, batches)))
    }
}

/// Batches for a thread that may block.
pub(crate) struct Batches(SendableRecordBatchStream);

impl Iterator for Batches {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        block_on(self.0.next())
    }
}
