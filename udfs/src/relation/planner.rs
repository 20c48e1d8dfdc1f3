//! `FROM f((SELECT …), k => 10)` to a logical plan.

use std::sync::Arc;

use datafusion_common::{DFSchema, DataFusionError, Result, ScalarValue, plan_err};
use datafusion_expr::expr_fn::cast;
use datafusion_expr::planner::{
    PlannedRelation, RelationPlanner, RelationPlannerContext, RelationPlanning,
};
use datafusion_expr::simplify::SimplifyContext;
use datafusion_expr::sqlparser::ast::{
    self, FunctionArg, FunctionArgExpr, ObjectName, TableFactor,
};
use datafusion_expr::{Expr, LogicalPlan, LogicalPlanBuilder};
use datafusion_optimizer::simplify_expressions::ExprSimplifier;

use super::Relation;
use super::inputs::Input;
use super::node::RelationNode;
use super::options::Options;
use super::tables::last_part;
use crate::registry::RELATIONS;

/// The relation function of this name.
pub(super) fn find(name: &ObjectName) -> Option<&'static dyn Relation> {
    let name = last_part(name)?;
    let mut relations = RELATIONS.iter().copied();
    relations.find(|relation| relation.name() == name)
}

/// Plans calls of relation functions; leaves everything else to DataFusion.
#[derive(Debug)]
pub(crate) struct Planner;

impl RelationPlanner for Planner {
    fn plan_relation(
        &self,
        relation: TableFactor,
        context: &mut dyn RelationPlannerContext,
    ) -> Result<RelationPlanning> {
        match relation {
            TableFactor::Table {
                ref name,
                args: Some(ref args),
                ref alias,
                ..
            } if let Some(function) = find(name) => {
                let plan = plan(function, &args.args, context)?;
                let planned = PlannedRelation::new(plan, alias.clone());
                Ok(RelationPlanning::Planned(Box::new(planned)))
            }
            TableFactor::Function { ref name, .. } if let Some(function) = find(name) => plan_err!(
                "{}: LATERAL is not supported; hint: its inputs are whole tables",
                function.name()
            ),
            other => Ok(RelationPlanning::Original(Box::new(other))),
        }
    }
}

fn plan(
    function: &'static dyn Relation,
    args: &[FunctionArg],
    context: &mut dyn RelationPlannerContext,
) -> Result<LogicalPlan> {
    let name = function.name();
    let mut tables = Vec::new();
    let mut given = Vec::new();
    for arg in args {
        match arg {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => {
                let Some(input) = function.inputs().get(tables.len()) else {
                    return plan_err!(
                        "{name}: expected {}, got one more: {expr}; hint: options have names, as in k => 10",
                        wanted(function)
                    );
                };
                tables.push(table(name, input, expr, context)?);
            }
            FunctionArg::Named {
                name: option,
                arg: FunctionArgExpr::Expr(expr),
                ..
            } => {
                let option = option.value.to_ascii_lowercase();
                let value = constant(name, &option, expr, context)?;
                given.push((option, value));
            }
            other => return plan_err!("{name}: expected a table or an option, got {other}"),
        }
    }
    if tables.len() < function.inputs().len() {
        return plan_err!(
            "{name}: expected {}, got {}",
            wanted(function),
            tables.len()
        );
    }
    let options = Options::new(name, function.options(), given)?;
    let inputs = tables.into_iter().enumerate();
    let inputs = inputs
        .map(|(input, plan)| projected(function, input, plan, &options))
        .collect::<Result<Vec<_>>>()?;
    RelationNode::new(function, options, inputs).map(RelationNode::into_plan)
}

/// `2 tables (prospects, customers)`
fn wanted(function: &dyn Relation) -> String {
    let names: Vec<_> = function.inputs().iter().map(|input| input.name).collect();
    let plural = if names.len() == 1 { "" } else { "s" };
    format!("{} table{plural} ({})", names.len(), names.join(", "))
}

fn table(
    function: &str,
    input: &Input,
    expr: &ast::Expr,
    context: &mut dyn RelationPlannerContext,
) -> Result<LogicalPlan> {
    match expr {
        ast::Expr::Subquery(subquery) => context.plan(TableFactor::Derived {
            lateral: false,
            subquery: subquery.clone(),
            alias: None,
            sample: None,
        }),
        ast::Expr::Nested(inner) => table(function, input, inner, context),
        other => plan_err!(
            "{function}: argument '{}' must be a table, a view or (SELECT …), got {other}",
            input.name
        ),
    }
}

/// The value of an option, which is the same for the whole call.
fn constant(
    function: &str,
    option: &str,
    expr: &ast::Expr,
    context: &mut dyn RelationPlannerContext,
) -> Result<ScalarValue> {
    let schema = Arc::new(DFSchema::empty());
    let not_constant = |_: DataFusionError| {
        DataFusionError::Plan(format!(
            "{function}: argument '{option}' must be a constant, got {expr}"
        ))
    };
    let planned = context
        .sql_to_expr(expr.clone(), &schema)
        .map_err(not_constant)?;
    let options = context.context_provider().options().clone();
    let simplify = SimplifyContext::builder()
        .with_schema(Arc::clone(&schema))
        .with_config_options(Arc::new(options))
        .with_current_time()
        .build();
    let simplifier = ExprSimplifier::new(simplify);
    let folded = simplifier
        .coerce(planned, &schema)
        .and_then(|expr| simplifier.simplify(expr))?;
    match folded {
        Expr::Literal(value, _) => Ok(value),
        _ => Err(not_constant(DataFusionError::Plan(String::new()))),
    }
}

/// The input with exactly the columns that the function reads, under its names and in its types.
fn projected(
    function: &'static dyn Relation,
    input: usize,
    plan: LogicalPlan,
    options: &Options,
) -> Result<LogicalPlan> {
    let schema = Arc::clone(plan.schema());
    let picked = function.columns(input, schema.as_arrow(), options)?;
    let columns = picked.into_iter().map(|column| {
        let (qualifier, field) = schema.qualified_field(column.index);
        let expr = Expr::Column((qualifier, field).into());
        let expr = if field.data_type() == &column.data_type {
            expr
        } else {
            cast(expr, column.data_type)
        };
        expr.alias(column.name)
    });
    let columns = columns.collect::<Vec<_>>();
    LogicalPlanBuilder::from(plan).project(columns)?.build()
}
