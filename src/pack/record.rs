//! What a run leaves beside its outputs: parameters, rows, durations, check results.

use serde_json::{Value, json};

use super::{Outcome, Pack};
use crate::engine::Params;
use crate::error::{Error, Result};

pub(super) fn to_json(pack: &Pack, params: &Params, outcome: &Outcome) -> Result<String> {
    let params: serde_json::Map<String, Value> = params
        .iter()
        .map(|(name, value)| (name.clone(), Value::String(value.to_string())))
        .collect();
    let queries: Vec<Value> = outcome
        .queries
        .iter()
        .map(|query| {
            let checks: Vec<Value> = query
                .checks
                .iter()
                .map(|(check, passed)| json!({ "check": check, "passed": passed }))
                .collect();
            json!({
                "name": query.name,
                "rows": query.rows,
                "seconds": query.elapsed.as_secs_f64(),
                "checks": checks,
            })
        })
        .collect();
    let record = json!({
        "id": outcome.id,
        "pack": pack.name,
        "version": env!("CARGO_PKG_VERSION"),
        "passed": outcome.passed(),
        "params": params,
        "queries": queries,
    });
    serde_json::to_string_pretty(&record)
        .map(|text| text + "\n")
        .map_err(|error| Error::data(format!("run record: {error}")))
}
