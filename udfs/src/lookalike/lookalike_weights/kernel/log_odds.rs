//! Smoothed log-odds: how much more common a value is in the seed than in the base, each value by itself.

use super::calibration::{SCALE, calibrate};
use super::count::Counted;
use super::rows::each_chunk;
use super::{Options, Weights};
use crate::relation::ids::NO_CODE;
use crate::relation::work::{Halt, Work};

/// The weights of all values, column by column, and the line that turns a sum of them into a probability.
pub(super) fn fit(
    columns: &[Counted],
    seed: usize,
    people: usize,
    options: &Options,
    work: &Work,
) -> Result<Weights, Halt> {
    let (seed_n, base_n) = (seed as f64, (people - seed) as f64);
    let k = options.alpha / seed_n.min(base_n);
    let weights: Vec<Vec<f64>> = columns
        .iter()
        .map(|column| {
            let values = column.values.iter();
            let shares =
                values.map(|value| (value.seed_n as f64 / seed_n, value.base_n as f64 / base_n));
            shares.map(|(s, b)| ((s + k) / (b + k)).ln()).collect()
        })
        .collect();
    let scores = score(columns, &weights, people, work)?;
    let (intercept, slope) = calibrate(&scores, seed, work)?;
    Ok(Weights {
        values: weights.concat(),
        intercept,
        slope: Some(slope),
    })
}

/// The sum of each person's weights, in units of 1 / [`SCALE`]: whole numbers, so that no order changes a sum.
fn score(
    columns: &[Counted],
    weights: &[Vec<f64>],
    people: usize,
    work: &Work,
) -> Result<Vec<i64>, Halt> {
    let _held = work.reserve(people * 8)?;
    let units = |weights: &Vec<f64>| -> Vec<i64> {
        let units = weights.iter().map(|weight| (weight * SCALE).round() as i64);
        units.collect()
    };
    let units: Vec<Vec<i64>> = weights.iter().map(units).collect();
    let mut scores = vec![0; people];
    each_chunk(&mut scores, work, |first, chunk| {
        for (column, units) in columns.iter().zip(&units) {
            let unit = |place: u32| units.get(place as usize).copied().unwrap_or(0);
            if column.ends.is_none() {
                let places = &column.places[first..first + chunk.len()];
                for (score, place) in chunk.iter_mut().zip(places) {
                    *score += unit(*place);
                }
            } else {
                for (score, person) in chunk.iter_mut().zip(first..) {
                    let places = column.cells_of(person).iter();
                    let known = places.filter(|place| **place != NO_CODE);
                    *score += known.map(|place| unit(*place)).sum::<i64>();
                }
            }
        }
    })?;
    Ok(scores)
}
