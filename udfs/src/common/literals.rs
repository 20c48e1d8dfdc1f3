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

    /// The function that stands for a call with these arguments, where it is another than that of all calls: an
    /// aggregate is asked for its result without rows, but not told its arguments.
    fn bind(&self, _literals: &[Option<&ScalarValue>]) -> Option<AggregateUDF> {
        None
    }

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

/// A call whose result without rows depends on its literals.
#[derive(Debug)]
pub(crate) struct Bound {
    pub(crate) call: &'static dyn Call,
    /// The function whose `default_value` is that of a call with these arguments.
    pub(crate) bind: fn(&[Option<&ScalarValue>]) -> AggregateUDF,
}

impl Call for Bound {
    fn function(&self) -> &'static str {
        self.call.function()
    }

    #[cfg(test)]
    fn names(&self) -> Vec<&'static str> {
        self.call.names()
    }

    fn check(&self, literals: &[Option<&ScalarValue>]) -> Result<()> {
        self.call.check(literals)
    }

    fn bind(&self, literals: &[Option<&ScalarValue>]) -> Option<AggregateUDF> {
        Some((self.bind)(literals))
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

    fn aggregate(
        &self,
        function: &mut Arc<AggregateUDF>,
        args: &[Expr],
        distinct: bool,
    ) -> Result<()> {
        let call = call_of(&self.aggregates, function.as_ref());
        let literals: Vec<_> = args.iter().map(literal).collect();
        let literals: Vec<_> = literals.iter().map(Option::as_ref).collect();
        check(call, &literals, distinct)?;
        if let Some(bound) = call.and_then(|call| call.bind(&literals)) {
            *function = Arc::new(bound);
        }
        Ok(())
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

fn check(
    call: Option<&'static dyn Call>,
    literals: &[Option<&ScalarValue>],
    distinct: bool,
) -> Result<()> {
    let Some(call) = call else {
        return Ok(());
    };
    if distinct {
        return plan_err!(
            "{}: DISTINCT is not supported; hint: remove duplicates in a subquery",
            call.function()
        );
    }
    call.check(literals)
}

impl ExprPlanner for LiteralCheck {
    fn plan_aggregate(
        &self,
        mut expr: RawAggregateExpr,
    ) -> Result<PlannerResult<RawAggregateExpr>> {
        self.aggregate(&mut expr.func, &expr.args, expr.distinct)?;
        Ok(PlannerResult::Original(expr))
    }

    fn plan_window(&self, mut expr: RawWindowExpr) -> Result<PlannerResult<RawWindowExpr>> {
        match &mut expr.func_def {
            WindowFunctionDefinition::AggregateUDF(function) => {
                self.aggregate(function, &expr.args, expr.distinct)?;
            }
            WindowFunctionDefinition::WindowUDF(function) => {
                let call = call_of(&self.windows, function.as_ref());
                let literals: Vec<_> = expr.args.iter().map(literal).collect();
                let literals: Vec<_> = literals.iter().map(Option::as_ref).collect();
                check(call, &literals, expr.distinct)?;
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
