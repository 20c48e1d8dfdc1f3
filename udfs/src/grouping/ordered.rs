//! The operator for rows that come ordered by visitor: groups end as they are read.
//!
//! Each part of a file is read by a thread of its own and gives its groups as soon as the next visitor begins, so that
//! memory is bounded by the longest visitor. A visitor may lie on the border of two parts: the part that is not the
//! first hands the groups of its first visitor, as states, to the part before it, which waits for them at its end.

use std::fmt;
use std::sync::{Arc, Mutex};

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::compute::{concat, partition};
use arrow::datatypes::SchemaRef;
use datafusion_common::tree_node::TreeNodeRecursion;
use datafusion_common::{Result, internal_err};
use datafusion_common_runtime::SpawnedTask;
use datafusion_execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion_execution::{SendableRecordBatchStream, TaskContext};
use datafusion_physical_expr::PhysicalExpr;
use datafusion_physical_plan::metrics::{
    BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet, RecordOutput,
};
use datafusion_physical_plan::stream::RecordBatchStreamAdapter;
use datafusion_physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, PlanProperties,
};
use futures::stream::{self, StreamExt};
use tokio::sync::mpsc::{
    Receiver, Sender, UnboundedReceiver, UnboundedSender, channel, unbounded_channel,
};

use super::columns::{Columns, Groups};
use super::pieces::size_of_columns;

/// Rows of one visitor that are held before they are aggregated.
const LARGE: usize = 1 << 16;
/// What is too little to ask for.
const SMALL: usize = 4 << 20;
/// Batches of results that wait to be read.
const WAITING: usize = 2;

/// See the module.
#[derive(Debug)]
pub(super) struct OrderedGroupingExec {
    input: Arc<dyn ExecutionPlan>,
    columns: Arc<Columns>,
    /// The keys that the rows are ordered by.
    prefix: Vec<usize>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
    parts: Mutex<Parts>,
}

/// A batch of results; `None` at the end, so that a thread that breaks off does not look like one.
type Message = Option<Result<RecordBatch>>;

/// The parts that are being read; each is taken once, and the last that is dropped ends all.
#[derive(Default)]
struct Parts {
    tasks: Option<Arc<Vec<SpawnedTask<()>>>>,
    results: Vec<Option<Receiver<Message>>>,
}

impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Parts({})", self.results.len())
    }
}

impl OrderedGroupingExec {
    /// The partitions of the input are parts of one order, in their order. `properties` have as many partitions.
    pub(super) fn new(
        input: Arc<dyn ExecutionPlan>,
        columns: Arc<Columns>,
        prefix: Vec<usize>,
        properties: Arc<PlanProperties>,
    ) -> Self {
        Self {
            input,
            columns,
            prefix,
            properties,
            metrics: ExecutionPlanMetricsSet::new(),
            parts: Mutex::default(),
        }
    }

    fn start(&self, context: &Arc<TaskContext>) -> Result<Parts> {
        let mut tasks = Vec::new();
        let mut results = Vec::new();
        let mut right: Option<UnboundedReceiver<Vec<ArrayRef>>> = None;
        // From the last to the first: each gets the end of its right neighbour's line.
        for part in (0..self.input.output_partitioning().partition_count()).rev() {
            let input = self.input.execute(part, Arc::clone(context))?;
            let consumer = MemoryConsumer::new(format!("OrderedGroupingExec[{part}]"));
            let runs = Runs {
                groups: Groups::new(&self.columns)?,
                columns: Arc::clone(&self.columns),
                prefix: self.prefix.clone(),
                schema: self.schema(),
                waiting: Vec::new(),
                count: 0,
                last: None,
                reservation: consumer.register(context.memory_pool()),
                metrics: BaselineMetrics::new(&self.metrics, part),
                batch_size: context.session_config().batch_size(),
            };
            let (sender, receiver) = channel(WAITING);
            let (left, line) = if part > 0 {
                let (left, line) = unbounded_channel();
                (Some(left), Some(line))
            } else {
                (None, None)
            };
            let right = std::mem::replace(&mut right, line);
            tasks.push(SpawnedTask::spawn(async move {
                let end = read(input, runs, left, right, &sender).await;
                // Nobody reads any more when it cannot be sent.
                let _ = sender.send(end.err().map(Err)).await;
            }));
            results.push(Some(receiver));
        }
        results.reverse();
        Ok(Parts {
            tasks: Some(Arc::new(tasks)),
            results,
        })
    }
}

