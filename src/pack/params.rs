//! The values of a run: what was given on the command line, else the defaults.

use super::Pack;
use super::manifest::plain;
use crate::engine::Params;
use crate::error::{Error, Result, did_you_mean};

/// Reads the given `name`, `text` pairs against the pack's declarations.
///
/// # Errors
/// When a name is not declared, a value is not of its type, or a required one is missing.
pub fn resolve(pack: &Pack, given: &[(String, String)]) -> Result<Params> {
    let declared = |name: &str| pack.params.iter().find(|(known, _)| known == name);
    for (name, _) in given {
        if declared(name).is_none() {
            let names: Vec<&str> = pack.params.iter().map(|(name, _)| name.as_str()).collect();
            let error = Error::usage(format!("pack '{}' has no parameter '{name}'", pack.name));
            return Err(error.hint(
                did_you_mean(name, names.iter().copied())
                    .unwrap_or_else(|| format!("parameters: {}", names.join(", "))),
            ));
        }
    }
    let mut params = Params::new();
    for (name, param) in &pack.params {
        let given = given
            .iter()
            .rev()
            .find(|(known, _)| known == name)
            .map(|(_, text)| text);
        let text = match (given, &param.default) {
            (Some(text), _) => text.clone(),
            (None, Some(default)) => plain(default),
            (None, None) => {
                return Err(Error::usage(format!("parameter '{name}' has no value"))
                    .hint(format!("give it one: --param {name}=…")));
            }
        };
        params.insert(name.clone(), param.value(name, &text)?);
    }
    Ok(params)
}
