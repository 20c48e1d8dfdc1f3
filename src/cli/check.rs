//! `jumeau check`: plans every query of a pack, scans nothing.

use clap::Args;

use super::{Global, block_on, name_and_text};
use crate::error::Result;
use crate::pack::{self, Pack};
use crate::terminal::Terminal;

#[derive(Args)]
pub(super) struct CheckArgs {
    /// A folder, a name under queries/, or a pack that ships with jumeau
    pack: String,
    /// Only these queries, and those that they read; `name+` adds those that read it
    #[arg(long, value_name = "NAME,…")]
    select: Option<String>,
    /// The value of a parameter
    #[arg(long, value_name = "NAME=VALUE", value_parser = name_and_text)]
    param: Vec<(String, String)>,
}

pub(super) fn check(args: &CheckArgs, global: &Global, terminal: Terminal) -> Result<()> {
    let project = global.project()?;
    let mut pack = Pack::find(&args.pack, &project)?;
    if let Some(selection) = &args.select {
        pack.select(selection)?;
    }
    let params = pack::resolve_params(&pack, &args.param)?;
    let engine = global.engine(&project)?;
    block_on(global, async {
        let schemas = pack::check(&engine, &pack, &params).await?;
        for (query, schema) in pack.queries.iter().zip(schemas) {
            let columns: Vec<&str> = schema
                .fields()
                .iter()
                .map(|field| field.name().as_str())
                .collect();
            terminal.say(format_args!(
                "  ok  {} ({})",
                query.name,
                columns.join(", ")
            ));
        }
        let checks: usize = pack.queries.iter().map(|query| query.checks.len()).sum();
        terminal.say(format_args!(
            "{}: {} queries and {checks} checks plan against the project's tables",
            pack.name,
            pack.queries.len()
        ));
        Ok(())
    })
}
