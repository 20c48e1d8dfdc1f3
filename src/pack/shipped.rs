//! The packs inside the binary, so that it works alone in any folder. `build.rs` lists them from
//! `queries/`.

use super::Files;

include!(concat!(env!("OUT_DIR"), "/shipped.rs"));

/// Every shipped pack: its name and its files.
pub(super) fn all() -> impl Iterator<Item = (&'static str, Files)> {
    SHIPPED.iter().map(|(name, files)| (*name, owned(files)))
}

/// The files of one shipped pack.
pub(super) fn files(name: &str) -> Option<Files> {
    SHIPPED
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, files)| owned(files))
}

fn owned(files: &[(&str, &str)]) -> Files {
    files
        .iter()
        .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
        .collect()
}
