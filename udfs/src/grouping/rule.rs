//! Where the operator comes in the place of DataFusion's.

use std::sync::Arc;

use datafusion_common::Result;
use datafusion_common::config::ConfigOptions;
use datafusion_common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion_physical_plan::aggregates::{AggregateExec, AggregateMode};
use datafusion_physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion_physical_plan::repartition::RepartitionExec;
use datafusion_physical_plan::{ExecutionPlan, InputOrderMode, Partitioning};
use datafusion_session::PhysicalOptimizerRule;

use super::columns::Columns;
use super::exec::GroupingExec;

/// Puts [`GroupingExec`] in the place of hash aggregates by visitor. It changes neither distribution nor order, so it
/// can come last.
#[derive(Debug)]
pub(crate) struct GroupByVisitor;

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
        plan.transform_up(|plan| match in_place_of(&plan)? {
            Some(exec) => Ok(Transformed::yes(Arc::new(exec) as _)),
            None => Ok(Transformed::no(plan)),
        })
        .data()
    }
}

fn in_place_of(plan: &Arc<dyn ExecutionPlan>) -> Result<Option<GroupingExec>> {
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
    if *first.input_order_mode() != InputOrderMode::Linear {
        return Ok(None);
    }
    let Some(columns) = Columns::of(first)? else {
        return Ok(None);
    };
    Ok(Some(GroupingExec::new(
        Arc::clone(first.input()),
        Arc::new(columns),
        together,
        Arc::clone(plan.properties()),
    )))
}

/// The first half of an aggregate whose halves are connected by a plain repartition by the keys, or by nothing else
/// than that all goes to one thread.
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
