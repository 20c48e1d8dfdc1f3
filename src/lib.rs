//! Jumeau: SQL for prospect relationship management.
//!
//! Files become tables (`engine`), SQL runs over them with the functions of `jumeau-udfs`, and
//! results go to a screen (`render`) or to Parquet (`pack`). See `ARCHITECTURE.md`.

pub mod cli;
pub mod engine;
pub mod erase;
pub mod error;
pub mod pack;
pub mod project;
pub mod render;
pub mod repl;
pub mod sample;
pub mod terminal;
pub mod transaction;
