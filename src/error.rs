//! The one error type of the library: what happened, how to cure it, and which exit code it means.

use std::fmt;

/// What kind of failure it was; decides the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A query or its data failed (exit code 1).
    Data,
    /// Wrong usage, or a project or pack that cannot be read (exit code 2).
    Usage,
    /// The pack ran, but some of its checks failed (exit code 3).
    Checks,
    /// Interrupted by the user (exit code 130).
    Interrupted,
    /// The reader of the output has seen enough and closed the pipe (exit code 0).
    ClosedPipe,
}

/// An error as a user reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    kind: Kind,
    message: String,
    hint: Option<String>,
}

/// The result of everything that can fail in this library.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// A query or its data failed.
    pub fn data(message: impl Into<String>) -> Self {
        Self::new(Kind::Data, message)
    }

    /// The command, project or pack is wrong.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Kind::Usage, message)
    }

    /// The pack ran, but its checks failed.
    pub fn checks(message: impl Into<String>) -> Self {
        Self::new(Kind::Checks, message)
    }

    /// The user interrupted the work.
    pub fn interrupted() -> Self {
        Self::new(Kind::Interrupted, "interrupted")
    }

    /// Standard output cannot be written. Whoever reads it may have closed it: not a failure.
    pub fn output(error: &std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::BrokenPipe => Self::new(Kind::ClosedPipe, "the output was closed"),
            _ => Self::io("output", error),
        }
    }

    /// A file operation failed: `what` says what was tried, on which file.
    pub fn io(what: impl fmt::Display, error: &std::io::Error) -> Self {
        let hint = match error.kind() {
            std::io::ErrorKind::PermissionDenied => Some("check the permissions of that place"),
            std::io::ErrorKind::NotFound => Some("check the spelling of the path"),
            std::io::ErrorKind::StorageFull => Some("free some disk space"),
            _ => None,
        };
        // Wrapped errors repeat the path, sometimes that of a temporary file.
        let mut wrapped = match error.get_ref() {
            Some(_) => Self::data(format!("{what}: {}", error.kind())),
            None => Self::data(format!("{what}: {error}")),
        };
        wrapped.hint = hint.map(str::to_owned);
        wrapped
    }

    fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            hint: None,
        }
    }

    /// Adds how to cure it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Says where it happened, in front of the message.
    #[must_use]
    pub fn context(mut self, place: impl fmt::Display) -> Self {
        self.message = format!("{place}: {}", self.message);
        self
    }

    /// The same failure, seen as wrong usage: a project or pack file that does not plan.
    #[must_use]
    pub fn into_usage(mut self) -> Self {
        self.kind = Kind::Usage;
        self
    }

    /// The kind of failure.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// What the process reports to its caller.
    pub fn exit_code(&self) -> u8 {
        match self.kind {
            Kind::Data => 1,
            Kind::Usage => 2,
            Kind::Checks => 3,
            Kind::Interrupted => 130,
            Kind::ClosedPipe => 0,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.hint {
            Some(hint) => write!(f, "\nhint: {hint}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {}

/// "did you mean 'x'?" for the candidate nearest to `name`, when one is near.
pub fn did_you_mean<'a>(
    name: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<String> {
    let candidates: Vec<&str> = candidates.into_iter().collect();
    // SQL folds names without quotes to lower case.
    if let Some(same) = candidates
        .iter()
        .find(|known| known.eq_ignore_ascii_case(name))
    {
        return Some(format!(
            "it has capitals: write it in double quotes, \"{same}\""
        ));
    }
    candidates
        .into_iter()
        .map(|candidate| {
            (
                strsim::normalized_damerau_levenshtein(name, candidate),
                candidate,
            )
        })
        .filter(|(similarity, _)| *similarity >= 0.5)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| format!("did you mean '{candidate}'?"))
}
