//! What a contact costs, whether it is allowed, and what it brings.

pub(crate) mod break_even_rate;
pub(crate) mod channel_cost;
pub(crate) mod consented;
pub(crate) mod contact_allowed;
pub(crate) mod contact_plan;
pub(crate) mod expected_margin;
pub(crate) mod next_best_channel;
pub(crate) mod plan_frontier;
pub(crate) mod pressure;
pub(crate) mod sms_segments;
pub(crate) mod tariff;
