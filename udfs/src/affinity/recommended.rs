//! Items that are recommended: the best few of many, and the rows that say so.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array};
use datafusion_common::Result;

use crate::relation::exec::Output;
use crate::relation::work::{Halt, Held, Work, bytes_with, hold};

/// An item that may be recommended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Candidate {
    pub(super) item: u32,
    /// How many speak for it.
    pub(super) support: u32,
    pub(super) score: f64,
}

/// Keeps the best `k`, in order: by score, then support, then the smaller id, whose places in the order of ids are
/// `ranks`.
pub(super) fn keep_best(candidates: &mut Vec<Candidate>, k: usize, ranks: &[u32]) {
    let order = |a: &Candidate, b: &Candidate| {
        let rank = |candidate: &Candidate| ranks[candidate.item as usize];
        b.score
            .total_cmp(&a.score)
            .then(b.support.cmp(&a.support))
            .then_with(|| rank(a).cmp(&rank(b)))
    };
    if candidates.len() > k {
        candidates.select_nth_unstable_by(k - 1, order);
        candidates.truncate(k);
    }
    candidates.sort_unstable_by(order);
}

/// Rows of the result, in codes.
#[derive(Default)]
pub(super) struct Rows {
    /// The visitor or session.
    pub(super) who: Vec<u32>,
    pub(super) item: Vec<u32>,
    pub(super) score: Vec<f64>,
    pub(super) support: Vec<u32>,
    pub(super) rank: Vec<u32>,
    held: Option<Held>,
}

impl Rows {
    /// Appends what is recommended to one, best first.
    pub(super) fn push(&mut self, who: u32, best: &[Candidate], work: &Work) -> Result<(), Halt> {
        let codes = bytes_with(&self.who, best.len());
        let bytes = 4 * codes + bytes_with(&self.score, best.len());
        hold(&mut self.held, bytes, work)?;
        for (candidate, rank) in best.iter().zip(1..) {
            self.who.push(who);
            self.item.push(candidate.item);
            self.score.push(candidate.score);
            self.support.push(candidate.support);
            self.rank.push(rank);
        }
        Ok(())
    }

    /// Sends the rows, with the ids of the codes.
    pub(super) fn send(
        &self,
        output: &mut Output,
        who: impl Fn(&[u32]) -> Result<ArrayRef>,
        item: impl Fn(&[u32]) -> Result<ArrayRef>,
    ) -> Result<()> {
        let size = output.batch_size();
        for start in (0..self.who.len()).step_by(size) {
            let rows = start..self.who.len().min(start + size);
            let integers = |values: &[u32]| {
                let values = values[rows.clone()].iter().map(|&value| i64::from(value));
                Arc::new(Int64Array::from_iter_values(values))
            };
            let score = self.score[rows.clone()].iter().copied();
            output.send(&[
                who(&self.who[rows.clone()])?,
                item(&self.item[rows.clone()])?,
                Arc::new(Float64Array::from_iter_values(score)),
                integers(&self.support),
                integers(&self.rank),
            ])?;
        }
        Ok(())
    }
}
