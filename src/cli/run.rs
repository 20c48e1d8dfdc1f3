//! `jumeau run`: runs a pack and shows what its author marked to be shown.

use std::path::PathBuf;

use clap::Args;

use super::{Global, block_on, name_and_text};
use crate::engine::{self, Engine, Params};
use crate::error::{Error, Result};
use crate::pack::{self, Event, Outcome, Pack, RunOptions};
use crate::render::{Format, Shape, Writer};
use crate::terminal::{Events, Terminal, thousands};

#[derive(Args)]
pub(super) struct RunArgs {
    /// A folder, a name under queries/, or a pack that ships with jumeau
    pack: String,
    /// The value of a parameter
    #[arg(long, value_name = "NAME=VALUE", value_parser = name_and_text)]
    param: Vec<(String, String)>,
    /// The day of the run: short for `--param as_of=DATE`
    #[arg(long, value_name = "DATE")]
    as_of: Option<String>,
    /// Only these queries, and those that they read; `name+` adds those that read it
    #[arg(long, value_name = "NAME,…")]
    select: Option<String>,
    /// The folder for outputs
    #[arg(long, value_name = "DIR", default_value = "out")]
    out: PathBuf,
}

pub(super) fn run(args: &RunArgs, global: &Global, terminal: Terminal) -> Result<()> {
    let project = global.project()?;
    let mut pack = Pack::find(&args.pack, &project)?;
    if let Some(selection) = &args.select {
        pack.select(selection)?;
    }
    let mut given = args.param.clone();
    given.extend(
        args.as_of
            .iter()
            .map(|day| ("as_of".to_owned(), day.clone())),
    );
    let params = pack::resolve_params(&pack, &given)?;
    let engine = global.engine(&project)?;
    let options = RunOptions {
        out: args.out.clone(),
    };
    let mut interrupts = Events::interrupts();
    block_on(global, async {
        let outcome = tokio::select! {
            outcome = narrate(&engine, &pack, &params, &options, terminal) => outcome?,
            () = interrupts.next() => return Err(Error::interrupted()),
        };
        show(&engine, &pack, &outcome, terminal).await?;
        verdict(args, &pack, &outcome, terminal)
    })
}

async fn narrate(
    engine: &Engine,
    pack: &Pack,
    params: &Params,
    options: &RunOptions,
    terminal: Terminal,
) -> Result<Outcome> {
    terminal.say(format_args!("{}: {}", pack.name, pack.description));
    let width = pack
        .queries
        .iter()
        .map(|query| query.name.len())
        .max()
        .unwrap_or(0);
    let mut line = terminal.progress();
    let mut label = String::new();
    pack::run(engine, pack, params, options, &mut |event| match event {
        Event::Started(query) => {
            line = terminal.progress();
            label = format!("  {:width$}  ", query.name);
        }
        Event::Reading(progress) => line.query(&label, progress),
        Event::Finished(outcome) => {
            line = terminal.progress();
            let failed = outcome.checks.iter().filter(|(_, passed)| !passed).count();
            let verdict = match (outcome.checks.len(), failed) {
                (0, _) => String::new(),
                (1, 0) => "  1 check ok".to_owned(),
                (all, 0) => format!("  {all} checks ok"),
                (all, failed) => format!("  {failed} of {all} checks FAILED"),
            };
            terminal.say(format_args!(
                "  {:width$}  {:>11} rows  {:>6.2} s{verdict}",
                outcome.name,
                thousands(outcome.rows as u64),
                outcome.elapsed.as_secs_f64(),
            ));
        }
    })
    .await
}

/// Prints the outputs that the pack marks with `show = true`, from the files as published.
async fn show(engine: &Engine, pack: &Pack, outcome: &Outcome, terminal: Terminal) -> Result<()> {
    for query in pack.queries.iter().filter(|query| query.show) {
        let path = outcome.folder.join(format!("{}.parquet", query.name));
        engine.add_file(&query.name, &path);
        let select = format!("SELECT * FROM \"{}\"", query.name.replace('"', "\"\""));
        for statement in engine::parse(&select)? {
            let mut result = engine.query(statement, &Params::new()).await?;
            let shape = Shape {
                width: terminal.width(),
                ..Shape::default()
            };
            let mut writer =
                Writer::new(Format::Table, &result.schema(), std::io::stdout(), shape)?;
            while let Some(batch) = result.next().await? {
                writer.write(&batch)?;
            }
            let rejected = if outcome.passed() { "" } else { " (rejected)" };
            terminal.say(format_args!(
                "\n{}{rejected}: {}",
                query.name, query.description
            ));
            writer.finish()?;
        }
    }
    Ok(())
}

fn verdict(args: &RunArgs, pack: &Pack, outcome: &Outcome, terminal: Terminal) -> Result<()> {
    if outcome.passed() {
        if outcome.is_latest {
            let latest = args.out.join(&pack.name).join("latest");
            terminal.say(format_args!("\noutputs: {}", latest.join("").display()));
        } else {
            terminal.say(format_args!(
                "\noutputs: {}; latest keeps the run that has more of them",
                outcome.folder.join("").display()
            ));
        }
        return Ok(());
    }
    let failed: Vec<String> = outcome
        .queries
        .iter()
        .flat_map(|query| {
            let failed = query.checks.iter().filter(|(_, passed)| !passed);
            failed.map(|(check, _)| format!("{}: {check}", query.name))
        })
        .collect();
    Err(Error::checks(format!(
        "{} failed, nothing is published\n  {}",
        if failed.len() == 1 {
            "a check".to_owned()
        } else {
            format!("{} checks", failed.len())
        },
        failed.join("\n  ")
    ))
    .hint(format!(
        "the outputs and the failing rows are in {}",
        outcome.folder.display()
    )))
}
