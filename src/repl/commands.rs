//! Dot-commands: `.help`, `.tables`, `.quit`.

use std::fmt::Write as _;
use std::io::Write as _;
use std::ops::ControlFlow;

use jumeau_udfs::Function;

use crate::engine::Engine;
use crate::error::{Error, Result, did_you_mean};

const COMMANDS: [(&str, &str); 3] = [
    (
        "help",
        ".help [FUNCTION]  this help, or what a function does",
    ),
    (
        "tables",
        ".tables           the tables and views of this session",
    ),
    ("quit", ".quit             leave (also Ctrl-D)"),
];

/// Runs one command; breaks when the session is to end.
pub(super) fn run(engine: &Engine, command: &str) -> Result<ControlFlow<()>> {
    let (name, argument) = command
        .split_once(char::is_whitespace)
        .unwrap_or((command, ""));
    let text = match (name, argument.trim()) {
        ("quit" | "exit" | "q", _) => return Ok(ControlFlow::Break(())),
        ("tables", _) => tables(engine),
        ("help", "") => help(),
        ("help", function) => describe(function)?,
        _ => {
            let error = Error::usage(format!("no command '.{name}'"));
            return Err(match did_you_mean(name, COMMANDS.map(|(name, _)| name)) {
                Some(suggestion) => {
                    error.hint(suggestion.replace('\'', "").replace("mean ", "mean ."))
                }
                None => error.hint(".help lists the commands"),
            });
        }
    };
    std::io::stdout()
        .write_all(text.as_bytes())
        .map_err(|error| Error::output(&error))?;
    Ok(ControlFlow::Continue(()))
}

fn tables(engine: &Engine) -> String {
    let mut lines = engine.table_names();
    // The tariff is always there.
    if lines.len() == 1 {
        lines.push(
            "no tables of yours; name a file in FROM, as in FROM 'events.parquet'".to_owned(),
        );
    }
    lines.join("\n") + "\n"
}

fn help() -> String {
    let mut out = String::new();
    for (_, line) in COMMANDS {
        let _ = writeln!(out, "{line}");
    }
    out.push_str("SQL ends with ;  Ctrl-C cancels a query. Functions of Jumeau:\n");
    let functions = jumeau_udfs::all();
    let mut areas: Vec<&str> = functions.iter().map(Function::area).collect();
    areas.dedup();
    for area in areas {
        let names: Vec<&str> = functions
            .iter()
            .filter(|function| function.area() == area)
            .map(Function::name)
            .collect();
        let _ = writeln!(out, "  {:<12} {}", area, names.join(", "));
    }
    out
}

fn describe(name: &str) -> Result<String> {
    let functions = jumeau_udfs::all();
    let wanted = name.trim_end_matches("()").to_ascii_lowercase();
    let Some(function) = functions.iter().find(|function| function.name() == wanted) else {
        let error = Error::usage(format!("no function '{name}' of Jumeau"));
        let names = functions.iter().map(Function::name);
        return Err(error.hint(
            did_you_mean(&wanted, names).unwrap_or_else(|| ".help lists the functions".to_owned()),
        ));
    };
    let mut out = String::new();
    if let Some(doc) = function.documentation() {
        let _ = writeln!(out, "{}\n  {}", doc.syntax_example, doc.description.trim());
        for (argument, meaning) in doc.arguments.iter().flatten() {
            let _ = writeln!(out, "  {argument}: {meaning}");
        }
        if let Some(example) = &doc.sql_example {
            let _ = writeln!(out, "{}", example.trim());
        }
    }
    Ok(out)
}
