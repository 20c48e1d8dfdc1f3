//! `${NAME}` in a path stands for an environment variable, so that one project file serves every
//! machine that keeps its data elsewhere. `${NAME:-text}` uses `text` when it is not set.

use crate::error::{Error, Result};

/// Replaces every `${NAME}` of `text`.
///
/// # Errors
/// When a variable without a default is not set, or a brace is not closed.
pub(super) fn environment(text: &str) -> Result<String> {
    substitute(text, |name| std::env::var(name).ok())
}

fn substitute(text: &str, value_of: impl Fn(&str) -> Option<String>) -> Result<String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        out.push_str(&rest[..start]);
        let inner = &rest[start + 2..];
        let Some(end) = inner.find('}') else {
            return Err(Error::usage(format!(
                "'{text}' opens '${{' and does not close it"
            )));
        };
        let (name, default) = match inner[..end].split_once(":-") {
            Some((name, default)) => (name, Some(default.to_owned())),
            None => (&inner[..end], None),
        };
        let value = value_of(name).or(default).ok_or_else(|| {
            Error::usage(format!("the environment variable '{name}' is not set"))
                .hint(format!("set it: {name}=/path/to/data jumeau …"))
        })?;
        out.push_str(&value);
        rest = &inner[end + 1..];
    }
    out.push_str(rest);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(text: &str) -> Result<String> {
        substitute(text, |name| (name == "DATA").then(|| "/lake".to_owned()))
    }

    #[test]
    fn variables_and_defaults() {
        assert_eq!(run("${DATA}/bank/x.csv").unwrap(), "/lake/bank/x.csv");
        assert_eq!(run("${OTHER:-here}/x").unwrap(), "here/x");
        assert_eq!(run("plain $x").unwrap(), "plain $x");
    }

    #[test]
    fn what_is_missing_is_named() {
        assert!(
            run("${OTHER}/x")
                .unwrap_err()
                .to_string()
                .contains("'OTHER' is not set")
        );
        assert!(
            run("${DATA")
                .unwrap_err()
                .to_string()
                .contains("does not close it")
        );
    }
}
