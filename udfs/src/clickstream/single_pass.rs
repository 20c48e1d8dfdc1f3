//! Brings the events of a visitor together before they are collected, not after.
//!
//! DataFusion aggregates twice: each thread what it reads, then, once the visitors are brought together, the partial
//! results. The partial result of a funnel is the list of its events, as large as the rows that it stands for; making,
//! moving and reading those lists costs more than moving the rows.

use std::sync::Arc;

use datafusion_common::Result;
use datafusion_common::config::ConfigOptions;
use datafusion_common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion_physical_plan::aggregates::{AggregateExec, AggregateMode};
use datafusion_physical_plan::repartition::RepartitionExec;
use datafusion_physical_plan::{ExecutionPlan, InputOrderMode, Partitioning};
use datafusion_session::PhysicalOptimizerRule;

use super::funnel_events::FunnelEvents;
use super::sequence_count::SequenceCount;
use super::sequence_match::SequenceMatch;
use super::window_funnel::WindowFunnel;

/// See the module. Ordered input is left alone: there the visitors end as the file is read.
#[derive(Debug)]
pub(crate) struct SinglePass;

impl PhysicalOptimizerRule for SinglePass {
    fn name(&self) -> &'static str {
        "single_pass_over_events"
    }

    fn schema_check(&self) -> bool {
        true
    }

    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|plan| match in_one_pass(&plan)? {
            Some(single) => Ok(Transformed::yes(single)),
            None => Ok(Transformed::no(plan)),
        })
        .data()
    }
}

fn in_one_pass(plan: &Arc<dyn ExecutionPlan>) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let Some(last) = plan.downcast_ref::<AggregateExec>() else {
        return Ok(None);
    };
    let Some(moved) = last.input().downcast_ref::<RepartitionExec>() else {
        return Ok(None);
    };
    let Some(first) = moved.input().downcast_ref::<AggregateExec>() else {
        return Ok(None);
    };
    let Partitioning::Hash(_, partitions) = moved.partitioning() else {
        return Ok(None);
    };
    let twice = *last.mode() == AggregateMode::FinalPartitioned
        && *first.mode() == AggregateMode::Partial
        && *first.input_order_mode() == InputOrderMode::Linear
        && first.group_expr().is_single()
        && last.limit_options().is_none();
    let collects = first.aggr_expr().iter().any(|aggregate| {
        let function = aggregate.fun().inner();
        function.is::<WindowFunnel>()
            || function.is::<FunnelEvents>()
            || function.is::<SequenceMatch>()
            || function.is::<SequenceCount>()
    });
    if !twice || !collects {
        return Ok(None);
    }
    let keys = Partitioning::Hash(first.group_expr().input_exprs(), *partitions);
    let rows = RepartitionExec::try_new(Arc::clone(first.input()), keys)?;
    let single = AggregateExec::try_new(
        AggregateMode::SinglePartitioned,
        Arc::new(first.group_expr().clone()),
        first.aggr_expr().to_vec(),
        first.filter_expr().to_vec(),
        Arc::new(rows),
        first.input_schema(),
    )?;
    Ok(Some(Arc::new(single)))
}
