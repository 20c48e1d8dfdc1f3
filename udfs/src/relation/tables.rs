//! Tables that are named as arguments.
//!
//! The session loads the tables of a statement before it plans, and looks for them where tables usually stand.
//! `item_to_item(views)` names one where it does not look, so the name becomes `(SELECT * FROM views)`.

use std::convert::Infallible;
use std::ops::ControlFlow;

use datafusion_expr::sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, ObjectName,
    ObjectNamePart, Query, SetExpr, TableFactor, TableFunctionArgs, Value, VisitMut, VisitorMut,
};
use datafusion_expr::sqlparser::dialect::GenericDialect;
use datafusion_expr::sqlparser::parser::Parser;
use datafusion_sql::parser::{CopyToSource, Statement};

use super::planner::find;

/// Turns the tables that calls of relation functions name into subqueries. To be done before a statement is planned;
/// without it, such a call needs `(SELECT * FROM t)`.
pub fn name_tables(statement: &mut Statement) {
    // The visitor never breaks.
    let _ = match statement {
        Statement::Statement(inner) => inner.visit(&mut NameTables),
        Statement::Explain(explain) => {
            name_tables(&mut explain.statement);
            ControlFlow::Continue(())
        }
        Statement::CopyTo(copy) => match &mut copy.source {
            CopyToSource::Query(query) => query.visit(&mut NameTables),
            CopyToSource::Relation(_) => ControlFlow::Continue(()),
        },
        Statement::CreateExternalTable(_) | Statement::Reset(_) => ControlFlow::Continue(()),
    };
}

/// Whether a name in FROM is that of a relation function.
pub fn is_relation_function(name: &ObjectName) -> bool {
    find(name).is_some()
}

struct NameTables;

impl VisitorMut for NameTables {
    type Break = Infallible;

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Infallible> {
        if let TableFactor::Table {
            name,
            args: Some(args),
            ..
        } = factor
            && let Some(function) = find(name)
        {
            let tables = args.args.iter_mut().filter_map(|arg| match arg {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr),
                _ => None,
            });
            for expr in tables.take(function.inputs().len()) {
                if let Some((name, args)) = table_of(expr)
                    && let Some(query) = select_all(name, args)
                {
                    *expr = Expr::Subquery(query);
                }
            }
        }
        ControlFlow::Continue(())
    }
}

/// The table that an argument names: an identifier, a path in quotes, or a call.
fn table_of(expr: &Expr) -> Option<(ObjectName, Option<TableFunctionArgs>)> {
    match expr {
        Expr::Identifier(name) => Some((vec![name.clone()].into(), None)),
        Expr::CompoundIdentifier(names) => Some((names.clone().into(), None)),
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(path) => {
                Some((vec![Ident::with_quote('\'', path.clone())].into(), None))
            }
            _ => None,
        },
        Expr::Function(Function {
            name,
            args: FunctionArguments::List(list),
            ..
        }) => {
            let args = TableFunctionArgs {
                args: list.args.clone(),
                settings: None,
            };
            Some((name.clone(), Some(args)))
        }
        Expr::Nested(inner) => table_of(inner),
        _ => None,
    }
}

fn select_all(table: ObjectName, arguments: Option<TableFunctionArgs>) -> Option<Box<Query>> {
    let mut query = Parser::new(&GenericDialect)
        .try_with_sql("SELECT * FROM t")
        .and_then(|mut parser| parser.parse_query())
        .ok()?;
    let SetExpr::Select(select) = query.body.as_mut() else {
        return None;
    };
    let factor = &mut select.from.first_mut()?.relation;
    if let TableFactor::Table { name, args, .. } = factor {
        *name = table;
        *args = arguments;
    }
    Some(query)
}

/// The last part of a name, as it is compared with names of functions.
pub(super) fn last_part(name: &ObjectName) -> Option<String> {
    match name.0.last()? {
        ObjectNamePart::Identifier(ident) => Some(ident.value.to_ascii_lowercase()),
        ObjectNamePart::Function(_) => None,
    }
}
