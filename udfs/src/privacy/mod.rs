//! How long data on people may be kept, and how to work without their names.

pub(crate) mod key;
pub(crate) mod pseudonymize;
pub(crate) mod retention_due;
