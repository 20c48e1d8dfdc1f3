//! Aggregates by visitor: groups by the million, each of a few rows.
//!
//! DataFusion aggregates twice: each thread what it reads, then, once groups are brought together, the partial
//! results. With millions of groups that is two hash tables far larger than the caches, and partial results that are
//! no fewer than the rows. Here rows are scattered by the hash of their group into buckets first, as compact columns;
//! then each bucket is grouped in a table that fits the cache, and forgotten. What moves is each row, twice. Where
//! groups are few after all, rows are folded into states of their groups as they come. Rows of an ordered file need no
//! buckets: their groups end as they are read.
//!
//! [`rule`] puts the operators [`exec`] and [`ordered`] in the place of DataFusion's; everything that they do not know
//! stays with DataFusion. [`columns`] is what is kept of a row and how it is aggregated, [`keys`] numbers groups,
//! [`pieces`] scatters rows, [`buckets`] reads them back, [`spill`] does so from disk.

mod buckets;
mod columns;
mod exec;
mod keys;
mod ordered;
mod pieces;
pub(crate) mod rule;
mod spill;
