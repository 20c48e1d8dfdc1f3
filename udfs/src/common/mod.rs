//! What several functions share: argument tables, time, sums, state skeletons.
//!
//! Each piece exists once, so that two functions cannot disagree about a type, a range or an error text.

pub(crate) mod aggregate;
pub(crate) mod arguments;
pub(crate) mod bags;
pub(crate) mod decay;
pub(crate) mod kinds;
pub(crate) mod labels;
pub(crate) mod literals;
pub(crate) mod numbers;
pub(crate) mod sliding;
pub(crate) mod spilling_sort;
pub(crate) mod sum;
pub(crate) mod tally;
#[cfg(test)]
pub(crate) mod testing;
pub(crate) mod time;
