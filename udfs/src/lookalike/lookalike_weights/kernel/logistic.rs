//! L2-regularised logistic regression: the weights w and the intercept b that minimise
//! Σ log(1 + e^−y(b + w·x)) + alpha/2 · |w|², as scikit-learn's `LogisticRegression(C=1/alpha)` does.
//!
//! The curvature Xᵀ·H·X costs n·m²/2 additions for n people with m features each, a gradient 2·n·m. With a million
//! people and 50 features that is 1.2 against 0.1 billion, so the curvature is taken from a sample, in which people with
//! rare features are kept first (by their leverage, bounded by the sum of 1 / n over their features: Cohen et al. 2015),
//! and gradients of all people correct it. A gradient reads 2 bytes and adds twice a feature, both in the first-level
//! cache: 20 to 30 ns a person with 50 features and an exponential, on one thread.
//!
//! All sums over people are of whole numbers, so that neither their order nor the number of threads changes a digit.

use super::cholesky::Cholesky;
use super::descent::{Objective, minimise};
use super::rows::{Rows, by_chunks, logistic};
use super::{Options, Weights};
use crate::relation::work::{Halt, Work};

/// Every u16 is a place of it.
type Table<T> = Box<[T; 1 << 16]>;

/// The most features.
pub(super) const MOST: usize = 1 << 16;

/// Features whose bonds with each other are looked at: the most common ones. For the others the curvature knows only
/// how common they are, and the gradients must tell the rest.
const BONDED: usize = 1024;
/// Pairs of features that are counted for one curvature, about: a tenth of a second.
const PAIRS: usize = 60_000_000;
/// People in the sample for each feature with bonds, at least.
const PEOPLE: usize = 16;

/// The weights; the first `seed` people are the seed. `lots` are evenly spread numbers, one a person, that are the same
/// wherever the person stands.
pub(super) fn fit(
    rows: &Rows,
    lots: &[u32],
    seed: usize,
    options: &Options,
    work: &Work,
) -> Result<Weights, Halt> {
    let problem = Problem::new(rows, lots, seed, options.alpha, work)?;
    let features = rows.counts.len();
    let mut start = vec![0.0; features + 1];
    start[features] = (seed as f64 / (rows.len() - seed) as f64).ln();
    let mut values = minimise(&problem, start)?;
    let intercept = values.pop().unwrap_or(0.0);
    Ok(Weights {
        values,
        intercept,
        slope: None,
    })
}

struct Problem<'a> {
    rows: &'a Rows,
    seed: usize,
    alpha: f64,
    /// Residuals are whole numbers of 1 / `scale`, as small as their sum allows.
    scale: f64,
    sample: Vec<Sampled>,
    /// The place of each feature among those with bonds; the intercept comes last.
    place: Vec<Option<u32>>,
    bonded: usize,
    work: &'a Work,
}

/// A person of the sample, who stands for `weight` people.
#[derive(Clone)]
struct Sampled {
    person: u32,
    weight: f32,
}

/// Curvature is a whole number of 1 / this.
const CURVATURE: f64 = (1 << 28) as f64;

impl<'a> Problem<'a> {
    fn new(
        rows: &'a Rows,
        lots: &[u32],
        seed: usize,
        alpha: f64,
        work: &'a Work,
    ) -> Result<Self, Halt> {
        let features = rows.counts.len();
        let mut common: Vec<usize> = (0..features).collect();
        common.sort_by_key(|&feature| std::cmp::Reverse(rows.counts[feature]));
        common.truncate(BONDED);
        common.sort_unstable();
        let mut place = vec![None; features];
        for (at, &feature) in (0..).zip(&common) {
            place[feature] = Some(at);
        }
        let bonded = common.len() + 1;
        let each = rows.cells() as f64 / rows.len() as f64;
        let wanted = (PAIRS as f64 / (each * each / 2.0 + 1.0)) as usize;
        let bits = usize::BITS - rows.len().leading_zeros();
        Ok(Self {
            rows,
            seed,
            alpha,
            scale: 2.0_f64.powi(40.min(62 - bits as i32)),
            sample: sample(rows, lots, wanted.max(PEOPLE * bonded), work)?,
            place,
            bonded,
            work,
        })
    }
}

/// The weights, without the intercept, which comes last.
fn weights(at: &[f64]) -> Result<Table<f64>, Halt> {
    let mut table = table()?;
    table[..at.len() - 1].copy_from_slice(&at[..at.len() - 1]);
    Ok(table)
}

/// Chooses about `wanted` people, everybody with a chance that grows with what only they can tell. The choice hangs on
/// the person's lot, not on where the person stands.
fn sample(rows: &Rows, lots: &[u32], wanted: usize, work: &Work) -> Result<Vec<Sampled>, Halt> {
    let people = rows.len();
    // The sum of all rarities is about the number of features.
    let total = rows.counts.len().max(1) as f64;
    let chosen = by_chunks(people, work, Vec::new(), |range, chosen| {
        for person in range {
            let rarity = f64::from(rows.rarity[person]);
            let share = 0.5 * rarity / total + 0.5 / people as f64;
            let chance = (wanted as f64 * share).min(1.0);
            let chance = if wanted >= people { 1.0 } else { chance };
            if f64::from(lots[person]) < chance * f64::from(u32::MAX) || chance >= 1.0 {
                let (person, weight) = (person as u32, 1.0 / chance as f32);
                chosen.push(Sampled { person, weight });
            }
        }
    })?;
    Ok(chosen.concat())
}

