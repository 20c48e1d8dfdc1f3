//! The optimum of the linear relaxation, and the prices of channels with quotas.

use std::sync::atomic::AtomicU32;

use super::cut::Paid;
use super::{NONE, Planner, Shares, sum};
use crate::relation::work::Halt;

/// How often the prices of several channels are adapted to each other at most.
const ROUNDS: usize = 8;
/// The share of the bound up to which it is made tight.
const CLOSE: f64 = 1e-12;

/// The best bound, and the choices to start a plan from.
pub(super) struct Relaxed {
    /// Those of the optimum, its cut step left out; nobody's when quotas bind.
    pub(super) taken: Vec<u32>,
    /// What they cost.
    pub(super) spend: i128,
    /// How often they use each channel.
    pub(super) used: Vec<u64>,
    pub(super) bound: f64,
    pub(super) marginal: f64,
    /// The prices of the channels when quotas bind.
    pub(super) prices: Option<Vec<f64>>,
}

/// The tightest bound so far, and its prices.
struct Best {
    bound: f64,
    marginal: f64,
    prices: Vec<f64>,
}

/// A line below the bound, which touches it at one price of a channel.
struct Line {
    price: f64,
    bound: f64,
    slope: f64,
}

impl Line {
    /// The price at which both lines are equally high.
    fn meets(&self, other: &Self) -> f64 {
        let rise = other.bound - self.bound + self.slope * self.price;
        (rise - other.slope * other.price) / (self.slope - other.slope)
    }
}

/// The optimum of the linear relaxation with given prices.
struct Optimum {
    paid: Paid,
    bound: f64,
    marginal: f64,
    /// How often each channel is used, the cut step included.
    used: Vec<f64>,
}

