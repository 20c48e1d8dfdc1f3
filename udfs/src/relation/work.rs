//! What a kernel may use while it runs: threads, memory, disk, and the news that nobody waits any more.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use datafusion_common::DataFusionError;
use datafusion_execution::TaskContext;
use datafusion_execution::memory_pool::MemoryReservation;
use datafusion_physical_plan::metrics::{Count, ExecutionPlanMetricsSet, Gauge, MetricBuilder};

use super::spool::{Disk, Spool};

/// The metrics of an operator that tell how far its work has come: steps in all, and those that are done.
pub const STEPS: &str = "steps";
/// See [`STEPS`].
pub const STEPS_DONE: &str = "steps_done";

/// The means of one run of a kernel. Shared by its threads; clones share the same counters.
#[derive(Clone)]
pub(crate) struct Work(Arc<Means>);

struct Means {
    threads: usize,
    stop: Arc<AtomicBool>,
    grow: Grow,
    shrink: Shrink,
    held: AtomicUsize,
    disk: Option<Disk>,
    metrics: Metrics,
}

/// What EXPLAIN ANALYZE shows.
struct Metrics {
    scored: Count,
    pruned: Count,
    left_out: Count,
    peak: Gauge,
    steps: Gauge,
    steps_done: Gauge,
}

type Grow = Box<dyn Fn(usize) -> Result<(), String> + Send + Sync>;
type Shrink = Box<dyn Fn(usize) + Send + Sync>;

/// Why a kernel gave up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Halt {
    /// Nobody waits for the result any more.
    Cancelled,
    /// The pool has not the memory; the pool's own words.
    Memory(String),
    /// The input breaks a rule: "argument 'x' must be …, got …", without the function's name.
    Invalid(String),
    /// What was kept on disk could not be written or read.
    Disk(String),
}

impl Halt {
    /// As an error of a function.
    pub(crate) fn into_error(self, function: &str) -> DataFusionError {
        match self {
            // Nobody reads it.
            Self::Cancelled => DataFusionError::Execution(format!("{function}: cancelled")),
            Self::Memory(pool) => {
                DataFusionError::ResourcesExhausted(format!("{function}: {pool}"))
            }
            Self::Invalid(fault) | Self::Disk(fault) => {
                DataFusionError::Execution(format!("{function}: {fault}"))
            }
        }
    }
}

impl From<DataFusionError> for Halt {
    /// Of what is kept on disk.
    fn from(error: DataFusionError) -> Self {
        match error.find_root() {
            DataFusionError::ResourcesExhausted(pool) => Self::Memory(pool.clone()),
            other => Self::Disk(other.strip_backtrace()),
        }
    }
}

impl From<ArrowError> for Halt {
    fn from(error: ArrowError) -> Self {
        DataFusionError::from(error).into()
    }
}

impl Work {
    /// Memory comes from `reservation`; `stop` becomes true when the result is no longer wanted.
    pub(super) fn of(
        context: &Arc<TaskContext>,
        stop: Arc<AtomicBool>,
        reservation: MemoryReservation,
        metrics: &ExecutionPlanMetricsSet,
    ) -> Self {
        let threads = context.session_config().target_partitions();
        let disk = Disk::new(Arc::clone(context), Arc::clone(&stop), metrics);
        let reservation = Arc::new(reservation);
        let pool = Arc::clone(&reservation);
        let grow = Box::new(move |bytes| {
            pool.try_grow(bytes)
                .map_err(|error| error.strip_backtrace())
        });
        let shrink = Box::new(move |bytes| reservation.shrink(bytes));
        Self::with(threads, stop, grow, shrink, Some(disk), metrics)
    }