impl Objective for Problem<'_> {
    type Curvature = Curvature;

    fn gradient(&self, at: &[f64]) -> Result<Vec<f64>, Halt> {
        let features = at.len() - 1;
        let (weights, intercept) = (weights(at)?, at[features]);
        let _held = self.work.reserve((self.work.threads() + 1) << 19)?;
        let zero: (Table<i64>, i64) = (table()?, 0);
        let sums = by_chunks(self.rows.len(), self.work, zero, |people, (sums, all)| {
            for person in people {
                let own = self.rows.get(person);
                let p = logistic(intercept + sum(own, &weights));
                let residual = if person < self.seed { p - 1.0 } else { p };
                let residual = whole(residual * self.scale);
                for feature in own {
                    sums[usize::from(*feature)] += residual;
                }
                *all += residual;
            }
        })?;
        self.work.done_steps(1);
        let mut gradient: Vec<f64> = (0..features)
            .map(|feature| {
                let sum: i64 = sums.iter().map(|(sums, _)| sums[feature]).sum();
                sum as f64 / self.scale + self.alpha * at[feature]
            })
            .collect();
        let all: i64 = sums.iter().map(|(_, all)| all).sum();
        gradient.push(all as f64 / self.scale);
        Ok(gradient)
    }

    fn curvature(&self, at: &[f64]) -> Result<Curvature, Halt> {
        let (features, size) = (at.len() - 1, self.bonded);
        let (weights, intercept) = (weights(at)?, at[features]);
        let threads = self.work.threads();
        let _held = self
            .work
            .reserve((threads + 1) * (size * size + features) * 8)?;
        let zero = (vec![0_i64; size * size], vec![0_i64; features]);
        let sums = by_chunks(
            self.sample.len(),
            self.work,
            zero,
            |range, (bonds, alone)| {
                let mut own = Vec::new();
                for sampled in &self.sample[range] {
                    let features = self.rows.get(sampled.person as usize);
                    let p = logistic(intercept + sum(features, &weights));
                    let h = whole(p * (1.0 - p) * f64::from(sampled.weight) * CURVATURE);
                    own.clear();
                    for feature in features {
                        match self.place[usize::from(*feature)] {
                            Some(place) => own.push(place as usize),
                            None => alone[usize::from(*feature)] += h,
                        }
                    }
                    own.push(size - 1);
                    for (last, place) in own.iter().enumerate() {
                        let row = &mut bonds[place * size..(place + 1) * size];
                        own[..=last].iter().for_each(|other| row[*other] += h);
                    }
                }
            },
        )?;
        let add = |mut all: Vec<i64>, more: &Vec<i64>| {
            all.iter_mut().zip(more).for_each(|(a, m)| *a += m);
            all
        };
        let bonds = sums
            .iter()
            .fold(vec![0; size * size], |all, (bonds, _)| add(all, bonds));
        let alone = sums
            .iter()
            .fold(vec![0; features], |all, (_, alone)| add(all, alone));
        drop(sums);
        let mut bonds: Vec<f64> = bonds.iter().map(|sum| *sum as f64 / CURVATURE).collect();
        (0..size - 1).for_each(|place| bonds[place * size + place] += self.alpha);
        let alone = alone.iter().map(|sum| *sum as f64 / CURVATURE + self.alpha);
        Ok(Curvature {
            bonds: Cholesky::new(bonds, size, self.work)?,
            alone: alone.collect(),
        })
    }

    fn solve(&self, curvature: &Curvature, right: &[f64]) -> Vec<f64> {
        let features = right.len() - 1;
        let mut together = vec![0.0; self.bonded];
        together[self.bonded - 1] = right[features];
        let places = || self.place.iter().enumerate();
        for (feature, place) in places() {
            if let Some(place) = place {
                together[*place as usize] = right[feature];
            }
        }
        curvature.bonds.solve(&mut together);
        let mut solution: Vec<f64> = places()
            .map(|(feature, place)| match place {
                Some(place) => together[*place as usize],
                None => right[feature] / curvature.alone[feature],
            })
            .collect();
        solution.push(together[self.bonded - 1]);
        solution
    }
}

/// The second derivative: with bonds for the common features, without for the others.
struct Curvature {
    bonds: Cholesky,
    alone: Vec<f64>,
}

/// The sum of the weights of these features; four sums at once, as each addition waits for the one before.
#[inline]
fn sum(features: &[u16], weights: &Table<f64>) -> f64 {
    let weight = |feature: u16| weights[usize::from(feature)];
    let fours = features.chunks_exact(4);
    let rest: f64 = fours.remainder().iter().map(|f| weight(*f)).sum();
    let mut sums = [0.0; 4];
    for four in fours {
        for (sum, feature) in sums.iter_mut().zip(four) {
            *sum += weight(*feature);
        }
    }
    (sums[0] + sums[1]) + (sums[2] + sums[3]) + rest
}

/// The nearest whole number, for numbers up to 2⁵¹: what is added pushes the fraction out of the digits.
#[inline]
fn whole(value: f64) -> i64 {
    const PUSH: f64 = 6_755_399_441_055_744.0;
    (value + PUSH).to_bits() as i64 - PUSH.to_bits() as i64
}

fn table<T: Clone + Default>() -> Result<Table<T>, Halt> {
    let table = vec![T::default(); 1 << 16].into_boxed_slice();
    table
        .try_into()
        .map_err(|_| Halt::Memory("no table of 65,536 numbers".to_owned()))
}
