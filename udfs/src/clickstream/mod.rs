//! What visitors did, step by step: sessions, funnels, sequences, paths.

pub(crate) mod conditions;
pub(crate) mod funnel_events;
pub(crate) mod path_ngrams;
pub(crate) mod retention;
pub(crate) mod sequence_count;
pub(crate) mod sequence_match;
pub(crate) mod sessionize;
pub(crate) mod single_pass;
mod streams;
pub(crate) mod window_funnel;
