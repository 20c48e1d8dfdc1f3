//! How much a small number may say.

pub(crate) mod beta_fit;
pub(crate) mod effective_n;
pub(crate) mod interval;
pub(crate) mod llr;
pub(crate) mod min_support;
pub(crate) mod root_llr;
pub(crate) mod shrunk_rate;
pub(crate) mod wilson_lower;
pub(crate) mod wilson_upper;
