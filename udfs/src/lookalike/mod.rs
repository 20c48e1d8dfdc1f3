//! How alike two people are.

pub(crate) mod gower;
pub(crate) mod jaccard;
pub(crate) mod lookalike_expand;
pub(crate) mod lookalike_score;
pub(crate) mod lookalike_weights;
pub(crate) mod overlap_coefficient;
mod people;
pub(crate) mod twin_products;
pub(crate) mod twins;
pub(crate) mod weighted_jaccard;
