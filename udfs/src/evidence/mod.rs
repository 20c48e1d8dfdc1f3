//! How much a small number may say.

pub(crate) mod interval;
pub(crate) mod min_support;
pub(crate) mod wilson_lower;
