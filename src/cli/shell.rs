//! `jumeau` without a command: the prompt.

use std::path::PathBuf;

use super::{Global, block_on};
use crate::error::{Error, Result};
use crate::repl;
use crate::terminal::Terminal;

pub(super) fn shell(files: &[PathBuf], global: &Global, terminal: Terminal) -> Result<()> {
    let engine = global.engine(&global.project()?)?;
    for file in files {
        let name = file.file_stem().unwrap_or_default().to_string_lossy();
        if !file.exists() {
            return Err(
                Error::usage(format!("no command and no file named '{}'", file.display()))
                    .hint("jumeau --help lists the commands"),
            );
        }
        engine.add_file(&name, file);
    }
    block_on(global, repl::run(&engine, terminal))
}
