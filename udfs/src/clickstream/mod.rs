//! What visitors did, step by step: sessions, funnels, sequences, paths.

pub(crate) mod sessionize;
