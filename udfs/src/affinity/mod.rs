//! What a visitor is interested in, and how sure that is.

#[expect(clippy::module_inception, reason = "a file is named like its function")]
pub(crate) mod affinity;
pub(crate) mod affinity_share;
pub(crate) mod decayed_sum;
pub(crate) mod item_to_item;
