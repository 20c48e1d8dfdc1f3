//! How alike two people are.

pub(crate) mod jaccard;
pub(crate) mod weighted_jaccard;
