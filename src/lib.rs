//! Jumeau: SQL for prospect relationship management.

pub mod sample;
