//! Weights of features that tell a seed from a base.
//!
//! Columns are turned into features one by one ([`count`]); one pass over n people with m columns, 4 to 8 bytes a cell,
//! in which numbers are cut by selection. Log-odds need the counts alone, and one more pass for the calibration;
//! logistic regression needs some twenty ([`logistic`]).

mod bins;
mod calibration;
mod cholesky;
mod count;
mod descent;
mod log_odds;
mod logistic;
mod rows;

use std::sync::{Mutex, PoisonError};

use crate::relation::threads::on_threads;
use crate::relation::work::{Halt, Work};
pub(super) use count::{Cells, Value, What};
use count::{Counted, count};
use rows::Rows;

/// What is wanted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Options {
    pub(super) method: Method,
    pub(super) alpha: f64,
    pub(super) min_support: u64,
    pub(super) bins: usize,
}

/// How weights are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    LogOdds,
    Logistic,
}

/// The values of each column, and a weight for each value. `None` where there is no seed or no base.
pub(super) type Found = (Vec<Vec<Value>>, Option<Weights>);

/// What a method finds.
#[derive(Debug, PartialEq)]
pub(super) struct Weights {
    /// Of all values, column by column.
    pub(super) values: Vec<f64>,
    pub(super) intercept: f64,
    /// What a sum of weights is multiplied with before the intercept is added; `None` for 1.
    pub(super) slope: Option<f64>,
}

/// Passes over all people that the progress counts for logistic regression; it may need fewer or more.
const PASSES: usize = 40;

/// The weights of the values in these columns. The first `seed` of all `people` are the seed; `lots` are evenly spread
/// numbers, one a person.
pub(super) fn weights(
    columns: Vec<Cells>,
    lots: &[u32],
    seed: usize,
    options: &Options,
    work: &Work,
) -> Result<Found, Halt> {
    let people = lots.len();
    let logistic = options.method == Method::Logistic;
    work.expect_steps(columns.len() + if logistic { PASSES } else { 1 });
    let columns = count_all(columns, seed, options, work)?;
    let values: Vec<Vec<Value>> = columns.iter().map(|column| column.values.clone()).collect();
    if seed == 0 || seed == people {
        return Ok((values, None));
    }
    let weights = if logistic {
        let features: usize = values.iter().map(Vec::len).sum();
        if features > logistic::MOST {
            return Err(Halt::Invalid(format!(
                "method 'logistic' takes at most {} features, got {features}; hint: raise min_support, \
                 or use method => 'log_odds'",
                logistic::MOST
            )));
        }
        let rows = Rows::new(&columns, people, work)?;
        drop(columns);
        logistic::fit(&rows, lots, seed, options, work)?
    } else {
        log_odds::fit(&columns, seed, people, options, work)?
    };
    Ok((values, Some(weights)))
}

/// Counts all columns, each thread one at a time.
fn count_all(
    columns: Vec<Cells>,
    seed: usize,
    options: &Options,
    work: &Work,
) -> Result<Vec<Counted>, Halt> {
    let columns = Mutex::new(columns.into_iter().enumerate());
    let counted = on_threads(0..work.threads(), |_| {
        let mut counted = Vec::new();
        loop {
            work.check()?;
            let next = columns
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .next();
            let Some((place, cells)) = next else {
                return Ok(counted);
            };
            let column = count(cells, seed, options.bins, options.min_support, work)?;
            counted.push((place, column));
            work.done_steps(1);
        }
    })?;
    let mut counted: Vec<_> = counted.into_iter().flatten().collect();
    counted.sort_by_key(|(place, _)| *place);
    Ok(counted.into_iter().map(|(_, column)| column).collect())
}

#[cfg(test)]
mod tests;
