//! The one operator of all relation functions.
//!
//! It collects its inputs one after the other, each from a single partition, and lets the function compute on a
//! thread that may block. The stream that it gives ends everything when it is dropped: the task that collects is
//! aborted, and the kernel sees [`Work::check`] fail.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::datatypes::SchemaRef;
use datafusion_common::tree_node::TreeNodeRecursion;
use datafusion_common::{DataFusionError, Result, exec_datafusion_err, internal_err};
use datafusion_common_runtime::SpawnedTask;
use datafusion_execution::memory_pool::MemoryConsumer;
use datafusion_execution::{SendableRecordBatchStream, TaskContext};
use datafusion_physical_expr::expressions::Column;
use datafusion_physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion_physical_plan::distribution_requirements::InputDistributionRequirements;
use datafusion_physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion_physical_plan::metrics::{
    BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet, RecordOutput,
};
use datafusion_physical_plan::projection::ProjectionExec;
use datafusion_physical_plan::stream::RecordBatchReceiverStreamBuilder;
use datafusion_physical_plan::{
    DisplayAs, DisplayFormatType, Distribution, ExecutionPlan, Partitioning, PlanProperties,
};
use futures::StreamExt;
use tokio::sync::mpsc::Sender;

use super::work::Work;
use super::{Options, Relation, Run};

/// See the module.
#[derive(Debug)]
pub(crate) struct RelationExec {
    function: &'static dyn Relation,
    options: Options,
    /// Which columns of the function are wanted, in this order; all without it.
    columns: Option<Arc<[usize]>>,
    inputs: Vec<Arc<dyn ExecutionPlan>>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl RelationExec {
    pub(super) fn new(
        function: &'static dyn Relation,
        options: Options,
        columns: Option<Arc<[usize]>>,
        inputs: Vec<Arc<dyn ExecutionPlan>>,
        schema: SchemaRef,
    ) -> Self {
        let properties = PlanProperties::new(
            EquivalenceProperties::new(schema),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Final,
            Boundedness::Bounded,
        );
        Self {
            function,
            options,
            columns,
            inputs,
            properties: Arc::new(properties),
            metrics: ExecutionPlanMetricsSet::new(),
        }
    }
}

impl DisplayAs for RelationExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (function, options) = (self.function.name(), &self.options);
        write!(f, "RelationExec: {function}({options})")?;
        if self.columns.is_some() {
            let schema = self.schema();
            let names = schema.fields().iter().map(|field| field.name().as_str());
            write!(f, ", columns=[{}]", names.collect::<Vec<_>>().join(", "))?;
        }
        Ok(())
    }
}

impl ExecutionPlan for RelationExec {
    fn name(&self) -> &'static str {
        self.function.name()
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn input_distribution_requirements(&self) -> InputDistributionRequirements {
        InputDistributionRequirements::new(vec![Distribution::SinglePartition; self.inputs.len()])
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        self.inputs.iter().collect()
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let (options, schema) = (self.options.clone(), self.schema());
        Ok(Arc::new(Self::new(
            self.function,
            options,
            self.columns.clone(),
            children,
            schema,
        )))
    }

    fn try_swapping_with_projection(
        &self,
        projection: &ProjectionExec,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let columns = projection.expr().iter().map(|projected| {
            let column = projected.expr.downcast_ref::<Column>()?.index();
            Some(
                self.columns
                    .as_ref()
                    .map_or(column, |columns| columns[column]),
            )
        });
        let Some(columns) = columns.collect::<Option<Vec<_>>>() else {
            return Ok(None);
        };
        let (options, schema) = (self.options.clone(), projection.schema());
        Ok(Some(Arc::new(Self::new(
            self.function,
            options,
            Some(columns.into()),
            self.inputs.clone(),
            schema,
        ))))
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let function = self.function.name();
        if partition != 0 {
            return internal_err!("{function}: partition {partition} of 1");
        }
        let schemas: Vec<_> = self.inputs.iter().map(|input| input.schema()).collect();
        let run = self.function.start(&schemas, &self.options)?;
        let order = self.function.reading_order().into_iter();
        let inputs = order
            .map(|input| Ok((input, self.inputs[input].execute(0, Arc::clone(&context))?)))
            .collect::<Result<Vec<_>>>()?;
        let stop = Arc::new(AtomicBool::new(false));
        let reservation = MemoryConsumer::new(function)
            .with_can_spill(self.function.spills())
            .register(context.memory_pool());
        let work = Work::of(&context, Arc::clone(&stop), reservation, &self.metrics);
        let mut stream = RecordBatchReceiverStreamBuilder::new(self.schema(), 2);
        let output = Output {
            function,
            columns: self.columns.clone(),
            schema: self.schema(),
            batch_size: context.session_config().batch_size(),
            sender: stream.tx(),
            metrics: BaselineMetrics::new(&self.metrics, 0),
        };
        let stop = StopOnDrop(stop);
        stream.spawn(async move {
            let _stop = stop;
            execute(run, inputs, work, output).await
        });
        Ok(stream.build())
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }
}

async fn execute(
    mut run: Box<dyn Run>,
    inputs: Vec<(usize, SendableRecordBatchStream)>,
    work: Work,
    mut output: Output,
) -> Result<()> {
    let compute = output.metrics.elapsed_compute().clone();
    for (input, mut batches) in inputs {
        while let Some(batch) = batches.next().await {
            let batch = batch?;
            let _timer = compute.timer();
            run.push(input, &batch, &work)?;
        }
    }
    let finish = SpawnedTask::spawn_blocking(move || {
        let _timer = compute.timer();
        run.finish(&work, &mut output)
    });
    finish
        .join()
        .await
        .map_err(|error| DataFusionError::External(Box::new(error)))?
}

/// The task that holds it is aborted when the stream is dropped; then the threads of the kernel hear of it.
struct StopOnDrop(Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Where the rows of a relation function go.
pub(crate) struct Output {
    function: &'static str,
    columns: Option<Arc<[usize]>>,
    schema: SchemaRef,
    batch_size: usize,
    sender: Sender<Result<RecordBatch>>,
    metrics: BaselineMetrics,
}

impl Output {
    /// Rows that a batch should have at most.
    pub(crate) fn batch_size(&self) -> usize {
        self.batch_size
    }

    /// Whether the query uses a column of the function.
    pub(crate) fn wants(&self, column: usize) -> bool {
        let columns = self.columns.as_ref();
        columns.is_none_or(|columns| columns.contains(&column))
    }

    /// Sends a batch of all columns; waits while the reader is busy. An error means that nobody reads any more.
    pub(crate) fn send(&mut self, columns: &[ArrayRef]) -> Result<()> {
        let rows = columns.first().map_or(0, |column| column.len());
        self.send_wanted(rows, |column| Ok(Arc::clone(&columns[column])))
    }

    /// As [`Self::send`], of rows of which only the columns are made that the query uses.
    pub(crate) fn send_wanted(
        &mut self,
        rows: usize,
        make: impl FnMut(usize) -> Result<ArrayRef>,
    ) -> Result<()> {
        let columns: Result<Vec<_>> = match &self.columns {
            Some(columns) => columns.iter().copied().map(make).collect(),
            None => (0..self.schema.fields().len()).map(make).collect(),
        };
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let schema = Arc::clone(&self.schema);
        let batch = RecordBatch::try_new_with_options(schema, columns?, &options)?;
        let batch = batch.record_output(&self.metrics);
        self.sender
            .blocking_send(Ok(batch))
            .map_err(|_| exec_datafusion_err!("{}: cancelled", self.function))
    }
}
