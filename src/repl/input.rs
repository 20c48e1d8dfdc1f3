//! Lines from a person, with history and editing, or from a pipe.

use std::io::{BufRead, Stdin};
use std::path::PathBuf;

use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::FileHistory;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{Editor, Helper};

use super::splitter::{Piece, State, state};
use crate::error::{Error, Result};

/// What the next line brings.
pub(super) enum Input {
    /// Something to do.
    Piece(Piece),
    /// Ctrl-C at the prompt: what was typed is dropped.
    Cancelled,
    /// The end of the input.
    End,
}

/// Where lines come from.
pub(super) enum Lines {
    Person(Box<Editor<Statements, FileHistory>>, Option<PathBuf>),
    Pipe(Stdin),
}

impl Lines {
    pub(super) fn open(interactive: bool) -> Result<Self> {
        if !interactive {
            return Ok(Self::Pipe(std::io::stdin()));
        }
        let mut editor = Editor::new().map_err(readline)?;
        editor.set_helper(Some(Statements));
        let history = history_file();
        if let Some(file) = &history {
            // A first session has no history yet.
            let _ = editor.load_history(file);
        }
        Ok(Self::Person(Box::new(editor), history))
    }

    pub(super) fn next(&mut self) -> Result<Input> {
        match self {
            Self::Person(editor, history) => match editor.readline("jumeau> ") {
                Ok(text) => {
                    let _ = editor.add_history_entry(text.trim_end());
                    // Saved at once: a session that is killed keeps its history.
                    if let Some(file) = history {
                        let _ = editor.append_history(file);
                    }
                    Ok(match state(&text) {
                        State::Whole(piece) => Input::Piece(piece),
                        State::Empty | State::Open => Input::Cancelled,
                    })
                }
                Err(ReadlineError::Interrupted) => Ok(Input::Cancelled),
                Err(ReadlineError::Eof) => Ok(Input::End),
                Err(error) => Err(readline(error)),
            },
            Self::Pipe(stdin) => piped(&mut stdin.lock()),
        }
    }
}

fn piped(lines: &mut impl BufRead) -> Result<Input> {
    let mut text = String::new();
    loop {
        let read = lines
            .read_line(&mut text)
            .map_err(|error| Error::io("standard input", &error))?;
        match state(&text) {
            State::Whole(piece) => return Ok(Input::Piece(piece)),
            State::Empty if read == 0 => return Ok(Input::End),
            State::Empty => text.clear(),
            // The last statement of a script may leave its semicolon out.
            State::Open if read == 0 => return Ok(Input::Piece(Piece::Sql(text))),
            State::Open => {}
        }
    }
}

/// Accepts Enter when a statement or command is whole; else starts a new line.
pub(super) struct Statements;

impl Helper for Statements {}

impl Completer for Statements {
    type Candidate = String;
}

impl Hinter for Statements {
    type Hint = String;
}

impl Highlighter for Statements {}

impl Validator for Statements {
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        Ok(match state(context.input()) {
            State::Open => ValidationResult::Incomplete,
            State::Empty | State::Whole(_) => ValidationResult::Valid(None),
        })
    }
}

fn history_file() -> Option<PathBuf> {
    let state = match std::env::var_os("XDG_STATE_HOME") {
        Some(folder) => PathBuf::from(folder),
        None => PathBuf::from(std::env::var_os("HOME")?).join(".local/state"),
    };
    let folder = state.join("jumeau");
    std::fs::create_dir_all(&folder).ok()?;
    Some(folder.join("history"))
}

fn readline(error: ReadlineError) -> Error {
    match error {
        ReadlineError::Io(error) => Error::io("the prompt", &error),
        other => Error::data(format!("the prompt: {other}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_is_cut_into_pieces() {
        let mut script = "-- intro\nSELECT 1;\n.tables\nSELECT\n  2".as_bytes();
        let mut pieces = Vec::new();
        while let Input::Piece(piece) = piped(&mut script).unwrap() {
            pieces.push(piece);
        }
        assert_eq!(
            pieces,
            [
                Piece::Sql("SELECT 1;\n".into()),
                Piece::Command("tables".into()),
                Piece::Sql("SELECT\n  2".into()),
            ]
        );
    }
}