/// Reads one part. States of the first visitor go to the left; those that come from the right belong to the last.
async fn read(
    mut input: SendableRecordBatchStream,
    mut runs: Runs,
    mut left: Option<UnboundedSender<Vec<ArrayRef>>>,
    right: Option<UnboundedReceiver<Vec<ArrayRef>>>,
    results: &Sender<Message>,
) -> Result<()> {
    while let Some(batch) = input.next().await.transpose()? {
        if batch.num_rows() == 0 {
            continue;
        }
        let compute = runs.metrics.elapsed_compute().clone();
        let timer = compute.timer();
        let mut rows = runs.columns.evaluate(&batch)?;
        if let Some(line) = &left {
            let first = runs.first_visitor(&rows)?;
            runs.groups.add(&slice(&rows, 0, first))?;
            runs.hold()?;
            if first == batch.num_rows() {
                continue;
            }
            // The part before may have been left alone, which is no matter here.
            let _ = line.send(runs.groups.emit_states()?);
            left = None;
            runs.last = None;
            rows = slice(&rows, first, batch.num_rows() - first);
        }
        let ready = runs.push(rows)?;
        timer.done();
        if !runs.send(ready, results).await? {
            return Ok(());
        }
    }
    if let Some(left) = left {
        // One visitor at most: all of it is for the part before, and so is what comes from the part after.
        if runs.groups.count() > 0 {
            let _ = left.send(runs.groups.emit_states()?);
        }
        if let Some(mut right) = right {
            while let Some(states) = right.recv().await {
                let _ = left.send(states);
            }
        }
        return Ok(());
    }
    if let Some(mut right) = right {
        while let Some(states) = right.recv().await {
            runs.aggregate_waiting()?;
            runs.groups.add_states(&states)?;
            runs.hold()?;
        }
    }
    let ready = runs.close()?;
    runs.send(ready, results).await?;
    Ok(())
}

/// Rows that come ordered by the prefix of their keys.
struct Runs {
    columns: Arc<Columns>,
    prefix: Vec<usize>,
    schema: SchemaRef,
    groups: Groups,
    /// Rows of the last visitor that are not in its groups.
    waiting: Vec<Vec<ArrayRef>>,
    count: usize,
    /// The last visitor so far, as columns of one row.
    last: Option<Vec<ArrayRef>>,
    reservation: MemoryReservation,
    metrics: BaselineMetrics,
    batch_size: usize,
}

impl Runs {
    /// Takes rows; gives the groups that have ended.
    fn push(&mut self, rows: Vec<ArrayRef>) -> Result<Option<RecordBatch>> {
        let count = rows.first().map_or(0, Array::len);
        let goes_on = self.goes_on(&rows)?;
        let visitors = partition(&self.prefix_of(&rows))?.ranges();
        let start = visitors.last().map_or(0, |last| last.start);
        self.remember(&rows, count - 1);
        if start == 0 && goes_on {
            self.wait(rows, count)?;
            return Ok(None);
        }
        if start > 0 {
            self.wait(slice(&rows, 0, start), start)?;
        }
        let ready = self.close()?;
        self.wait(slice(&rows, start, count - start), count - start)?;
        Ok(ready)
    }

    /// How many of the rows belong to the first visitor of all.
    fn first_visitor(&mut self, rows: &[ArrayRef]) -> Result<usize> {
        if self.last.is_some() && !self.goes_on(rows)? {
            return Ok(0);
        }
        self.remember(rows, 0);
        let visitors = partition(&self.prefix_of(rows))?.ranges();
        Ok(visitors.first().map_or(0, |first| first.end))
    }

    fn prefix_of(&self, rows: &[ArrayRef]) -> Vec<ArrayRef> {
        let prefix = self.prefix.iter();
        prefix.map(|&key| Arc::clone(&rows[key])).collect()
    }

    fn remember(&mut self, rows: &[ArrayRef], row: usize) {
        self.last = Some(slice(&self.prefix_of(rows), row, 1));
    }

