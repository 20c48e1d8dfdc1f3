//! SQL functions for prospect relationship management, for any DataFusion program.
//!
//! [`register_all`] adds every function to a session; [`Tariff`] is the session setting that holds the prices of
//! the channels, and [`Privacy`] the one that says where the key of `pseudonymize` is. That key is all that the
//! crate ever reads; it knows nothing of a command line.
//!
//! * One function is one file: documentation, signature, a thin trait impl, a free kernel, tests.
//! * `common` holds what functions share. Its argument table drives type coercion and every check of a value.
//! * [`registry`] is the one table of all functions; help texts and the reference page come from it.

mod affinity;
mod channel;
mod clickstream;
mod common;
mod evaluation;
mod evidence;
mod grouping;
mod lookalike;
mod privacy;
pub mod registry;
mod relation;
mod value;

pub use channel::tariff::Tariff;
pub use grouping::rule::OneFile;
pub use privacy::key::Privacy;
pub use registry::{
    Function, RelationFunction, all, extension_planner, physical_optimizer_rules,
    physical_optimizer_rules_with, reference_markdown, register_all, relation_planner,
};
pub use relation::tables::{is_relation_function, name_tables};
pub use relation::work::{STEPS, STEPS_DONE};
