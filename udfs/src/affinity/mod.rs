//! What a visitor is interested in, how sure that is, and what to show next.

#[expect(clippy::module_inception, reason = "a file is named like its function")]
pub(crate) mod affinity;
pub(crate) mod affinity_share;
pub(crate) mod decayed_sum;
mod groups;
pub(crate) mod item_to_item;
pub(crate) mod next_items;
pub(crate) mod recommend;
mod recommended;
