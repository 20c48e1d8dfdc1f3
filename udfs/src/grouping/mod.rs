//! Aggregates by visitor: groups by the million, each of a few rows.
//!
//! DataFusion aggregates twice: each thread what it reads, then, once groups are brought together, the partial
//! results. With millions of groups that is two hash tables far larger than the caches, and partial results that are
//! no fewer than the rows. Here rows are scattered by the hash of their group into buckets first, as compact columns;
//! then each bucket is grouped in tables that fit the cache, and forgotten. What moves is each row, once.
//!
//! [`rule`] puts the operator [`exec`] in the place of DataFusion's; everything that it does not know stays with
//! DataFusion. [`columns`] is what is kept of a row and how it is aggregated, [`pieces`] scatters rows, [`buckets`]
//! reads them back.

mod buckets;
mod columns;
mod exec;
mod pieces;
pub(crate) mod rule;
mod spill;
