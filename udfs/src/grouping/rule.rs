//! Where our operators come in the place of DataFusion's.

use std::sync::Arc;

use datafusion_common::Result;
use datafusion_common::config::ConfigOptions;
use datafusion_physical_plan::aggregates::{AggregateExec, AggregateMode};
use datafusion_physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion_physical_plan::coop::CooperativeExec;
use datafusion_physical_plan::execution_plan::replace_children_if_necessary;
use datafusion_physical_plan::filter::FilterExec;
use datafusion_physical_plan::projection::ProjectionExec;
use datafusion_physical_plan::repartition::RepartitionExec;
use datafusion_physical_plan::union::InterleaveExec;
use datafusion_physical_plan::{
    Distribution, ExecutionPlan, ExecutionPlanProperties, InputOrderMode, Partitioning,
};
use datafusion_session::PhysicalOptimizerRule;

use super::columns::{Columns, Order};
use super::exec::GroupingExec;
use super::keys::is_known;
use super::ordered::OrderedGroupingExec;

/// Whether the partitions of a scan are parts of one file, in the order of the file. Who knows files knows that.
pub type OneFile = fn(&Arc<dyn ExecutionPlan>) -> bool;

/// Puts [`GroupingExec`] and [`OrderedGroupingExec`] in the place of aggregates by visitor. The first keeps the
/// distribution of the rows; the second comes only where nobody relies on it.
#[derive(Debug)]
pub(crate) struct GroupByVisitor {
    pub(crate) one_file: OneFile,
}

impl PhysicalOptimizerRule for GroupByVisitor {
    fn name(&self) -> &'static str {
        "group_by_visitor"
    }

    fn schema_check(&self) -> bool {
        true
    }

    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        self.rewrite(plan, false)
    }
}

impl GroupByVisitor {
    /// `keyed`: whether somebody above relies on equal keys being in one partition.
    fn rewrite(&self, plan: Arc<dyn ExecutionPlan>, keyed: bool) -> Result<Arc<dyn ExecutionPlan>> {
        let required = plan.input_distribution_requirements();
        let children = plan.children().into_iter().enumerate();
        let children = children.map(|(index, child)| {
            let keyed = match required.child_distribution(index) {
                _ if plan.is::<InterleaveExec>() => true,
                Some(Distribution::SinglePartition) => false,
                Some(Distribution::UnspecifiedDistribution) | None => {
                    keyed && !plan.is::<RepartitionExec>()
                }
                Some(_) => true,
            };
            self.rewrite(Arc::clone(child), keyed)
        });
        let children = children.collect::<Result<Vec<_>>>()?;
        let plan = replace_children_if_necessary(plan, children)?;
        Ok(self.in_place_of(&plan, keyed)?.unwrap_or(plan))
    }

    fn in_place_of(
        &self,
        plan: &Arc<dyn ExecutionPlan>,
        keyed: bool,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let Some(last) = plan.downcast_ref::<AggregateExec>() else {
            return Ok(None);
        };
        let (first, together) = match last.mode() {
            AggregateMode::Single | AggregateMode::SinglePartitioned => (last, true),
            AggregateMode::Final | AggregateMode::FinalPartitioned
                if last.limit_options().is_none() =>
            {
                match partial(last.input()) {
                    Some(first) => (first, false),
                    None => return Ok(None),
                }
            }
            _ => return Ok(None),
        };
        let input = first.input();
        let (prefix, order) = match first.input_order_mode() {
            InputOrderMode::Linear => (Vec::new(), Order::None),
            InputOrderMode::PartiallySorted(keys) => (keys.clone(), Order::None),
            InputOrderMode::Sorted => {
                let keys = first.group_expr().num_group_exprs();
                ((0..keys).collect(), Order::Runs)
            }
        };
        let Some(columns) = Columns::of(first, order)? else {
            return Ok(None);
        };
        let properties = plan.properties();
        if prefix.is_empty() {
            return Ok(Some(Arc::new(GroupingExec::new(
                Arc::clone(input),
                Arc::new(columns),
                together,
                Arc::clone(properties),
            ))));
        }
        let parts = input.output_partitioning().partition_count();
        let in_order = parts == 1 || (!keyed && !together && self.is_one_file(input));
        let keys = &columns.schema().fields()[..columns.keys()];
        if !in_order || !keys.iter().all(|key| is_known(key.data_type())) {
            return Ok(None);
        }
        let properties = if together {
            Arc::clone(properties)
        } else {
            let parts = Partitioning::UnknownPartitioning(parts);
            Arc::new(properties.as_ref().clone().with_partitioning(parts))
        };
        Ok(Some(Arc::new(OrderedGroupingExec::new(
            Arc::clone(input),
            Arc::new(columns),
            prefix,
            properties,
        ))))
    }

    /// Whether the partitions are parts of one file; what lies between leaves rows where they are.
    fn is_one_file(&self, plan: &Arc<dyn ExecutionPlan>) -> bool {
        let passes =
            plan.is::<FilterExec>() || plan.is::<ProjectionExec>() || plan.is::<CooperativeExec>();
        match plan.children().as_slice() {
            [] => (self.one_file)(plan),
            [input] if passes => self.is_one_file(input),
            _ => false,
        }
    }
}

/// The first half of an aggregate whose halves are connected by a repartition by the keys, or by nothing else than
/// that all goes to one thread.
fn partial(input: &Arc<dyn ExecutionPlan>) -> Option<&AggregateExec> {
    let (between, keys) = if let Some(moved) = input.downcast_ref::<RepartitionExec>() {
        let Partitioning::Hash(keys, _) = moved.partitioning() else {
            return None;
        };
        (moved.input(), Some(keys.len()))
    } else {
        let moved = input.downcast_ref::<CoalescePartitionsExec>()?;
        (moved.fetch().is_none().then(|| moved.input())?, None)
    };
    let first = between.downcast_ref::<AggregateExec>()?;
    let all = keys.is_none_or(|keys| keys == first.group_expr().num_group_exprs());
    (all && *first.mode() == AggregateMode::Partial).then_some(first)
}