impl<M: Shares> Planner<'_, M> {
    pub(super) fn relaxed(&self, budget: i128) -> Result<Relaxed, Halt> {
        let free = vec![0.0; self.quotas.len()];
        let taken: Vec<_> = (0..self.shares.persons())
            .map(|_| AtomicU32::new(NONE))
            .collect();
        let optimum = self.optimum(&free, budget, &taken)?;
        let taken = taken.into_iter().map(AtomicU32::into_inner).collect();
        let mut quotas = self.quotas.iter().zip(&optimum.used);
        let binding = quotas.any(|(quota, used)| quota.is_some_and(|quota| *used > quota as f64));
        if binding {
            return self.priced(&optimum, taken, budget);
        }
        Ok(Relaxed {
            taken,
            spend: optimum.paid.spend,
            used: optimum.paid.used,
            bound: optimum.bound,
            marginal: optimum.marginal,
            prices: None,
        })
    }

    /// For `taken` see [`Planner::paid`].
    fn optimum(&self, prices: &[f64], budget: i128, taken: &[AtomicU32]) -> Result<Optimum, Halt> {
        let paid = self.paid(prices, budget, taken)?;
        let mut used: Vec<_> = paid.used.iter().map(|&used| used as f64).collect();
        let (mut bound, mut marginal) = (paid.worth, 0.0);
        if let Some(step) = paid.first_out {
            let share = (budget - paid.spend) as f64 / step.cost as f64;
            bound += step.gain * share;
            marginal = step.slope * 1e6;
            used[step.channel as usize] += share;
            if step.left != NONE {
                used[step.left as usize] -= share;
            }
        }
        let limits = self.quotas.iter().zip(prices);
        bound +=
            sum(limits.filter_map(|(quota, price)| Some(quota.as_ref().copied()? as f64 * price)));
        Ok(Optimum {
            paid,
            bound,
            marginal,
            used,
        })
    }

    /// Prices of the channels with quotas that make the bound as tight as can be.
    fn priced(&self, free: &Optimum, mut taken: Vec<u32>, budget: i128) -> Result<Relaxed, Halt> {
        let mut prices = vec![0.0; self.quotas.len()];
        let mut best = Best {
            bound: free.bound,
            marginal: free.marginal,
            prices: prices.clone(),
        };
        let most = self.most()?;
        let limited = self.quotas.iter().zip(&most).enumerate();
        let limited: Vec<_> = limited
            .filter_map(|(channel, (quota, &most))| {
                Some((channel, quota.filter(|&q| q > 0)?, most))
            })
            .collect();
        // While other prices still move, one need not be found to the last digit.
        let mut within = if limited.len() > 1 { 1e-3 } else { CLOSE };
        for _ in 0..ROUNDS {
            let before = best.bound;
            for &(channel, quota, most) in &limited {
                let line = |prices: &mut Vec<f64>, best: &mut Best, price: f64| {
                    prices[channel] = price;
                    let optimum = self.optimum(prices, budget, &[])?;
                    // Of equally good prices the later one: the first ones are the ends of an interval, where many
                    // choices are worth nothing at all.
                    if optimum.bound <= best.bound {
                        best.bound = optimum.bound;
                        best.marginal = optimum.marginal;
                        best.prices.clone_from(prices);
                    }
                    Ok(Line {
                        price,
                        bound: optimum.bound,
                        slope: quota as f64 - optimum.used[channel],
                    })
                };
                let now = prices[channel];
                let price = cheapest(now, most, within, |price| {
                    line(&mut prices, &mut best, price)
                });
                prices[channel] = price?;
            }
            let gained = (before - best.bound) / best.bound;
            if within <= CLOSE && gained <= CLOSE {
                break;
            }
            within = (gained * 1e-2).min(within * 1e-2).max(CLOSE);
        }
        taken.fill(NONE);
        Ok(Relaxed {
            taken,
            spend: 0,
            used: vec![0; self.quotas.len()],
            bound: best.bound,
            marginal: best.marginal,
            prices: Some(best.prices),
        })
    }

    /// The largest value by each channel.
    fn most(&self) -> Result<Vec<f64>, Halt> {
        let parts = self.shares.pass(
            self.work,
            || vec![0.0_f64; self.quotas.len()],
            |most, share| {
                for choice in share.choices {
                    let most = &mut most[choice.channel as usize];
                    *most = most.max(choice.value);
                }
                Ok(())
            },
        )?;
        let joined = parts.into_iter().reduce(|mut all, part| {
            for (most, other) in all.iter_mut().zip(part) {
                *most = most.max(other);
            }
            all
        });
        Ok(joined.unwrap_or_else(|| vec![0.0; self.quotas.len()]))
    }
}

/// The price of a channel, between zero and the largest value, at which the bound is lowest up to a share of it. The
/// bound is convex in the price; each optimum gives a line below it, whose slope is what is left of the quota. Where the
/// lines on both sides meet is the next price to try (Kelley 1960), or the middle when that does not halve the interval.
fn cheapest(
    now: f64,
    most: f64,
    within: f64,
    mut line: impl FnMut(f64) -> Result<Line, Halt>,
) -> Result<f64, Halt> {
    // Near the price of the round before, if there was one; else from end to end.
    let (mut low, mut high) = (
        line(now * 0.95)?,
        line(if now > 0.0 { now * 1.05 } else { most })?,
    );
    if low.slope >= 0.0 && low.price > 0.0 {
        (low, high) = (line(0.0)?, low);
    }
    if high.slope < 0.0 {
        // At the largest value nobody is contacted by the channel.
        (low, high) = (high, line(most)?);
    }
    let mut width = f64::INFINITY;
    while low.slope < 0.0 && high.price - low.price > 1e-14 * high.price {
        let meet = low.meets(&high);
        let least = low.bound.min(high.bound);
        let floor = low.bound + low.slope * (meet - low.price);
        if floor >= least - within * least.abs() {
            break;
        }
        let halved = high.price - low.price <= width / 2.0;
        width = high.price - low.price;
        let next = if halved && meet > low.price && meet < high.price {
            meet
        } else {
            f64::midpoint(low.price, high.price)
        };
        let found = line(next)?;
        let side = if found.slope < 0.0 {
            &mut low
        } else {
            &mut high
        };
        *side = found;
    }
    Ok(if low.slope < 0.0 { high.price } else { 0.0 })
}
