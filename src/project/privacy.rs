//! `[privacy]`: where the key of `pseudonymize` is. The key itself never stands in a project file.

use std::collections::BTreeMap;
use std::path::Path;

use crate::error::{Error, Result};

/// Where a secret key is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// In an environment variable of this name.
    Environment(String),
    /// In this file.
    File(String),
}

/// Reads the section. By hand, since an error of the TOML reader would show the line, and the key in it.
pub(super) fn key_source(
    section: &BTreeMap<String, toml::Value>,
    folder: &Path,
) -> Result<Option<KeySource>> {
    let mut source = None;
    for (name, value) in section {
        let found = match (name.as_str(), value) {
            ("key_env", toml::Value::String(variable)) => KeySource::Environment(variable.clone()),
            ("key_file", toml::Value::String(path)) => {
                KeySource::File(folder.join(path).to_string_lossy().into_owned())
            }
            ("key_env" | "key_file", _) => {
                return Err(Error::usage(format!("privacy: '{name}' must be text")));
            }
            _ => {
                return Err(Error::usage(format!("privacy: unknown setting '{name}'")).hint(
                    "name the environment variable or the file of the key: key_env = \"NAME\" or \
                     key_file = \"path\"",
                ));
            }
        };
        if source.replace(found).is_some() {
            return Err(Error::usage("privacy: both key_env and key_file are given")
                .hint("keep one of them"));
        }
    }
    Ok(source)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Option<KeySource>> {
        key_source(&toml::from_str(text).unwrap(), Path::new("/shop"))
    }

    #[test]
    fn a_key_is_in_a_variable_or_a_file() {
        assert_eq!(read("").unwrap(), None);
        assert_eq!(
            read("key_env = 'SHOP_KEY'").unwrap(),
            Some(KeySource::Environment("SHOP_KEY".to_owned()))
        );
        assert_eq!(
            read("key_file = 'secret/key'").unwrap(),
            Some(KeySource::File("/shop/secret/key".to_owned()))
        );
    }

    #[test]
    fn errors_do_not_show_a_key_that_stands_in_the_wrong_place() {
        for text in [
            "key = 'hush'",
            "key_env = ['hush']",
            "key_env = 'A'\nkey_file = 'hush'",
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(
                error.starts_with("privacy: ") && !error.contains("hush"),
                "{error}"
            );
        }
    }
}
