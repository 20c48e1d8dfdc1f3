//! Wrong literals in calls of aggregates fail at planning.
//!
//! A scalar function sees its literals when it is asked for its return field; an aggregate or a window never
//! does before it runs. The SQL planner shows them to this hook. Errors of optimizer rules would come too late:
//! EXPLAIN swallows them. DISTINCT, which an accumulator could only ignore, is refused here too.

use std::sync::Arc;

use arrow::array::RecordBatch;
use datafusion_common::{Result, ScalarValue, plan_err};
use datafusion_expr::expr::{Alias, Cast, TryCast};
use datafusion_expr::function::AccumulatorArgs;
use datafusion_expr::planner::{ExprPlanner, PlannerResult, RawAggregateExpr, RawWindowExpr};
use datafusion_expr::{AggregateUDF, ColumnarValue, Expr, WindowFunctionDefinition};

use super::arguments::Arguments;

/// Checks the literals of every call of the aggregates that it knows.
#[derive(Debug)]
pub(crate) struct LiteralCheck {
    aggregates: Vec<(Arc<AggregateUDF>, &'static Arguments)>,
}

impl LiteralCheck {
    pub(crate) fn new(aggregates: Vec<(Arc<AggregateUDF>, &'static Arguments)>) -> Self {
        Self { aggregates }
    }

    fn check(&self, function: &AggregateUDF, args: &[Expr], distinct: bool) -> Result<()> {
        // By identity, not by name: someone else's function of the same name has its own arguments.
        let known = self
            .aggregates
            .iter()
            .find(|(ours, _)| ours.as_ref() == function);
        let Some((_, arguments)) = known else {
            return Ok(());
        };
        if distinct {
            return plan_err!(
                "{}: DISTINCT is not supported; hint: remove duplicates in a subquery",
                arguments.function
            );
        }
        let literals: Vec<_> = args.iter().map(literal).collect();
        arguments.check_literals(literals.iter().map(Option::as_ref))
    }
}

impl ExprPlanner for LiteralCheck {
    fn plan_aggregate(&self, expr: RawAggregateExpr) -> Result<PlannerResult<RawAggregateExpr>> {
        self.check(&expr.func, &expr.args, expr.distinct)?;
        Ok(PlannerResult::Original(expr))
    }

    fn plan_window(&self, expr: RawWindowExpr) -> Result<PlannerResult<RawWindowExpr>> {
        if let WindowFunctionDefinition::AggregateUDF(function) = &expr.func_def {
            self.check(function, &expr.args, expr.distinct)?;
        }
        Ok(PlannerResult::Original(expr))
    }
}

/// The value of an expression that the planner has not folded yet: `-0.5`, `'14 days'::INTERVAL`.
fn literal(expr: &Expr) -> Option<ScalarValue> {
    match expr {
        Expr::Literal(value, _) => Some(value.clone()),
        Expr::Alias(Alias { expr, .. }) => literal(expr),
        Expr::Negative(expr) => literal(expr)?.arithmetic_negate().ok(),
        Expr::Cast(Cast { expr, field }) | Expr::TryCast(TryCast { expr, field }) => {
            literal(expr)?.cast_to(field.data_type()).ok()
        }
        _ => None,
    }
}

/// The value of argument number `position` when it is the same for all rows: known even to a group without any.
pub(crate) fn constant(args: &AccumulatorArgs<'_>, position: usize) -> Option<ScalarValue> {
    let nothing = RecordBatch::new_empty(Arc::new(args.schema.clone()));
    match args.exprs.get(position)?.evaluate(&nothing).ok()? {
        ColumnarValue::Scalar(value) => Some(value),
        ColumnarValue::Array(_) => None,
    }
}
