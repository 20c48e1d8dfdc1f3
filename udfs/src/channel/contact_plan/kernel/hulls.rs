//! The steps up the hulls of all persons, and which of them a budget pays.

use std::ops::Range;

use super::Market;
use crate::relation::threads::on_threads;
use crate::relation::work::{Halt, Held, Work};

/// The step to each choice from the one before it on the hull of its person. All steps by falling slope, equal ones by
/// the places of their choices, is the order in which the relaxation takes them; those of a person have falling slopes.
pub(super) struct Hulls {
    /// Gain for a micro-euro, never negative.
    slopes: Vec<f64>,
    /// Micro-euros; [`NO_STEP`] when the choice is not on the hull.
    costs: Vec<i64>,
    _held: Held,
}

const NO_STEP: i64 = -1;

/// A step up the hull of a person.
#[derive(Debug, Clone, Copy)]
pub(super) struct Step {
    pub(super) slope: f64,
    pub(super) cost: i64,
    /// The choice that it leads to.
    pub(super) to: u32,
}

impl Step {
    /// Best gain per euro first; ties by the order of persons.
    pub(super) fn order(&self, other: &Self) -> std::cmp::Ordering {
        let slope = other.slope.total_cmp(&self.slope);
        slope.then(self.to.cmp(&other.to))
    }
}

/// Where the budget ends.
pub(super) struct Cut {
    /// What the steps before cost.
    pub(super) spent: i128,
    /// The first step that no longer fits, when not all do.
    pub(super) first_out: Option<Step>,
}

/// A choice on the hull, while that is found.
struct Corner {
    cost: i64,
    value: f64,
    slope: f64,
    at: usize,
}

impl Hulls {
    pub(super) fn new(market: &Market, work: &Work) -> Result<Self, Halt> {
        let count = market.choices.len();
        let held = work.reserve(count * 16)?;
        Ok(Self {
            slopes: vec![0.0; count],
            costs: vec![NO_STEP; count],
            _held: held,
        })
    }

    /// Finds the hulls, once each contact by a channel costs its price in value, too.
    pub(super) fn climb(
        &mut self,
        market: &Market,
        prices: &[f64],
        work: &Work,
    ) -> Result<(), Halt> {
        let (mut slopes, mut costs) = (self.slopes.as_mut_slice(), self.costs.as_mut_slice());
        let parts = market.parts(work).into_iter().map(|persons| {
            let size = market.start(persons.end) - market.start(persons.start);
            let slopes = slopes.split_off_mut(..size).unwrap_or_default();
            let costs = costs.split_off_mut(..size).unwrap_or_default();
            (persons, slopes, costs)
        });
        let parts: Vec<_> = parts.collect();
        on_threads(parts.into_iter(), |(persons, slopes, costs)| {
            let begin = market.start(persons.start);
            let mut hull = Vec::new();
            for person in persons {
                if person % super::SHARE == 0 {
                    work.check()?;
                }
                find(market, person, prices, &mut hull);
                costs[market.start(person) - begin..market.ends[person] - begin].fill(NO_STEP);
                let mut below = 0;
                for corner in &hull {
                    slopes[corner.at - begin] = corner.slope;
                    costs[corner.at - begin] = corner.cost - below;
                    below = corner.cost;
                }
            }
            Ok(())
        })?;
        Ok(())
    }

    /// The last choice of these places whose step is before the cut.
    pub(super) fn reached(&self, cut: &Cut, places: Range<usize>) -> Option<u32> {
        let taken = |at: &usize| {
            let slope = self.slopes[*at];
            let before = cut.first_out.is_none_or(|out| {
                slope > out.slope || (slope >= out.slope && (*at as u32) < out.to)
            });
            self.costs[*at] != NO_STEP && before
        };
        places.rev().find(taken).map(|at| at as u32)
    }

    /// All steps with slopes in a range of [`bucket`]s.
    pub(super) fn steps(&self, buckets: Range<usize>) -> impl Iterator<Item = Step> {
        let steps = self.slopes.iter().zip(&self.costs).zip(0..);
        steps.filter_map(move |((&slope, &cost), to)| {
            let wanted = cost != NO_STEP && buckets.contains(&bucket(slope));
            wanted.then_some(Step { slope, cost, to })
        })
    }

