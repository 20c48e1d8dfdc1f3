//! SQL text to statements, the same way for the command line, the prompt, views and packs.

use std::ops::ControlFlow;

use datafusion::sql::parser::{CopyToSource, DFParserBuilder, Statement};
use datafusion::sql::resolve::resolve_table_references;
use datafusion::sql::sqlparser::ast::{
    Ident, Query, SelectFlavor, SelectItem, SetExpr, TableFactor, VisitMut, VisitorMut,
    WildcardAdditionalOptions,
};

use super::{AnalystDialect, diagnose};
use crate::error::Result;

/// Splits SQL text into statements, in DuckDB's dialect.
///
/// # Errors
/// When the text is not SQL.
pub fn parse(sql: &str) -> Result<Vec<Statement>> {
    // Editors on Windows put an invisible mark at the start of a file.
    let sql = sql.trim_start_matches('\u{feff}');
    let statements = DFParserBuilder::new(sql)
        .with_dialect(&AnalystDialect)
        .build()
        .and_then(|mut parser| parser.parse_statements())
        .map_err(|error| diagnose::explain(error, &[]))?;
    Ok(statements
        .into_iter()
        .map(|mut statement| {
            select_everything(&mut statement);
            jumeau_udfs::name_tables(&mut statement);
            statement
        })
        .collect())
}

/// The tables that a statement reads, CTEs left out.
///
/// # Errors
/// When a name is not a table name.
pub fn tables_read(statement: &Statement) -> Result<Vec<String>> {
    let mut statement = statement.clone();
    without_functions(&mut statement);
    let (tables, _ctes) = resolve_table_references(&statement, true)
        .map_err(|error| diagnose::explain(error, &[]))?;
    Ok(tables
        .iter()
        .map(|table| table.table().to_owned())
        .filter(|table| table != FUNCTION)
        .collect())
}

/// `FROM t` means `SELECT * FROM t`; DataFusion would select no column at all.
fn select_everything(statement: &mut Statement) {
    // The visitor never breaks.
    let _ = match statement {
        Statement::Statement(inner) => inner.visit(&mut SelectEverything),
        Statement::Explain(explain) => {
            select_everything(&mut explain.statement);
            ControlFlow::Continue(())
        }
        Statement::CopyTo(copy) => match &mut copy.source {
            CopyToSource::Query(query) => query.visit(&mut SelectEverything),
            CopyToSource::Relation(_) => ControlFlow::Continue(()),
        },
        Statement::CreateExternalTable(_) | Statement::Reset(_) => ControlFlow::Continue(()),
    };
}

/// Not the name of any table.
const FUNCTION: &str = "()";

/// `twins(…)` in FROM is no table named `twins`.
fn without_functions(statement: &mut Statement) {
    let _ = match statement {
        Statement::Statement(inner) => inner.visit(&mut WithoutFunctions),
        Statement::Explain(explain) => {
            without_functions(&mut explain.statement);
            ControlFlow::Continue(())
        }
        _ => ControlFlow::Continue(()),
    };
}

struct WithoutFunctions;

impl VisitorMut for WithoutFunctions {
    type Break = std::convert::Infallible;

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Self::Break> {
        if let TableFactor::Table {
            name,
            args: Some(_),
            ..
        } = factor
        {
            *name = vec![Ident::with_quote('"', FUNCTION)].into();
        }
        ControlFlow::Continue(())
    }
}

struct SelectEverything;

impl VisitorMut for SelectEverything {
    type Break = std::convert::Infallible;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Self::Break> {
        in_body(&mut query.body);
        ControlFlow::Continue(())
    }
}

fn in_body(body: &mut SetExpr) {
    match body {
        SetExpr::Select(select) if select.flavor == SelectFlavor::FromFirstNoSelect => {
            select.projection = vec![SelectItem::Wildcard(WildcardAdditionalOptions::default())];
            select.flavor = SelectFlavor::FromFirst;
        }
        SetExpr::SetOperation { left, right, .. } => {
            in_body(left);
            in_body(right);
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reparsed(sql: &str) -> String {
        parse(sql).unwrap()[0].to_string()
    }

    #[test]
    fn from_alone_selects_everything() {
        assert_eq!(reparsed("FROM t LIMIT 3"), "FROM t SELECT * LIMIT 3");
        assert_eq!(
            reparsed("SELECT 1 FROM (FROM t) UNION ALL FROM u"),
            "SELECT 1 FROM (FROM t SELECT *) UNION ALL FROM u SELECT *"
        );
        assert_eq!(reparsed("FROM t SELECT a"), "FROM t SELECT a");
    }

    #[test]
    fn conditions_can_be_arguments() {
        let sql = "SELECT f(a = 1 AND b = 2, c => 3), [x -> x + 1], {'k': 1} FROM t";
        let statement = reparsed(sql);
        assert!(
            statement.starts_with("SELECT f(a = 1 AND b = 2, c => 3)"),
            "{statement}"
        );
        let Statement::Statement(inner) = &parse("SELECT f(a = 1)").unwrap()[0] else {
            panic!("not a statement")
        };
        assert!(format!("{inner:?}").contains("Unnamed"), "{inner:?}");
    }

    #[test]
    fn ctes_are_not_tables() {
        let statement = &parse("WITH c AS (FROM a) SELECT * FROM c JOIN b USING (x)").unwrap()[0];
        assert_eq!(tables_read(statement).unwrap(), ["a", "b"]);
    }

    #[test]
    fn functions_are_not_tables_but_their_inputs_are() {
        let sql = "FROM item_to_item(events, k => 3) JOIN item_to_item((SELECT * FROM item_to_item(a) JOIN b)) USING (item)";
        let statement = &parse(sql).unwrap()[0];
        assert_eq!(tables_read(statement).unwrap(), ["a", "b", "events"]);
        let sql = "FROM recommend(history, (SELECT * FROM item_to_item(views)), k => 3)";
        let statement = &parse(sql).unwrap()[0];
        assert_eq!(tables_read(statement).unwrap(), ["history", "views"]);
        let statement = &parse("FROM recommend(history, neighbours)").unwrap()[0];
        assert_eq!(tables_read(statement).unwrap(), ["history", "neighbours"]);
    }
}
