//! Memory, threads and the spill folder, with sizes written as people write them.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use serde::Deserialize;

use crate::error::{Error, Result};

/// What the engine may use. `None` leaves the choice to the engine.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Memory for queries; beyond it they spill or fail.
    pub memory: Option<Bytes>,
    /// Threads that work on one query.
    pub threads: Option<std::num::NonZeroUsize>,
    /// Where queries spill.
    pub temp_dir: Option<PathBuf>,
}

impl Limits {
    /// These limits, with those of `other` wherever it sets one.
    #[must_use]
    pub fn overridden_by(self, other: Self) -> Self {
        Self {
            memory: other.memory.or(self.memory),
            threads: other.threads.or(self.threads),
            temp_dir: other.temp_dir.or(self.temp_dir),
        }
    }
}

/// A number of bytes, written `512MB`, `2GB` or `1.5GiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Bytes(pub usize);

impl FromStr for Bytes {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = || {
            Error::usage(format!("'{text}' is not a size"))
                .hint("write a number and a unit, such as 512MB, 2GB or 1.5GiB")
        };
        let text = text.trim();
        let split = text
            .find(|c: char| c.is_ascii_alphabetic())
            .unwrap_or(text.len());
        let (number, unit) = text.split_at(split);
        let number: f64 = number.trim().parse().map_err(|_| wrong())?;
        let factor: f64 = match unit.to_ascii_lowercase().as_str() {
            "" | "b" => 1.0,
            "kb" | "k" => 1e3,
            "mb" | "m" => 1e6,
            "gb" | "g" => 1e9,
            "tb" | "t" => 1e12,
            "kib" => 1024.0,
            "mib" => 1024.0 * 1024.0,
            "gib" => 1024.0 * 1024.0 * 1024.0,
            _ => return Err(wrong()),
        };
        let bytes = number * factor;
        if bytes < 1.0 || !bytes.is_finite() {
            return Err(wrong());
        }
        Ok(Self(bytes as usize))
    }
}

impl TryFrom<String> for Bytes {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.0 as f64;
        match self.0 {
            0..1_000 => write!(f, "{bytes} B"),
            1_000..1_000_000 => write!(f, "{:.1} kB", bytes / 1e3),
            1_000_000..1_000_000_000 => write!(f, "{:.1} MB", bytes / 1e6),
            _ => write!(f, "{:.1} GB", bytes / 1e9),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_written() {
        for (text, bytes) in [
            ("2GB", 2_000_000_000),
            ("1.5 GiB", 1_610_612_736),
            ("512mb", 512_000_000),
            ("7", 7),
        ] {
            assert_eq!(text.parse::<Bytes>().unwrap().0, bytes, "{text}");
        }
        for text in ["", "GB", "-1GB", "2XB", "0", "nan"] {
            assert!(text.parse::<Bytes>().is_err(), "{text}");
        }
    }
}
