//! What customers bring, and what prospects are worth.

pub(crate) mod portfolio_value;
pub(crate) mod rfm;
