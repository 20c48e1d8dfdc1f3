//! `[privacy]`: where the key of `pseudonymize` is, and which columns name people. The key itself never stands in a
//! project file.

use std::collections::BTreeMap;
use std::path::Path;

use crate::error::{Error, Result};

/// The lists of columns, in the order of the fields of [`Naming`].
const COLUMNS: [&str; 3] = ["person_columns", "referrer_columns", "visitor_columns"];

/// Where a secret key is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// In an environment variable of this name.
    Environment(String),
    /// In this file.
    File(String),
}

/// The columns by which tables name people, besides `person_id`, `referred_by` and `visitor_id`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Naming {
    /// Columns whose rows belong to the person that they name.
    pub person: Vec<String>,
    /// Columns that name somebody else than the person of the row, who may leave without them.
    pub referrer: Vec<String>,
    /// Columns of browsers, whose rows may not know their person yet.
    pub visitor: Vec<String>,
}

/// Reads the names of columns in the section.
pub(super) fn naming(section: &BTreeMap<String, toml::Value>) -> Result<Naming> {
    let [person, referrer, visitor] = COLUMNS.map(|name| {
        let value = section.get(name).cloned();
        let names = value.map(toml::Value::try_into::<Vec<String>>).transpose();
        names.map(Option::unwrap_or_default).map_err(|_| {
            Error::usage(format!("privacy: '{name}' must be a list of column names"))
                .hint(format!("as in {name} = [\"customer_id\"]"))
        })
    });
    Ok(Naming {
        person: person?,
        referrer: referrer?,
        visitor: visitor?,
    })
}

/// Reads the place of the key in the section. By hand, since an error of the TOML reader would show the line, and the
/// key in it.
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
            (name, _) if COLUMNS.contains(&name) => continue,
            ("key_env" | "key_file", _) => {
                return Err(Error::usage(format!("privacy: '{name}' must be text")));
            }
            _ => {
                return Err(Error::usage(format!("privacy: unknown setting '{name}'")).hint(
                    "name the environment variable or the file of the key: key_env = \"NAME\" or \
                     key_file = \"path\"; name columns by person_columns, referrer_columns, visitor_columns",
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
    fn columns_that_name_people_can_have_other_names() {
        let naming = |text: &str| naming(&toml::from_str(text).unwrap());
        assert_eq!(naming("key_env = 'K'").unwrap(), Naming::default());
        let own = naming("person_columns = ['customer', 'buyer']\nvisitor_columns = ['cookie']");
        let own = own.unwrap();
        assert_eq!(own.person, ["customer", "buyer"]);
        assert_eq!(own.visitor, ["cookie"]);
        assert!(own.referrer.is_empty());
        assert_eq!(read("visitor_columns = ['cookie']").unwrap(), None);
        for text in ["visitor_columns = 'cookie'", "visitor_columns = [1]"] {
            assert_eq!(
                naming(text).unwrap_err().to_string(),
                "privacy: 'visitor_columns' must be a list of column names\n\
                 hint: as in visitor_columns = [\"customer_id\"]"
            );
        }
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