    /// Whether the first row belongs to the last visitor.
    fn goes_on(&self, rows: &[ArrayRef]) -> Result<bool> {
        let Some(last) = &self.last else {
            return Ok(false);
        };
        let both = last
            .iter()
            .zip(self.prefix_of(rows))
            .map(|(last, key)| concat(&[last.as_ref(), key.slice(0, 1).as_ref()]))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(partition(&both)?.len() == 1)
    }

    fn wait(&mut self, rows: Vec<ArrayRef>, count: usize) -> Result<()> {
        self.waiting.push(rows);
        self.count += count;
        if self.count > LARGE {
            self.aggregate_waiting()?;
            self.hold()?;
        }
        Ok(())
    }

    fn aggregate_waiting(&mut self) -> Result<()> {
        let waiting = std::mem::take(&mut self.waiting);
        self.count = 0;
        let Some(first) = waiting.first() else {
            return Ok(());
        };
        if waiting.len() == 1 {
            return self.groups.add(first);
        }
        let columns = (0..first.len()).map(|column| {
            let parts: Vec<&dyn Array> = waiting.iter().map(|rows| rows[column].as_ref()).collect();
            concat(&parts)
        });
        let columns = columns.collect::<Result<Vec<_>, _>>()?;
        self.groups.add(&columns)
    }

    /// All groups have ended.
    fn close(&mut self) -> Result<Option<RecordBatch>> {
        self.aggregate_waiting()?;
        if self.groups.count() == 0 {
            return Ok(None);
        }
        let columns = self.groups.emit()?;
        self.reservation.free();
        Ok(Some(RecordBatch::try_new(
            Arc::clone(&self.schema),
            columns,
        )?))
    }

    fn hold(&mut self) -> Result<()> {
        let waiting = self.waiting.iter().map(|rows| size_of_columns(rows));
        let bytes = self.groups.size() + waiting.sum::<usize>();
        if bytes > SMALL {
            self.reservation.try_resize(bytes)?;
        }
        Ok(())
    }

    /// `false` when nobody reads any more.
    async fn send(
        &mut self,
        ready: Option<RecordBatch>,
        results: &Sender<Message>,
    ) -> Result<bool> {
        let Some(ready) = ready else {
            return Ok(!results.is_closed());
        };
        for start in (0..ready.num_rows()).step_by(self.batch_size) {
            let rows = self.batch_size.min(ready.num_rows() - start);
            let next = ready.slice(start, rows).record_output(&self.metrics);
            if results.send(Some(Ok(next))).await.is_err() {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

fn slice(columns: &[ArrayRef], start: usize, rows: usize) -> Vec<ArrayRef> {
    let columns = columns.iter();
    columns.map(|column| column.slice(start, rows)).collect()
}

impl DisplayAs for OrderedGroupingExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OrderedGroupingExec: {}", self.columns)
    }
}

impl ExecutionPlan for OrderedGroupingExec {
    fn name(&self) -> &'static str {
        "OrderedGroupingExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false]
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        let mut next = TreeNodeRecursion::Continue;
        for expr in self.columns.expressions() {
            next = next.visit_sibling(|| f(expr))?;
        }
        Ok(next)
    }

    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let (Some(input), true) = (children.pop(), children.is_empty()) else {
            return internal_err!("OrderedGroupingExec has one input");
        };
        Ok(Arc::new(Self::new(
            input,
            Arc::clone(&self.columns),
            self.prefix.clone(),
            Arc::clone(&self.properties),
        )))
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let Ok(mut parts) = self.parts.lock() else {
            return internal_err!("OrderedGroupingExec: a thread broke off");
        };
        if parts.tasks.is_none() {
            *parts = self.start(&context)?;
        }
        let results = parts.results.get_mut(partition).and_then(Option::take);
        let (Some(results), Some(tasks)) = (results, parts.tasks.clone()) else {
            return internal_err!("OrderedGroupingExec: partition {partition} is being read");
        };
        if parts.results.iter().all(Option::is_none) {
            *parts = Parts::default();
        }
        let results = stream::unfold((results, tasks), |(mut results, tasks)| async move {
            let next = if let Some(message) = results.recv().await {
                message?
            } else {
                internal_err!("OrderedGroupingExec: a thread broke off")
            };
            Some((next, (results, tasks)))
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(
            self.schema(),
            results,
        )))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }
}
