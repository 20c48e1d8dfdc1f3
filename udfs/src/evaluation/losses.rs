//! The mean of a loss over rows of (probability, label).

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array};
use datafusion_common::Result;

use crate::common::tally::Total;

/// Adds the loss of a row without NULL, and counts it as a miss or a hit.
#[expect(clippy::unnecessary_wraps, reason = "the shape of a recipe")]
pub(super) fn add_loss(
    total: &mut Total<1, 2>,
    row: [Option<f64>; 2],
    loss: fn(f64, bool) -> f64,
) -> Result<()> {
    if let [Some(probability), Some(label)] = row {
        let hit = label > 0.5;
        total.sums[0].add(on_grid(loss(probability, hit)));
        total.counts[usize::from(hit)] += 1;
    }
    Ok(())
}

/// Rounds a loss to a multiple of 2⁻⁶⁴, so that sums up to 2³⁹ are exact: a loss has a few bits before the point, and a
/// double-double 106 in all. Without this, what a nearly certain prediction costs decides about half-way cases, or is
/// lost, by the order of the rows. No loss from 2⁻¹¹ on is changed.
fn on_grid(loss: f64) -> f64 {
    const UNIT: f64 = 1.0 / (1_u128 << 64) as f64;
    (loss / UNIT).round() * UNIT
}

/// The mean losses of groups with both hits and misses.
#[expect(clippy::unnecessary_wraps, reason = "the shape of a recipe")]
pub(super) fn mean_losses(totals: &[Total<1, 2>]) -> Result<ArrayRef> {
    let means = totals.iter().map(|total| {
        let [misses, hits] = total.counts;
        (misses > 0 && hits > 0).then(|| total.sum(0) / (misses + hits) as f64)
    });
    Ok(Arc::new(means.collect::<Float64Array>()))
}

#[cfg(test)]
pub(super) mod testing {
    use arrow::array::BooleanArray;
    use proptest::prelude::*;

    use super::*;

    pub(in super::super) type Prediction = (Option<f64>, Option<bool>);

    pub(in super::super) fn columns(rows: &[Prediction]) -> Vec<ArrayRef> {
        vec![
            Arc::new(rows.iter().map(|row| row.0).collect::<Float64Array>()),
            Arc::new(rows.iter().map(|row| row.1).collect::<BooleanArray>()),
        ]
    }

    /// Probabilities, many of them round, and labels; some are NULL.
    pub(in super::super) fn predictions() -> impl Strategy<Value = Vec<Prediction>> {
        let probability = prop_oneof![0.0..=1.0_f64, (0_u8..=10).prop_map(|p| f64::from(p) / 10.0)];
        proptest::collection::vec(
            (
                proptest::option::weighted(0.95, probability),
                proptest::option::weighted(0.95, any::<bool>()),
            ),
            0..60,
        )
    }
}
