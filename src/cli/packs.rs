//! `jumeau packs`: what can be run, and what a pack is made of.

use std::fmt::Write as _;
use std::io::Write as _;

use clap::{Args, Subcommand};

use super::Global;
use crate::error::{Error, Result};
use crate::pack::{Origin, Pack, ParamType};

#[derive(Args)]
pub(super) struct PacksArgs {
    #[command(subcommand)]
    command: Option<PacksCommand>,
}

#[derive(Subcommand)]
enum PacksCommand {
    /// Show the parameters, queries and graph of one pack
    Show {
        /// A folder, a name under queries/, or a pack that ships with jumeau
        pack: String,
    },
}

pub(super) fn packs(args: &PacksArgs, global: &Global) -> Result<()> {
    let project = global.project()?;
    let text = match &args.command {
        None => list(&Pack::list(&project)?),
        Some(PacksCommand::Show { pack }) => describe(&Pack::find(pack, &project)?),
    };
    std::io::stdout()
        .write_all(text.as_bytes())
        .map_err(|error| Error::output(&error))
}

fn list(packs: &[Pack]) -> String {
    let width = packs.iter().map(|pack| pack.name.len()).max().unwrap_or(0);
    packs.iter().fold(String::new(), |mut out, pack| {
        let _ = writeln!(
            out,
            "{:width$}  {}  [{}]",
            pack.name,
            pack.description,
            origin(pack)
        );
        out
    })
}

fn origin(pack: &Pack) -> String {
    match &pack.origin {
        Origin::Folder(folder) => folder.display().to_string(),
        Origin::Shipped => "shipped".to_owned(),
    }
}

fn describe(pack: &Pack) -> String {
    let mut out = format!("{}: {}  [{}]\n", pack.name, pack.description, origin(pack));
    if !pack.params.is_empty() {
        out.push_str("\nparameters\n");
    }
    for (name, param) in &pack.params {
        let default = match &param.default {
            Some(toml::Value::String(text)) => format!("default {text}"),
            Some(value) => format!("default {value}"),
            None => "required".to_owned(),
        };
        let kind = match param.param_type {
            ParamType::Text => "text",
            ParamType::Int => "int",
            ParamType::Decimal => "decimal",
            ParamType::Bool => "bool",
            ParamType::Date => "date",
            ParamType::Timestamp => "timestamp",
            ParamType::Interval => "interval",
        };
        let _ = writeln!(out, "  {name} ({kind}, {default})  {}", param.help);
    }
    out.push_str("\nqueries, in the order of a run\n");
    for query in &pack.queries {
        let reads = if query.reads.is_empty() {
            String::new()
        } else {
            format!("  ← {}", query.reads.join(", "))
        };
        let _ = writeln!(out, "  {}{reads}", query.name);
        if !query.description.is_empty() {
            let _ = writeln!(out, "      {}", query.description);
        }
        for check in &query.checks {
            let _ = writeln!(out, "      check: {check}");
        }
    }
    let _ = writeln!(out, "\noutputs: out/{}/latest/<query>.parquet", pack.name);
    out
}
