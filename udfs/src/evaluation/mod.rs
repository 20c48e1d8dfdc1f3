//! How good a score is.

pub(crate) mod auc;
mod labels;
pub(crate) mod lift_at;
pub(crate) mod ranking;
