//! Twins as rows of the output.

use std::sync::Arc;

use arrow::array::{Float64Array, Int64Array};
use datafusion_common::Result;

use super::kernel::Twin;
use super::{CUSTOMERS, PROSPECTS};
use crate::relation::exec::Output;
use crate::relation::ids::Ids;

/// Rows that are not sent yet.
pub(super) struct Rows {
    ids: [Ids; 2],
    prospects: Vec<u32>,
    twins: Vec<Twin>,
    ranks: Vec<i64>,
}

impl Rows {
    pub(super) fn new(ids: [Ids; 2]) -> Self {
        Self {
            ids,
            prospects: Vec::new(),
            twins: Vec::new(),
            ranks: Vec::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.twins.len()
    }

    pub(super) fn add(&mut self, prospect: u32, twins: &[Twin]) {
        self.prospects.extend(twins.iter().map(|_| prospect));
        self.twins.extend_from_slice(twins);
        self.ranks.extend(1..=twins.len() as i64);
    }

    /// Sends the first rows.
    pub(super) fn send(&mut self, count: usize, output: &mut Output) -> Result<()> {
        for start in (0..count).step_by(output.batch_size()) {
            let rows = start..count.min(start + output.batch_size());
            let twins = &self.twins[rows.clone()];
            let customers: Vec<u32> = twins.iter().map(|twin| twin.customer).collect();
            let similarity = twins.iter().map(|twin| twin.similarity);
            let shared = twins.iter().map(|twin| i64::from(twin.shared));
            output.send(&[
                self.ids[PROSPECTS].decode(&self.prospects[rows.clone()])?,
                self.ids[CUSTOMERS].decode(&customers)?,
                Arc::new(Float64Array::from_iter_values(similarity)),
                Arc::new(Int64Array::from_iter_values(shared)),
                Arc::new(Int64Array::from(self.ranks[rows].to_vec())),
            ])?;
        }
        self.prospects.drain(..count);
        self.twins.drain(..count);
        self.ranks.drain(..count);
        Ok(())
    }
}
