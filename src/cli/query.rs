//! `jumeau query`: one or more statements, printed or saved.

use std::fs::File;
use std::io::{BufWriter, IsTerminal, Read, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use clap::Args;
use datafusion::sql::parser::Statement;

use super::{Global, block_on, name_and_text};
use crate::engine::{self, Engine, Params, Query, Value};
use crate::error::{Error, Result};
use crate::render::{Format, Shape, Writer};
use crate::terminal::{Terminal, drive, thousands};

#[derive(Args)]
pub(super) struct QueryArgs {
    /// The SQL to run
    #[arg(required_unless_present = "file", conflicts_with = "file")]
    sql: Option<String>,
    /// Run the SQL of a file; `-` is standard input
    #[arg(long, short, value_name = "FILE")]
    file: Option<PathBuf>,
    /// table, csv, json, jsonl, markdown, parquet or arrow
    #[arg(long)]
    format: Option<Format>,
    /// Save the result; the format comes from the ending
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The value of a $name in the SQL
    #[arg(long, value_name = "NAME=VALUE", value_parser = name_and_text)]
    param: Vec<(String, String)>,
}

pub(super) fn query(args: &QueryArgs, global: &Global, terminal: Terminal) -> Result<()> {
    let sql = match (&args.sql, &args.file) {
        (Some(sql), _) => sql.clone(),
        (None, Some(file)) => read(file)?,
        (None, None) => return Err(Error::usage("no SQL given")),
    };
    let format = match (args.format, &args.output) {
        (Some(format), _) => format,
        (None, Some(path)) => Format::from_ending(path)?,
        (None, None) => Format::Table,
    };
    if format.is_binary() && args.output.is_none() && std::io::stdout().is_terminal() {
        return Err(
            Error::usage("this format is not for a terminal").hint("save it: -o result.parquet")
        );
    }
    let engine = global.engine(&global.project()?)?;
    let params: Params = args
        .param
        .iter()
        .map(|(name, text)| (name.clone(), Value::guess(text)))
        .collect();

    let statements = engine::parse(&sql)?;
    if statements.is_empty() {
        return Err(Error::usage("there is no statement to run"));
    }
    if args.output.is_some() && statements.len() > 1 {
        return Err(Error::usage(format!(
            "-o takes one statement, got {}",
            statements.len()
        )));
    }
    block_on(global, async {
        for statement in statements {
            run(
                &engine,
                statement,
                &params,
                format,
                args.output.as_deref(),
                terminal,
            )
            .await?;
        }
        Ok(())
    })
}

async fn run(
    engine: &Engine,
    statement: Statement,
    params: &Params,
    format: Format,
    output: Option<&Path>,
    terminal: Terminal,
) -> Result<()> {
    let mut query = engine.query(statement, params).await?;
    let schema = query.schema();
    let Some(path) = output else {
        if schema.fields().is_empty() {
            // A statement such as SET has nothing to print.
            return drive(&mut query, terminal, |_| Ok(ControlFlow::Continue(()))).await;
        }
        let shape = Shape {
            width: terminal.width(),
            ..Shape::default()
        };
        let out = BufWriter::new(std::io::stdout());
        let mut writer = Writer::new(format, &schema, out, shape)?;
        let mut cut = false;
        drive(&mut query, terminal, |batch| {
            cut = !writer.write(&batch)?;
            Ok(if cut {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            })
        })
        .await?;
        finish(writer)?;
        if cut {
            terminal.say(format_args!(
                "only the first {} rows are shown; --format csv prints them all",
                thousands(shape.rows as u64)
            ));
        }
        return Ok(());
    };

    let shape = Shape::unlimited(engine.threads());
    let rows = save(&mut query, format, path, shape, terminal).await?;
    terminal.say(format_args!(
        "{}: {} rows",
        path.display(),
        thousands(rows as u64)
    ));
    Ok(())
}

/// Writes beside the target and renames at the end. A link keeps pointing to where it points; what
/// is no regular file, such as a device or a pipe, is written to directly.
async fn save(
    query: &mut Query,
    format: Format,
    path: &Path,
    shape: Shape,
    terminal: Terminal,
) -> Result<usize> {
    let io = |error| Error::io(path.display(), &error);
    let target = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let special = std::fs::metadata(&target).is_ok_and(|data| !data.is_file() && !data.is_dir());
    if special {
        let file = File::options().write(true).open(&target).map_err(io)?;
        return Ok(fill(query, format, file, shape, terminal).await?.1);
    }
    let folder = match target.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    let (file, staged) = tempfile::Builder::new()
        .prefix(&format!(".{name}."))
        .suffix(".tmp")
        .tempfile_in(folder)
        .map_err(io)?
        .into_parts();
    let (file, rows) = fill(query, format, file, shape, terminal).await?;
    file.sync_all().map_err(io)?;
    share(&file, folder).map_err(io)?;
    staged.persist(&target).map_err(|error| io(error.error))?;
    Ok(rows)
}

async fn fill(
    query: &mut Query,
    format: Format,
    file: File,
    shape: Shape,
    terminal: Terminal,
) -> Result<(File, usize)> {
    let out = BufWriter::new(file);
    let mut writer = Writer::new(format, &query.schema(), out, shape)?;
    let mut rows = 0;
    drive(query, terminal, |batch| {
        rows += batch.num_rows();
        writer.write(&batch)?;
        Ok(ControlFlow::Continue(()))
    })
    .await?;
    let file = finish(writer)?
        .into_inner()
        .map_err(|error| Error::output(&error.into_error()))?;
    Ok((file, rows))
}

fn finish<W: Write + Send>(writer: Writer<W>) -> Result<W> {
    let mut out = writer.finish()?;
    out.flush().map_err(|error| Error::output(&error))?;
    Ok(out)
}

/// Temporary files are private; a saved result is as open as its folder lets it be.
#[cfg(unix)]
fn share(file: &File, folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(folder)?.permissions().mode() & 0o666;
    file.set_permissions(std::fs::Permissions::from_mode(mode))
}

#[cfg(not(unix))]
fn share(_: &File, _: &Path) -> std::io::Result<()> {
    Ok(())
}

fn read(file: &Path) -> Result<String> {
    if file == Path::new("-") {
        let mut sql = String::new();
        std::io::stdin()
            .read_to_string(&mut sql)
            .map_err(|error| Error::io("standard input", &error))?;
        return Ok(sql);
    }
    std::fs::read_to_string(file).map_err(|error| Error::io(file.display(), &error).into_usage())
}