    /// Without limit.
    #[cfg(test)]
    pub(crate) fn unlimited(threads: usize) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        Self::new(threads, stop, Box::new(|_| Ok(())), Box::new(|_| ()))
    }

    /// With a pool of one's own: `grow` asks for bytes, `shrink` gives them back.
    #[cfg(test)]
    pub(crate) fn new(threads: usize, stop: Arc<AtomicBool>, grow: Grow, shrink: Shrink) -> Self {
        let metrics = ExecutionPlanMetricsSet::new();
        Self::with(threads, stop, grow, shrink, None, &metrics)
    }

    fn with(
        threads: usize,
        stop: Arc<AtomicBool>,
        grow: Grow,
        shrink: Shrink,
        disk: Option<Disk>,
        metrics: &ExecutionPlanMetricsSet,
    ) -> Self {
        let counter = |name: &'static str| MetricBuilder::new(metrics).counter(name, 0);
        Self(Arc::new(Means {
            threads: threads.max(1),
            stop,
            grow,
            shrink,
            held: AtomicUsize::new(0),
            disk,
            metrics: Metrics {
                scored: counter("pairs_scored"),
                pruned: counter("pairs_pruned"),
                left_out: counter("left_out"),
                peak: MetricBuilder::new(metrics).gauge("peak_memory", 0),
                steps: MetricBuilder::new(metrics).gauge(STEPS, 0),
                steps_done: MetricBuilder::new(metrics).gauge(STEPS_DONE, 0),
            },
        }))
    }

    pub(crate) fn threads(&self) -> usize {
        self.0.threads
    }

    /// Starts to write rows to disk, for what exceeds the memory limit.
    pub(crate) fn spool(&self, schema: SchemaRef) -> Result<Spool, Halt> {
        match &self.0.disk {
            Some(disk) => Ok(disk.spool(schema)?),
            None => Err(Halt::Disk("there is no disk".to_owned())),
        }
    }

    /// An error when the result is no longer wanted. Cheap (one relaxed load): to be asked at least
    /// every few milliseconds by every thread.
    pub(crate) fn check(&self) -> Result<(), Halt> {
        if self.0.stop.load(Ordering::Relaxed) {
            return Err(Halt::Cancelled);
        }
        Ok(())
    }

    /// Says how many steps of about the same length the work has, for those who watch its progress.
    pub(crate) fn expect_steps(&self, steps: usize) {
        self.0.metrics.steps.add(steps);
    }

    /// Says that so many more steps are done.
    pub(crate) fn done_steps(&self, steps: usize) {
        self.0.metrics.steps_done.add(steps);
    }

    /// Asks for bytes before they are taken; dropping what it returns gives them back.
    pub(crate) fn reserve(&self, bytes: usize) -> Result<Held, Halt> {
        let mut held = Held {
            work: self.clone(),
            bytes: 0,
        };
        held.grow(bytes)?;
        Ok(held)
    }

    /// Counts pairs that got a score, for EXPLAIN ANALYZE.
    pub(crate) fn count_scored(&self, pairs: u64) {
        self.0.metrics.scored.add(pairs as usize);
    }

    /// Counts pairs that needed no score, because a bound said so.
    pub(crate) fn count_pruned(&self, pairs: u64) {
        self.0.metrics.pruned.add(pairs as usize);
    }

    /// Counts inputs that a rule of the function leaves out, such as bots.
    pub(crate) fn count_left_out(&self, rows: u64) {
        self.0.metrics.left_out.add(rows as usize);
    }
}

/// Memory that is held until this is dropped.
pub(crate) struct Held {
    work: Work,
    bytes: usize,
}

impl Held {
    /// Asks for more bytes, before they are taken.
    pub(crate) fn grow(&mut self, bytes: usize) -> Result<(), Halt> {
        let means = &self.work.0;
        (means.grow)(bytes).map_err(Halt::Memory)?;
        self.bytes += bytes;
        let held = means.held.fetch_add(bytes, Ordering::Relaxed) + bytes;
        means.metrics.peak.set_max(held);
        Ok(())
    }

    /// Asks for the bytes that are missing to this many.
    pub(crate) fn at_least(&mut self, bytes: usize) -> Result<(), Halt> {
        self.grow(bytes.saturating_sub(self.bytes))
    }
}

/// Asks for the bytes that are missing to this many; the first call reserves them.
pub(crate) fn hold(held: &mut Option<Held>, bytes: usize, work: &Work) -> Result<(), Halt> {
    if let Some(held) = held {
        return held.at_least(bytes);
    }
    *held = Some(work.reserve(bytes)?);
    Ok(())
}

/// The bytes of a vector once it has taken so many more items.
pub(crate) fn bytes_with<T>(vector: &Vec<T>, more: usize) -> usize {
    let needed = vector.len() + more;
    let items = if needed > vector.capacity() {
        needed.max(2 * vector.capacity())
    } else {
        vector.capacity()
    };
    items * size_of::<T>()
}

impl Drop for Held {
    fn drop(&mut self) {
        self.work.0.held.fetch_sub(self.bytes, Ordering::Relaxed);
        (self.work.0.shrink)(self.bytes);
    }
}
