//! Cuts lines of input into dot-commands and whole statements.

use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};

use crate::engine::AnalystDialect;

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    /// `.help affinity`, without the dot.
    Command(String),
    /// One or more statements.
    Sql(String),
}

/// What the lines so far amount to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum State {
    /// Blank lines and comments only.
    Empty,
    /// A statement that goes on.
    Open,
    /// Something to do.
    Whole(Piece),
}

/// Judges the lines typed so far. A statement ends with `;` outside quotes and comments; a command
/// is one line that starts with a dot.
pub(super) fn state(text: &str) -> State {
    let trimmed = text.trim();
    if let Some(command) = trimmed.strip_prefix('.')
        && !trimmed.contains('\n')
    {
        return State::Whole(Piece::Command(command.trim().to_owned()));
    }
    // Quotes that are not closed yet do not tokenize: the statement goes on.
    let Ok(tokens) = Tokenizer::new(&AnalystDialect, text).tokenize() else {
        return State::Open;
    };
    let last = tokens
        .iter()
        .rev()
        .find(|token| !matches!(token, Token::Whitespace(_)));
    match last {
        None => State::Empty,
        Some(Token::SemiColon) => State::Whole(Piece::Sql(text.to_owned())),
        Some(_) => State::Open,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_end_with_a_semicolon_outside_quotes() {
        assert_eq!(state("SELECT 1"), State::Open);
        assert_eq!(state("SELECT ';"), State::Open);
        assert_eq!(state("SELECT 'a;'\n-- ;"), State::Open);
        let sql = "SELECT ';'\nFROM t; -- done\n";
        assert_eq!(state(sql), State::Whole(Piece::Sql(sql.to_owned())));
    }

    #[test]
    fn commands_are_one_line() {
        assert_eq!(
            state(" .help affinity "),
            State::Whole(Piece::Command("help affinity".into()))
        );
        assert_eq!(state("SELECT\n.5"), State::Open);
    }

    #[test]
    fn comments_are_nothing_to_do() {
        assert_eq!(state("  \n-- hello\n"), State::Empty);
    }
}
