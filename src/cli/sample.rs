//! `jumeau sample`: makes sample data of any size.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::error::{Error, Result};
use crate::project::Bytes;
use crate::sample;
use crate::terminal::{Terminal, thousands};

#[derive(Args)]
pub(super) struct SampleArgs {
    /// The folder for the tables
    folder: PathBuf,
    /// How many visitors, from 1,000 to 10,000,000
    #[arg(long, default_value_t = sample::Options::default().visitors)]
    visitors: u64,
    /// The same seed makes the same bytes
    #[arg(long, default_value_t = sample::Options::default().seed)]
    seed: u64,
}

pub(super) fn sample(args: &SampleArgs, terminal: Terminal) -> Result<()> {
    write(
        &args.folder,
        &sample::Options {
            visitors: args.visitors,
            seed: args.seed,
        },
        terminal,
    )
}

/// Makes the tables and says what they hold; `init` does the same. Replaces an earlier sample, but
/// no files of other origin.
pub(super) fn write(folder: &Path, options: &sample::Options, terminal: Terminal) -> Result<()> {
    let dictionary = std::fs::read_to_string(folder.join("README.md")).unwrap_or_default();
    let foreign = folder.join("events.parquet");
    if foreign.exists() && dictionary != sample::DATA_DICTIONARY {
        return Err(Error::usage(format!(
            "{} was not made by jumeau sample",
            foreign.display()
        ))
        .hint("choose another folder; nothing was changed"));
    }
    let line = terminal.progress();
    let written = sample::write(folder, options, &mut |visitors| {
        line.text(format!("{} visitors", thousands(visitors)));
    })
    .map_err(|error| match error {
        sample::Error::Visitors(_) => Error::usage(error.to_string()),
        sample::Error::Io { path, source } => Error::io(path.display(), &source),
        other => Error::data(other.to_string()),
    })?;
    drop(line);
    for table in written {
        terminal.say(format_args!(
            "  {:<10} {:>12} rows  {:>9}",
            table.table,
            thousands(table.rows),
            Bytes(table.bytes as usize).to_string()
        ));
    }
    Ok(())
}
