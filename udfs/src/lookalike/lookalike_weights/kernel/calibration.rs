//! From a score to a probability: Platt scaling (Platt 1999), σ(intercept + slope · score), fitted to the people that
//! gave the weights. His targets, which stay off 0 and 1 by one virtual person each, keep the slope finite when the
//! score parts seed and base without error.

use std::ops::Range;

use super::descent::{Objective, minimise};
use super::rows::{by_chunks, logistic};
use crate::relation::work::{Halt, Work};

/// Scores are whole numbers of 1 / `SCALE`.
pub(super) const SCALE: f64 = (1_i64 << 40) as f64;

/// Intercept and slope; the first `seed` people are the seed.
pub(super) fn calibrate(scores: &[i64], seed: usize, work: &Work) -> Result<(f64, f64), Halt> {
    let people = scores.len() as f64;
    let (seed_n, base_n) = (seed as f64, people - seed as f64);
    let start = ((seed_n + 1.0) / (base_n + 1.0)).ln();
    let sums = by_chunks(scores.len(), work, [0_i128; 2], |rows, sums| {
        for score in &scores[rows] {
            let score = i128::from(*score);
            sums[0] += score;
            sums[1] += score * score;
        }
    })?;
    let sums = sums.into_iter().fold([0; 2], add);
    let mean = sums[0] as f64 / SCALE / people;
    let variance = sums[1] as f64 / SCALE / SCALE / people - mean * mean;
    // The same score for everybody tells nothing.
    if variance <= 1e-18 {
        return Ok((start, 0.0));
    }
    let line = Line {
        scores,
        seed,
        mean,
        spread: variance.sqrt(),
        targets: [1.0 / (base_n + 2.0), (seed_n + 1.0) / (seed_n + 2.0)],
        work,
    };
    let fitted = minimise(&line, vec![0.0, start])?;
    let slope = fitted[0] / line.spread;
    Ok((fitted[1] - slope * mean, slope))
}

/// The log-loss of a line through standardised scores.
struct Line<'a> {
    scores: &'a [i64],
    seed: usize,
    mean: f64,
    spread: f64,
    targets: [f64; 2],
    work: &'a Work,
}

impl Line<'_> {
    /// Sums over everybody of what `each` makes of a score, the probability that `at` gives it, and the target. In
    /// whole numbers: the order of people changes nothing.
    fn sums<const N: usize>(
        &self,
        at: &[f64],
        each: impl Fn(f64, f64, f64) -> [f64; N] + Sync,
    ) -> Result<[f64; N], Halt> {
        let rows = self.scores.len();
        let sums = by_chunks(rows, self.work, [0_i128; N], |rows: Range<usize>, sums| {
            for row in rows {
                let score = (self.scores[row] as f64 / SCALE - self.mean) / self.spread;
                let target = self.targets[usize::from(row < self.seed)];
                let terms = each(score, logistic(at[1] + at[0] * score), target);
                for (sum, term) in sums.iter_mut().zip(terms) {
                    *sum += i128::from((term * SCALE) as i64);
                }
            }
        })?;
        Ok(sums
            .into_iter()
            .fold([0; N], add)
            .map(|sum| sum as f64 / SCALE))
    }
}

impl Objective for Line<'_> {
    type Curvature = [f64; 3];

    fn gradient(&self, at: &[f64]) -> Result<Vec<f64>, Halt> {
        let sums = self.sums(at, |score, p, target| [(p - target) * score, p - target])?;
        Ok(sums.to_vec())
    }

    fn curvature(&self, at: &[f64]) -> Result<[f64; 3], Halt> {
        self.sums(at, |score, p, _| {
            let h = p * (1.0 - p);
            [h * score * score, h * score, h]
        })
    }

    fn solve(&self, [aa, ab, bb]: &[f64; 3], right: &[f64]) -> Vec<f64> {
        // Far out all probabilities are 0 or 1; the bit of curvature keeps steps finite there.
        let (aa, bb) = (aa + 1e-9, bb + 1e-9);
        let determinant = (aa * bb - ab * ab).max(1e-18);
        vec![
            (bb * right[0] - ab * right[1]) / determinant,
            (aa * right[1] - ab * right[0]) / determinant,
        ]
    }
}

fn add<const N: usize>(mut sums: [i128; N], more: [i128; N]) -> [i128; N] {
    sums.iter_mut().zip(more).for_each(|(sum, m)| *sum += m);
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    fn units(scores: &[f64]) -> Vec<i64> {
        scores.iter().map(|s| (s * SCALE) as i64).collect()
    }

    #[test]
    fn the_mean_probability_is_the_share_of_the_seed() {
        let scores: Vec<f64> = (0..300)
            .map(|i| f64::from((i * 7919) % 101) / 10.0)
            .collect();
        let work = Work::unlimited(3);
        let (intercept, slope) = calibrate(&units(&scores), 90, &work).unwrap();
        // At the optimum the probabilities add up to the targets.
        let sum: f64 = scores.iter().map(|s| logistic(intercept + slope * s)).sum();
        let targets = 90.0 * 91.0 / 92.0 + 210.0 / 212.0;
        assert!((sum - targets).abs() < 1e-6, "{sum} {targets}");
    }

    #[test]
    fn scores_that_part_everybody_have_a_finite_slope() {
        let scores: Vec<f64> = (0..200).map(|i| if i < 100 { 1.0 } else { -1.0 }).collect();
        let (intercept, slope) = calibrate(&units(&scores), 100, &Work::unlimited(1)).unwrap();
        // σ(slope) is 101/102.
        assert!((slope - 101.0_f64.ln()).abs() < 1e-6, "{slope}");
        assert!(intercept.abs() < 1e-6);
    }

    #[test]
    fn one_score_for_all_tells_nothing() {
        let (intercept, slope) = calibrate(&[5; 30], 10, &Work::unlimited(1)).unwrap();
        assert!((intercept - (11.0_f64 / 21.0).ln()).abs() < 1e-12);
        assert!(slope.abs() < f64::EPSILON);
    }
}
