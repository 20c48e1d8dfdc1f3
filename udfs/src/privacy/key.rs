//! The key of `pseudonymize`: HMAC-SHA-256, and the session setting that says where its key is.

use std::any::Any;
use std::fmt;
use std::sync::{Arc, OnceLock};

use datafusion_common::config::{ConfigEntry, ConfigExtension, ExtensionOptions};
use datafusion_common::{Result, config_err, exec_err};
use sha2::{Digest, Sha256};

/// Shorter keys can be guessed.
pub(super) const SHORTEST: usize = 16;

/// Bytes that SHA-256 takes at a time.
const BLOCK: usize = 64;

/// HMAC-SHA-256 with one key (RFC 2104), both of its hashes already fed with the key.
#[derive(Clone)]
pub(super) struct Key {
    inner: Sha256,
    outer: Sha256,
}

impl Key {
    /// `None` for a key that is too short.
    pub(super) fn new(key: &[u8]) -> Option<Self> {
        (key.len() >= SHORTEST).then(|| Self::of_any_length(key))
    }

    fn of_any_length(key: &[u8]) -> Self {
        let mut block = [0; BLOCK];
        if key.len() > BLOCK {
            block[..32].copy_from_slice(&Sha256::digest(key));
        } else {
            block[..key.len()].copy_from_slice(key);
        }
        Self {
            inner: Sha256::new_with_prefix(block.map(|byte| byte ^ 0x36)),
            outer: Sha256::new_with_prefix(block.map(|byte| byte ^ 0x5c)),
        }
    }

    /// The code of a text, as 64 hexadecimal digits.
    pub(super) fn code(&self, text: &str) -> String {
        let inner = self.inner.clone().chain_update(text).finalize();
        let outer = self.outer.clone().chain_update(inner).finalize();
        let digit = |nibble: u8| char::from(b"0123456789abcdef"[usize::from(nibble)]);
        let digits = outer.iter().flat_map(|byte| [byte >> 4, byte & 15]);
        digits.map(digit).collect()
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(hidden)")
    }
}

/// Where the key of `pseudonymize` is: a session extension, put into `ConfigOptions::extensions`.
///
/// `SET privacy.key_env = 'NAME'` names an environment variable, `SET privacy.key_file = 'path'` a file, whose
/// last line break does not count. The key is read when it is first needed. The setting shows the name or the
/// path, and nothing ever shows the key.
#[derive(Debug, Clone, Default)]
pub struct Privacy {
    source: Option<Source>,
    /// Read once, for all copies of the setting.
    key: Arc<OnceLock<Key>>,
}

#[derive(Debug, Clone)]
enum Source {
    Environment(String),
    File(String),
}

impl Privacy {
    /// What `pseudonymize(text)` gives in this session.
    ///
    /// # Errors
    /// When there is no key, or it is too short; the message does not show it.
    pub fn code(&self, text: &str) -> Result<String> {
        self.key().map(|key| key.code(text))
    }

    pub(super) fn key(&self) -> Result<&Key> {
        if let Some(key) = self.key.get() {
            return Ok(key);
        }
        let key = self.read()?;
        Ok(self.key.get_or_init(|| key))
    }

    fn read(&self) -> Result<Key> {
        let (bytes, place) = match &self.source {
            None => {
                return exec_err!(
                    "pseudonymize: no key is set; hint: name its environment variable or its file, \
                     SET privacy.key_env = 'NAME' or SET privacy.key_file = 'path'"
                );
            }
            Some(Source::Environment(name)) => match std::env::var_os(name) {
                Some(key) => (
                    key.into_encoded_bytes(),
                    format!("the environment variable '{name}'"),
                ),
                None => {
                    return exec_err!("pseudonymize: the environment variable '{name}' is not set");
                }
            },
            Some(Source::File(path)) => match std::fs::read(path) {
                Ok(key) => (key, format!("the file '{path}'")),
                Err(error) => {
                    let kind = error.kind();
                    return exec_err!("pseudonymize: the key file '{path}' cannot be read: {kind}");
                }
            },
        };
        let key = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
        let key = key.strip_suffix(b"\r").unwrap_or(key);
        if let Some(key) = Key::new(key) {
            return Ok(key);
        }
        exec_err!(
            "pseudonymize: the key in {place} is shorter than {SHORTEST} bytes; hint: openssl rand -hex 32"
        )
    }
}

