//! How good a score is.

pub(crate) mod auc;
pub(crate) mod auc_ci;
pub(crate) mod brier;
pub(crate) mod calibration_error;
pub(crate) mod lift_at;
pub(crate) mod log_loss;
mod losses;
pub(crate) mod precision_at;
pub(crate) mod ranking;
pub(crate) mod recall_at;
