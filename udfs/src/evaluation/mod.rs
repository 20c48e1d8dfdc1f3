//! How good a score is.

pub(crate) mod auc;
pub(crate) mod lift_at;
pub(crate) mod ranking;
