//! Wrong literals in calls of aggregates fail at planning.
//!
//! A scalar function sees its literals when it is asked for its return field; an aggregate or a window never
//! does before it runs. The SQL planner shows them to this hook. Errors of optimizer rules would come too late:
//! EXPLAIN swallows them. DISTINCT, which an accumulator could only ignore, is refused here too.

use std::fmt::Debug;
use std::sync::Arc;

use arrow::array::RecordBatch;
use datafusion_common::{Result, ScalarValue, plan_err};
use datafusion_expr::expr::{Alias, Cast, Sort as SortExpr, TryCast};
use datafusion_expr::function::AccumulatorArgs;
use datafusion_expr::planner::{ExprPlanner, PlannerResult, RawAggregateExpr, RawWindowExpr};
use datafusion_expr::{AggregateUDF, ColumnarValue, Expr, WindowFunctionDefinition, WindowUDF};

use super::arguments::Arguments;

/// What is known of the arguments of a function before any data is read.
pub(crate) trait Call: Debug + Send + Sync {
    /// SQL name of the function.
    fn function(&self) -> &'static str;

    /// The arguments by their names in the documentation.
    #[cfg(test)]
    fn names(&self) -> Vec<&'static str>;

    /// Fails when one of the arguments is a wrong literal; other expressions are `None`.
    fn check(&self, literals: &[Option<&ScalarValue>]) -> Result<()>;

    /// Fails when a window is in the wrong order.
    fn check_order(&self, _order_by: &[SortExpr]) -> Result<()> {
        Ok(())
    }
}

impl Call for Arguments {
    fn function(&self) -> &'static str {
        self.function
    }

    #[cfg(test)]
    fn names(&self) -> Vec<&'static str> {
        self.list.iter().map(|argument| argument.name).collect()
    }

    fn check(&self, literals: &[Option<&ScalarValue>]) -> Result<()> {
        self.check_literals(literals.iter().copied())
    }
}

/// Checks the literals of every call of the functions that it knows.
#[derive(Debug, Default)]
pub(crate) struct LiteralCheck {
    aggregates: Vec<(Arc<AggregateUDF>, &'static dyn Call)>,
    windows: Vec<(Arc<WindowUDF>, &'static dyn Call)>,
}

impl LiteralCheck {
    pub(crate) fn add_aggregate(
        &mut self,
        function: &Arc<AggregateUDF>,
        call: Option<&'static dyn Call>,
    ) {
        self.aggregates
            .extend(call.map(|call| (Arc::clone(function), call)));
    }

    pub(crate) fn add_window(
        &mut self,
        function: &Arc<WindowUDF>,
        call: Option<&'static dyn Call>,
    ) {
        self.windows
            .extend(call.map(|call| (Arc::clone(function), call)));
    }

    fn check_aggregate(
        &self,
        function: &AggregateUDF,
        args: &[Expr],
        distinct: bool,
    ) -> Result<()> {
        check(call_of(&self.aggregates, function), args, distinct)
    }
}

// By identity, not by name: someone else's function of the same name has its own arguments.
fn call_of<F: PartialEq>(
    known: &[(Arc<F>, &'static dyn Call)],
    function: &F,
) -> Option<&'static dyn Call> {
    let known = known.iter().find(|(ours, _)| ours.as_ref() == function);
    known.map(|(_, call)| *call)
}

fn check(call: Option<&'static dyn Call>, args: &[Expr], distinct: bool) -> Result<()> {
    let Some(call) = call else {
        return Ok(());
    };
    if distinct {
        return plan_err!(
            "{}: DISTINCT is not supported; hint: remove duplicates in a subquery",
            call.function()
        );
    }
    let literals: Vec<_> = args.iter().map(literal).collect();
    let literals: Vec<_> = literals.iter().map(Option::as_ref).collect();
    call.check(&literals)
}

impl ExprPlanner for LiteralCheck {
    fn plan_aggregate(&self, expr: RawAggregateExpr) -> Result<PlannerResult<RawAggregateExpr>> {
        self.check_aggregate(&expr.func, &expr.args, expr.distinct)?;
        Ok(PlannerResult::Original(expr))
    }

    fn plan_window(&self, expr: RawWindowExpr) -> Result<PlannerResult<RawWindowExpr>> {
        match &expr.func_def {
            WindowFunctionDefinition::AggregateUDF(function) => {
                self.check_aggregate(function, &expr.args, expr.distinct)?;
            }
            WindowFunctionDefinition::WindowUDF(function) => {
                let call = call_of(&self.windows, function.as_ref());
                check(call, &expr.args, expr.distinct)?;
                if let Some(call) = call {
                    call.check_order(&expr.order_by)?;
                }
            }
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
