//! Plans every query of a pack against the real schemas, and scans nothing.

use std::sync::Arc;

use datafusion::arrow::datatypes::SchemaRef;

use super::{Pack, checks, output::output_schema};
use crate::engine::{Engine, Params};
use crate::error::Result;

/// Plans the queries in order; each output becomes an empty table of its schema for the next.
/// Returns the schemas of the outputs, in the pack's order.
///
/// # Errors
/// At the first query or check that does not plan: unknown table, column, function or parameter,
/// or types that do not fit. The message names the query.
pub async fn check(engine: &Engine, pack: &Pack, params: &Params) -> Result<Vec<SchemaRef>> {
    let mut schemas = Vec::with_capacity(pack.queries.len());
    for query in &pack.queries {
        let place = |error: crate::error::Error| {
            error.context(format_args!("{}, query '{}'", pack.name, query.name))
        };
        let plan = engine
            .plan(query.statement.clone(), params)
            .await
            .map_err(place)?;
        let plan = engine.optimize(&plan).map_err(place)?;
        let schema = output_schema(plan.schema().as_arrow());
        engine.add_empty_table(&query.name, Arc::clone(&schema));
        for check in &query.checks {
            checks::plan(engine, &query.name, check, params)
                .await
                .map_err(|error| place(error.context(format_args!("check \"{check}\""))))?;
        }
        schemas.push(schema);
    }
    Ok(schemas)
}
