//! How alike two people are.

pub(crate) mod gower;
pub(crate) mod jaccard;
pub(crate) mod overlap_coefficient;
pub(crate) mod weighted_jaccard;