impl ConfigExtension for Privacy {
    const PREFIX: &'static str = "privacy";
}

impl ExtensionOptions for Privacy {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }

    fn cloned(&self) -> Box<dyn ExtensionOptions> {
        Box::new(self.clone())
    }

    // The value is not repeated in an error: someone may have put the key itself there.
    fn set(&mut self, key: &str, value: &str) -> Result<()> {
        let source = match key {
            "key_env" if is_name(value) => Source::Environment(value.to_owned()),
            "key_env" => {
                return config_err!(
                    "privacy.key_env must be the name of an environment variable: letters, digits and _"
                );
            }
            "key_file" => Source::File(value.to_owned()),
            _ => {
                return config_err!(
                    "privacy has the settings key_env and key_file; the key itself must not stand in SQL"
                );
            }
        };
        *self = Self {
            source: Some(source),
            key: Arc::default(),
        };
        Ok(())
    }

    fn entries(&self) -> Vec<ConfigEntry> {
        let (name, path) = match &self.source {
            Some(Source::Environment(name)) => (Some(name.clone()), None),
            Some(Source::File(path)) => (None, Some(path.clone())),
            None => (None, None),
        };
        let entry = |key: &str, value, description| ConfigEntry {
            key: format!("{}.{key}", Self::PREFIX),
            value,
            description,
        };
        vec![
            entry(
                "key_env",
                name,
                "Environment variable with the key of pseudonymize",
            ),
            entry("key_file", path, "File with the key of pseudonymize"),
        ]
    }
}

fn is_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_of_rfc_4231() {
        let code = |key: &[u8], text: &str| Key::of_any_length(key).code(text);
        assert_eq!(
            code(&[0x0b; 20], "Hi There"),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
        );
        assert_eq!(
            code(b"Jefe", "what do ya want for nothing?"),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
        assert_eq!(
            code(
                &[0xaa; 131],
                "Test Using Larger Than Block-Size Key - Hash Key First"
            ),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
        );
    }

    #[test]
    fn nothing_shows_the_key() {
        let folder = std::env::temp_dir().join(format!("jumeau-key-{}", std::process::id()));
        std::fs::write(&folder, "a secret that nobody sees\r\n").unwrap();
        let mut privacy = Privacy::default();
        privacy.set("key_file", &folder.to_string_lossy()).unwrap();
        let code = privacy.key().unwrap().code("x");
        std::fs::remove_file(&folder).unwrap();
        assert_eq!(
            code,
            Key::new(b"a secret that nobody sees").unwrap().code("x")
        );
        assert_eq!(privacy.clone().key().unwrap().code("x"), code, "read once");
        let shown = format!("{privacy:?} {:?}", privacy.key());
        assert!(
            !shown.contains("secret") && shown.contains("hidden"),
            "{shown}"
        );
        for entry in privacy.entries() {
            assert!(!format!("{:?}", entry.value).contains("secret"));
        }
    }

    #[test]
    fn what_is_wrong_with_a_key_is_said_without_it() {
        let error = |key: &str, value: &str| {
            let mut privacy = Privacy::default();
            let set = privacy.set(key, value);
            set.and_then(|()| privacy.key().map(|_| ()))
                .unwrap_err()
                .strip_backtrace()
        };
        assert!(error("key_env", "a+secret/key==").ends_with("letters, digits and _"));
        assert!(error("key", "secret").ends_with("must not stand in SQL"));
        assert!(
            error("key_env", "JUMEAU_NO_SUCH_KEY").ends_with("'JUMEAU_NO_SUCH_KEY' is not set")
        );
        assert!(error("key_file", "/no/such/file").contains("cannot be read: entity not found"));
        assert!(Key::new(b"fifteen bytes..").is_none());
        let unset = Privacy::default().key().unwrap_err().strip_backtrace();
        assert!(unset.contains("no key is set"), "{unset}");
    }
}
