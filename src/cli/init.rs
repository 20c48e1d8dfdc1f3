//! `jumeau init`: a project that runs at once, to be changed piece by piece.

use std::path::PathBuf;

use clap::Args;

use super::sample;
use crate::error::{Error, Result};
use crate::pack;
use crate::project;
use crate::terminal::Terminal;

/// The sample project's own file, so that both stay the same.
const PROJECT: &str = include_str!("../../jumeau.toml");

#[derive(Args)]
pub(super) struct InitArgs {
    /// The folder to make
    folder: PathBuf,
}

pub(super) fn init(args: &InitArgs, terminal: Terminal) -> Result<()> {
    let folder = &args.folder;
    let io = |error| Error::io(folder.display(), &error);
    for name in [project::FILE_NAME, "data", "queries"] {
        if folder.join(name).exists() {
            return Err(
                Error::usage(format!("{} already holds {name}", folder.display()))
                    .hint("choose another folder; nothing was changed"),
            );
        }
    }
    std::fs::create_dir_all(folder).map_err(io)?;
    sample::write(
        &folder.join("data"),
        &crate::sample::Options::default(),
        terminal,
    )?;
    pack::copy_shipped(&folder.join("queries"))?;
    // Last, so that a folder with a project file is a whole project.
    std::fs::write(folder.join(project::FILE_NAME), PROJECT).map_err(io)?;
    terminal.say(format_args!(
        "{0} is ready: cd {0} && jumeau run prospecting",
        folder.display()
    ));
    Ok(())
}
