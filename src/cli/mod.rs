//! The command line: one file a command. Each parses, calls the library, and prints.

mod check;
mod erase;
mod init;
mod packs;
mod query;
mod run;
mod sample;
mod shell;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::engine::Engine;
use crate::error::{Error, Kind, Result};
use crate::project::{Bytes, Limits, Project};
use crate::terminal::{Color, Terminal};

/// SQL for prospect relationship management.
#[derive(Parser)]
#[command(name = "jumeau", version, about, subcommand_precedence_over_arg = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    /// Files that the prompt opens as tables, named after them
    files: Vec<PathBuf>,
    #[command(flatten)]
    global: Global,
}

/// What every command understands.
#[derive(Args, Clone)]
pub(crate) struct Global {
    /// The project file [default: the nearest jumeau.toml in this folder or its parents]
    #[arg(long, global = true, value_name = "FILE")]
    project: Option<PathBuf>,
    /// Memory for queries, such as 2GB; beyond it they spill [default: most of what is granted]
    #[arg(long, global = true, value_name = "SIZE")]
    memory_limit: Option<Bytes>,
    /// Threads for one query [default: all cores]
    #[arg(long, global = true, value_name = "N")]
    threads: Option<std::num::NonZeroUsize>,
    /// Where queries spill [default: the system's]
    #[arg(long, global = true, value_name = "DIR")]
    temp_dir: Option<PathBuf>,
    /// Refuse statements that write
    #[arg(long, global = true)]
    read_only: bool,
    /// Say nothing but results and errors
    #[arg(long, short, global = true)]
    quiet: bool,
    /// When to use colours
    #[arg(long, global = true, value_enum, default_value_t)]
    color: Color,
}

#[derive(Subcommand)]
enum Command {
    /// Run SQL and print or save the result
    Query(query::QueryArgs),
    /// Run a query pack
    Run(run::RunArgs),
    /// Plan every query of a pack, scan nothing
    Check(check::CheckArgs),
    /// List the packs, or show one
    Packs(packs::PacksArgs),
    /// Make a new project: jumeau.toml, sample data, packs to edit
    Init(init::InitArgs),
    /// Make sample data
    Sample(sample::SampleArgs),
    /// Remove a person from the files of the project, and keep their addresses out of every plan
    Erase(erase::EraseArgs),
}

/// Runs the command that the arguments name.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let terminal = Terminal::new(cli.global.quiet, cli.global.color);
    let result = match cli.command {
        None => shell::shell(&cli.files, &cli.global, terminal),
        Some(Command::Query(args)) => query::query(&args, &cli.global, terminal),
        Some(Command::Run(args)) => run::run(&args, &cli.global, terminal),
        Some(Command::Check(args)) => check::check(&args, &cli.global, terminal),
        Some(Command::Packs(args)) => packs::packs(&args, &cli.global),
        Some(Command::Init(args)) => init::init(&args, terminal),
        Some(Command::Sample(args)) => sample::sample(&args, terminal),
        Some(Command::Erase(args)) => erase::erase(&args, &cli.global),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            if error.kind() != Kind::ClosedPipe {
                terminal.error(&error);
            }
            ExitCode::from(error.exit_code())
        }
    }
}

impl Global {
    fn project(&self) -> Result<Project> {
        Project::find(self.project.as_deref())
    }

    fn engine(&self, project: &Project) -> Result<Engine> {
        let limits = Limits {
            memory: self.memory_limit,
            threads: self.threads,
            temp_dir: self.temp_dir.clone(),
        };
        Engine::new(project, &limits, self.read_only)
    }
}

/// Runs a future to its end on all threads. Work that is still going on then, such as that of an
/// interrupted query, does not hold the process back.
fn block_on<T>(global: &Global, future: impl Future<Output = Result<T>>) -> Result<T> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    if let Some(threads) = global.threads {
        builder.worker_threads(threads.get());
    }
    let runtime = builder
        .enable_all()
        .build()
        .map_err(|error| Error::io("starting threads", &error))?;
    let result = runtime.block_on(future);
    runtime.shutdown_background();
    result
}

/// `--param name=text`, checked for its form.
fn name_and_text(given: &str) -> Result<(String, String), String> {
    match given.split_once('=') {
        Some((name, text)) if !name.is_empty() => {
            Ok((name.trim_start_matches('$').to_owned(), text.to_owned()))
        }
        _ => Err("write it as name=value".to_owned()),
    }
}
