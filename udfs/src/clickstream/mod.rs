//! What visitors did, step by step: sessions, funnels, sequences, paths.

pub(crate) mod path_ngrams;
pub(crate) mod sessionize;
