//! The prompt: statements over several lines, dot-commands, Ctrl-C that cancels the query and
//! keeps the session. Knows `engine`, not packs.

mod commands;
mod input;
mod splitter;

use std::io::{BufWriter, IsTerminal, Write};
use std::ops::ControlFlow;
use std::time::Instant;

use datafusion::sql::parser::Statement;

use crate::engine::{self, Engine, Params};
use crate::error::{Error, Kind, Result};
use crate::render::{Format, Shape, Writer};
use crate::terminal::{Terminal, drive, thousands};
use input::{Input, Lines};
use splitter::Piece;

/// Rows of a result that the prompt shows.
const ROWS: usize = 40;

/// Reads statements until the end of the input, and runs each. A failed statement keeps a person's
/// session; it ends a script, with the error.
///
/// # Errors
/// When standard input or output fails, or a statement of a script does.
pub async fn run(engine: &Engine, terminal: Terminal) -> Result<()> {
    let interactive = std::io::stdin().is_terminal();
    let mut lines = Lines::open(interactive)?;
    if interactive {
        terminal.say(format_args!(
            "jumeau {}: SQL for prospects. End a statement with ; — .help for help, .quit to leave",
            env!("CARGO_PKG_VERSION")
        ));
    }
    loop {
        let piece = match lines.next()? {
            Input::Piece(piece) => piece,
            Input::Cancelled => continue,
            Input::End => return Ok(()),
        };
        let result = match &piece {
            Piece::Command(command) => match commands::run(engine, command) {
                Ok(ControlFlow::Break(())) => return Ok(()),
                Ok(ControlFlow::Continue(())) => Ok(()),
                Err(error) => Err(error),
            },
            Piece::Sql(sql) => statements(engine, sql, interactive, terminal).await,
        };
        match result {
            Err(error) if error.kind() == Kind::ClosedPipe || !interactive => return Err(error),
            Err(error) if error.kind() == Kind::Interrupted => terminal.say("cancelled"),
            Err(error) => terminal.error(&error),
            Ok(()) => {}
        }
    }
}

async fn statements(
    engine: &Engine,
    sql: &str,
    interactive: bool,
    terminal: Terminal,
) -> Result<()> {
    for statement in engine::parse(sql)? {
        one(engine, statement, interactive, terminal).await?;
    }
    Ok(())
}

async fn one(
    engine: &Engine,
    statement: Statement,
    interactive: bool,
    terminal: Terminal,
) -> Result<()> {
    let started = Instant::now();
    let mut query = engine.query(statement, &Params::new()).await?;
    let schema = query.schema();
    let rows = if interactive {
        ROWS
    } else {
        Shape::default().rows
    };
    let shape = Shape {
        width: terminal.width(),
        rows,
        ..Shape::default()
    };
    let mut writer = Writer::new(
        Format::Table,
        &schema,
        BufWriter::new(std::io::stdout()),
        shape,
    )?;
    let mut count: usize = 0;
    let mut cut = false;
    drive(&mut query, terminal, |batch| {
        count += batch.num_rows();
        cut = !writer.write(&batch)?;
        Ok(if cut {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        })
    })
    .await?;
    if !schema.fields().is_empty() {
        writer
            .finish()?
            .flush()
            .map_err(|error| Error::output(&error))?;
    }
    let seconds = started.elapsed().as_secs_f64();
    match (cut, interactive) {
        (true, _) => terminal.say(format_args!(
            "first {rows} rows, more left out; {seconds:.3} s"
        )),
        (false, true) => {
            let rows = if count == 1 { "row" } else { "rows" };
            terminal.say(format_args!(
                "{} {rows} in {seconds:.3} s",
                thousands(count as u64)
            ));
        }
        (false, false) => {}
    }
    Ok(())
}
