//! The operator of `sessionize`: one pass over sorted rows, one batch at a time.
//!
//! DataFusion's window operator collects its whole input, cuts it into partitions and evaluates each one alone; with
//! millions of visitors of three clicks each that costs far more than the numbers. The rows come sorted by visitor and
//! time either way, so all that this operator remembers between batches is the open session and the last visitor.
//! The limit is the sort below it; per row it reads the time and writes the number, 16 bytes.

use std::fmt;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::compute::{concat, partition};
use arrow::datatypes::SchemaRef;
use datafusion_common::config::ConfigOptions;
use datafusion_common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion_common::{Result, internal_err};
use datafusion_execution::{RecordBatchStream, SendableRecordBatchStream, TaskContext};
use datafusion_physical_expr::PhysicalExpr;
use datafusion_physical_expr::window::{StandardWindowExpr, WindowExpr};
use datafusion_physical_plan::execution_plan::CardinalityEffect;
use datafusion_physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet};
use datafusion_physical_plan::windows::{BoundedWindowAggExec, WindowAggExec, WindowUDFExpr};
use datafusion_physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};
use datafusion_session::PhysicalOptimizerRule;
use futures::{Stream, StreamExt};

use super::sort::RadixSortExec;
use super::{Sessionize, Sessions};

/// Puts [`SessionizeExec`] in the place of window operators that do nothing but `sessionize`. It changes neither
/// distribution nor order, so it can come last.
#[derive(Debug)]
pub(crate) struct SessionizeStreams;

impl PhysicalOptimizerRule for SessionizeStreams {
    fn name(&self) -> &'static str {
        "sessionize_streams"
    }

    fn schema_check(&self) -> bool {
        true
    }

    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let replace = |plan: Arc<dyn ExecutionPlan>| match SessionizeExec::in_place_of(&plan) {
            Some(exec) => Transformed::yes(Arc::new(exec) as _),
            None => Transformed::no(plan),
        };
        plan.transform_up(|plan| Ok(replace(plan))).data()
    }
}

/// See the module.
#[derive(Debug)]
struct SessionizeExec {
    input: Arc<dyn ExecutionPlan>,
    window: Arc<dyn WindowExpr>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl SessionizeExec {
    fn in_place_of(plan: &Arc<dyn ExecutionPlan>) -> Option<Self> {
        let (windows, input) = if let Some(exec) = plan.downcast_ref::<WindowAggExec>() {
            (exec.window_expr(), exec.input())
        } else {
            let exec = plan.downcast_ref::<BoundedWindowAggExec>()?;
            (exec.window_expr(), exec.input())
        };
        let [window] = windows else {
            return None;
        };
        let standard = window.as_any().downcast_ref::<StandardWindowExpr>()?;
        let function = standard.get_standard_func_expr();
        let function = function.as_any().downcast_ref::<WindowUDFExpr>()?;
        function.fun().inner().downcast_ref::<Sessionize>()?;
        let input = match RadixSortExec::in_place_of(input) {
            Some(sort) => Arc::new(sort),
            None => Arc::clone(input),
        };
        Some(Self {
            input,
            window: Arc::clone(window),
            properties: Arc::clone(plan.properties()),
            metrics: ExecutionPlanMetricsSet::new(),
        })
    }
}

impl DisplayAs for SessionizeExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionizeExec: {}", self.window.name())
    }
}

impl ExecutionPlan for SessionizeExec {
    fn name(&self) -> &'static str {
        "SessionizeExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        let mut next = TreeNodeRecursion::Continue;
        for expr in self
            .window
            .expressions()
            .iter()
            .chain(self.window.partition_by())
        {
            next = next.visit_sibling(|| f(expr))?;
        }
        Ok(next)
    }

    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let (Some(input), true) = (children.pop(), children.is_empty()) else {
            return internal_err!("SessionizeExec has one input");
        };
        Ok(Arc::new(Self {
            input,
            window: Arc::clone(&self.window),
            properties: Arc::clone(&self.properties),
            metrics: ExecutionPlanMetricsSet::new(),
        }))
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        Ok(Box::pin(SessionStream {
            input: self.input.execute(partition, context)?,
            schema: self.schema(),
            window: Arc::clone(&self.window),
            sessions: Sessions::default(),
            last_visitor: None,
            metrics: BaselineMetrics::new(&self.metrics, partition),
        }))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn supports_limit_pushdown(&self) -> bool {
        true
    }

    fn cardinality_effect(&self) -> CardinalityEffect {
        CardinalityEffect::Equal
    }
}

struct SessionStream {
    input: SendableRecordBatchStream,
    schema: SchemaRef,
    window: Arc<dyn WindowExpr>,
    sessions: Sessions,
    /// The partition keys of the last row so far, one row each.
    last_visitor: Option<Vec<ArrayRef>>,
    metrics: BaselineMetrics,
}

impl SessionStream {
    fn number(&mut self, batch: &RecordBatch) -> Result<RecordBatch> {
        let args = self.window.evaluate_args(batch)?;
        let keys = self
            .window
            .partition_by()
            .iter()
            .map(|key| key.evaluate(batch)?.into_array(batch.num_rows()))
            .collect::<Result<Vec<_>>>()?;
        let goes_on = self.goes_on(&keys)?;
        let visitors: Vec<Range<usize>> = if keys.is_empty() {
            std::iter::once(0..batch.num_rows()).collect()
        } else {
            partition(&keys)?.ranges()
        };
        let numbers = self.sessions.number(&args, &visitors, goes_on)?;
        let last = batch.num_rows() - 1;
        self.last_visitor = Some(keys.iter().map(|key| key.slice(last, 1)).collect());
        let mut columns = batch.columns().to_vec();
        columns.push(numbers);
        Ok(RecordBatch::try_new(Arc::clone(&self.schema), columns)?)
    }

    /// Whether the first row of a batch belongs to the last visitor of the one before.
    fn goes_on(&self, keys: &[ArrayRef]) -> Result<bool> {
        let Some(last) = &self.last_visitor else {
            return Ok(false);
        };
        let both = last
            .iter()
            .zip(keys)
            .map(|(last, key)| concat(&[last.as_ref(), key.slice(0, 1).as_ref()]))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(both.is_empty() || partition(&both)?.len() == 1)
    }
}

impl Stream for SessionStream {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            let batch = match ready!(self.input.poll_next_unpin(context)) {
                Some(Ok(batch)) if batch.num_rows() == 0 => continue,
                Some(Ok(batch)) => {
                    let compute = self.metrics.elapsed_compute().clone();
                    let _timer = compute.timer();
                    Some(self.number(&batch))
                }
                other => other,
            };
            return self.metrics.record_poll(Poll::Ready(batch));
        }
    }
}

impl RecordBatchStream for SessionStream {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }
}