    /// Finds where the budget ends: first the bucket of slopes, by what the steps of each bucket cost, then the place
    /// in it.
    pub(super) fn cut(&self, budget: i128, work: &Work) -> Result<Cut, Halt> {
        // For few choices all are one bucket.
        let buckets = if self.costs.len() < FEW { 1 } else { BUCKETS };
        let _held = work.reserve(work.threads() * buckets * 16)?;
        let size = self.costs.len().div_ceil(work.threads()).max(FEW);
        let parts = self.slopes.chunks(size).zip(self.costs.chunks(size));
        let parts = on_threads(parts, |(slopes, costs)| {
            work.check()?;
            let mut sums = vec![0_i128; buckets];
            for (&slope, &cost) in slopes.iter().zip(costs) {
                if cost != NO_STEP {
                    sums[bucket(slope) * buckets / BUCKETS] += i128::from(cost);
                }
            }
            Ok(sums)
        })?;
        let mut spent = 0;
        let cost = |bucket: usize| parts.iter().map(|sums| sums[bucket]).sum::<i128>();
        let critical = (0..buckets).rev().find(|&bucket| {
            let fits = spent + cost(bucket) <= budget;
            spent += if fits { cost(bucket) } else { 0 };
            !fits
        });
        let Some(critical) = critical else {
            return Ok(Cut {
                spent,
                first_out: None,
            });
        };
        let width = BUCKETS / buckets;
        let range = critical * width..(critical + 1) * width;
        let count = self.steps(range.clone()).count();
        let _held = work.reserve(count * size_of::<Step>())?;
        let mut steps = Vec::with_capacity(count);
        steps.extend(self.steps(range));
        let (first_out, more) = select(&mut steps, budget - spent, work)?;
        Ok(Cut {
            spent: spent + more,
            first_out: steps.get(first_out).copied(),
        })
    }
}

/// Fewer choices than this are not worth buckets.
const FEW: usize = 1 << 16;
/// Slopes by their exponent and three bits more.
const BUCKETS: usize = 1 << 14;

/// Numbers that are not negative are in the order of their bits.
fn bucket(slope: f64) -> usize {
    (slope.to_bits() >> 49) as usize & (BUCKETS - 1)
}

/// The hull of a person, from the cheapest choice to the most valuable.
fn find(market: &Market, person: usize, prices: &[f64], hull: &mut Vec<Corner>) {
    hull.clear();
    for at in market.start(person)..market.ends[person] {
        let choice = &market.choices[at];
        let value = choice.value - prices[choice.channel as usize];
        if !market.usable(choice) || value <= hull.last().map_or(0.0, |top| top.value) {
            continue;
        }
        let slope = loop {
            let (cost, below) = hull.last().map_or((0, 0.0), |top| (top.cost, top.value));
            let slope = (value - below) / (choice.cost - cost) as f64;
            match hull.last() {
                Some(top) if top.cost == choice.cost || slope >= top.slope => hull.pop(),
                _ => break slope,
            };
        };
        hull.push(Corner {
            cost: choice.cost,
            value,
            slope,
            at,
        });
    }
}

/// Moves the steps that the budget pays to the front: their number, and what they cost. The next one is the first
/// that no longer fits. The budget does not pay all of them.
fn select(steps: &mut [Step], budget: i128, work: &Work) -> Result<(usize, i128), Halt> {
    let cost = |steps: &[Step]| steps.iter().map(|step| i128::from(step.cost)).sum::<i128>();
    let (mut low, mut high, mut spent) = (0, steps.len(), 0);
    while high - low > 1 {
        work.check()?;
        let middle = (high - low) / 2;
        steps[low..high].select_nth_unstable_by(middle, Step::order);
        let half = cost(&steps[low..low + middle]);
        if spent + half <= budget {
            spent += half;
            low += middle;
        } else {
            high = low + middle;
        }
    }
    if high > low && spent + i128::from(steps[low].cost) <= budget {
        spent += i128::from(steps[low].cost);
        low += 1;
    }
    Ok((low, spent))
}
