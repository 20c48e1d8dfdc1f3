//! Relation functions: functions that stand in FROM, take whole tables and give a table.
//!
//! `FROM item_to_item(views, k => 10)` is planned by [`planner`] into one kind of logical node ([`node`]), whose inputs
//! are ordinary plans, and executed by one operator ([`exec`]). A function is a [`Relation`]: it declares its inputs
//! and options, names its output columns, and turns batches into batches. The mechanism brings the rest: names,
//! subqueries and CTEs as inputs, pruned columns, errors, EXPLAIN, metrics, memory, threads, the end when nobody waits.
//!
//! To follow one call: [`tables`] lets the session load the tables that are named, [`planner`] reads the arguments,
//! [`exec`] runs it.

pub(crate) mod exec;
pub(crate) mod ids;
pub(crate) mod inputs;
pub(crate) mod node;
pub(crate) mod options;
pub(crate) mod planner;
pub(crate) mod shared_ids;
pub(crate) mod spool;
pub(crate) mod tables;
pub(crate) mod threads;
pub(crate) mod work;

use std::fmt::Debug;

use arrow::array::RecordBatch;
use arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion_common::Result;
use datafusion_expr::Documentation;

use exec::Output;
use inputs::{Input, Picked};
use options::{OptionSpec, Options};
use work::Work;

/// What a relation function declares. One static value each, listed in the registry.
pub(crate) trait Relation: Debug + Send + Sync {
    /// The name in SQL, in lower case.
    fn name(&self) -> &'static str;

    /// The tables it takes, in order.
    fn inputs(&self) -> &'static [Input];

    /// The options that can follow them.
    fn options(&self) -> &'static [OptionSpec];

    /// Whether a run can go on when the pool grants no more memory; then it gets its fair share of the pool only.
    fn spills(&self) -> bool {
        false
    }

    /// The order in which the inputs are read, each to its end.
    fn reading_order(&self) -> Vec<usize> {
        (0..self.inputs().len()).collect()
    }

    /// The columns of an input that are read, and the types that they are cast to. Everything else is pruned.
    fn columns(&self, input: usize, schema: &Schema, _options: &Options) -> Result<Vec<Picked>> {
        inputs::pick(self.name(), self.inputs(), input, schema)
    }

    /// The output columns, given the picked columns of each input.
    fn output(&self, inputs: &[SchemaRef], options: &Options) -> Result<Vec<Field>>;

    /// Starts one run.
    fn start(&self, inputs: &[SchemaRef], options: &Options) -> Result<Box<dyn Run>>;

    /// Description, syntax, arguments and example.
    fn documentation(&self) -> Option<&Documentation>;
}

/// One run of a relation function.
pub(crate) trait Run: Send {
    /// Takes a batch of picked columns. Each input comes whole before the next one of the reading order; memory that is
    /// kept is reserved from `work` first.
    fn push(&mut self, input: usize, batch: &RecordBatch, work: &Work) -> Result<()>;

    /// Computes, on a thread of its own that may block, and sends the rows.
    fn finish(self: Box<Self>, work: &Work, output: &mut Output) -> Result<()>;
}
