//! The operator: scatters its input, then aggregates bucket by bucket.

use std::fmt;
use std::sync::{Arc, Mutex};

use arrow::datatypes::SchemaRef;
use datafusion_common::tree_node::TreeNodeRecursion;
use datafusion_common::{DataFusionError, Result, internal_err};
use datafusion_common_runtime::SpawnedTask;
use datafusion_execution::memory_pool::MemoryConsumer;
use datafusion_execution::{SendableRecordBatchStream, TaskContext};
use datafusion_physical_expr::PhysicalExpr;
use datafusion_physical_plan::coop::cooperative;
use datafusion_physical_plan::metrics::{
    BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet, SpillMetrics,
};
use datafusion_physical_plan::stream::RecordBatchStreamAdapter;
use datafusion_physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, PlanProperties,
    SpillManager,
};
use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use futures::stream::{self, StreamExt, TryStreamExt};

use super::buckets::{Buckets, Means};
use super::columns::Columns;
use super::pieces::{Collected, Scatter, Spread};
use super::spill::Spiller;

/// See the module.
#[derive(Debug)]
pub(super) struct GroupingExec {
    input: Arc<dyn ExecutionPlan>,
    columns: Arc<Columns>,
    /// Whether equal keys are in the same partition of the input already.
    together: bool,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
    scattering: Mutex<Scattering>,
}

/// The scattered rows of all inputs, for all partitions of the output.
type Everything = Shared<BoxFuture<'static, Result<Arc<Collected>, Arc<DataFusionError>>>>;

/// Held until each partition of the output has its own hold on it, so that the last of them ends everything.
#[derive(Default)]
struct Scattering {
    everything: Option<Everything>,
    taken: usize,
}

impl fmt::Debug for Scattering {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Scattering({})", self.taken)
    }
}

impl GroupingExec {
    /// `properties` are those of the operator in whose place it comes.
    pub(super) fn new(
        input: Arc<dyn ExecutionPlan>,
        columns: Arc<Columns>,
        together: bool,
        properties: Arc<PlanProperties>,
    ) -> Self {
        Self {
            input,
            columns,
            together,
            properties,
            metrics: ExecutionPlanMetricsSet::new(),
            scattering: Mutex::default(),
        }
    }

    fn spread(&self) -> Spread {
        Spread::over(if self.together {
            1
        } else {
            self.properties.output_partitioning().partition_count()
        })
    }

    fn spiller(&self, partition: usize, context: &TaskContext) -> Spiller {
        let metrics = SpillMetrics::new(&self.metrics, partition);
        let manager = |schema: &SchemaRef| {
            SpillManager::new(context.runtime_env(), metrics.clone(), Arc::clone(schema))
                .with_compression_type(context.session_config().spill_compression())
        };
        Spiller::new(
            manager(self.columns.schema()),
            manager(self.columns.state_schema()),
        )
    }

    /// Scatters these partitions of the input, each on a task of its own; dropping the future ends them.
    fn scatter(
        &self,
        partitions: std::ops::Range<usize>,
        context: &Arc<TaskContext>,
    ) -> Result<Everything> {
        let tasks = partitions.map(|partition| {
            let mut input = self.input.execute(partition, Arc::clone(context))?;
            let reservation = MemoryConsumer::new(format!("GroupingExec[{partition}]"))
                .with_can_spill(true)
                .register(context.memory_pool());
            let mut scatter = Scatter::new(
                Arc::clone(&self.columns),
                self.spread(),
                reservation,
                self.spiller(partition, context),
            );
            let compute = BaselineMetrics::new(&self.metrics, partition);
            Ok(SpawnedTask::spawn(async move {
                while let Some(batch) = input.next().await.transpose()? {
                    let _timer = compute.elapsed_compute().timer();
                    scatter.push(&batch)?;
                }
                let _timer = compute.elapsed_compute().timer();
                scatter.finish()
            }))
        });
        let tasks: Vec<_> = tasks.collect::<Result<_>>()?;
        let all = async move {
            let mut all = Collected::default();
            for task in tasks {
                let mut one = task
                    .join_unwind()
                    .await
                    .map_err(|error| Arc::new(DataFusionError::ExecutionJoin(Box::new(error))))?
                    .map_err(Arc::new)?;
                all.pieces.append(&mut one.pieces);
                all.runs.append(&mut one.runs);
                all.held.append(&mut one.held);
            }
            Ok(Arc::new(all))
        };
        Ok(all.boxed().shared())
    }

    /// The scattered rows; the first partition that asks starts the work.
    fn everything(&self, partition: usize, context: &Arc<TaskContext>) -> Result<Everything> {
        if self.together {
            return self.scatter(partition..partition + 1, context);
        }
        let Ok(mut scattering) = self.scattering.lock() else {
            return internal_err!("GroupingExec: a thread broke off");
        };
        let everything = if let Some(everything) = scattering.everything.take() {
            everything
        } else {
            let inputs = self.input.output_partitioning().partition_count();
            scattering.taken = 0;
            self.scatter(0..inputs, context)?
        };
        scattering.taken += 1;
        if scattering.taken < self.spread().partitions {
            scattering.everything = Some(everything.clone());
        }
        Ok(everything)
    }
}

impl DisplayAs for GroupingExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GroupingExec: {}", self.columns)
    }
}

impl ExecutionPlan for GroupingExec {
    fn name(&self) -> &'static str {
        "GroupingExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn maintains_input_order(&self) -> Vec<bool> {
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
            return internal_err!("GroupingExec has one input");
        };
        let columns = Arc::clone(&self.columns);
        let properties = Arc::clone(&self.properties);
        Ok(Arc::new(Self::new(
            input,
            columns,
            self.together,
            properties,
        )))
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let everything = self.everything(partition, &context)?;
        let schema: SchemaRef = self.schema();
        let consumer = MemoryConsumer::new(format!("GroupingExec[{partition}] results"));
        let means = Means {
            schema: Arc::clone(&schema),
            spiller: self.spiller(partition, &context),
            reservation: consumer.register(context.memory_pool()),
            metrics: BaselineMetrics::new(&self.metrics, partition),
            batch_size: context.session_config().batch_size(),
        };
        let (columns, spread) = (Arc::clone(&self.columns), self.spread());
        let place = if self.together { 0 } else { partition };
        let results = async move {
            let collected = everything.await.map_err(DataFusionError::Shared)?;
            let buckets = Buckets::new(&columns, collected, spread, place, means)?;
            Ok::<_, DataFusionError>(stream::try_unfold(buckets, |mut buckets| async move {
                let batch = buckets.next().await?;
                Ok(batch.map(|batch| (batch, buckets)))
            }))
        };
        let results = stream::once(results).try_flatten();
        let results = RecordBatchStreamAdapter::new(schema, results.boxed());
        Ok(Box::pin(cooperative(results)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }
}
