//! The optimum of the linear relaxation, and the prices of channels with quotas.

use super::hulls::Hulls;
use super::{Market, NONE, Total, sum};
use crate::relation::threads::on_threads;
use crate::relation::work::{Halt, Work};

/// Halvings of the interval in which the price of a channel lies.
const HALVINGS: usize = 60;
/// How often the prices of several channels are adapted to each other.
const ROUNDS: usize = 4;

/// The best bound, and the choices to start a plan from.
pub(super) struct Relaxed {
    /// Those of the optimum, its cut step left out; nobody's when quotas bind.
    pub(super) taken: Vec<u32>,
    pub(super) bound: f64,
    pub(super) marginal: f64,
    /// The prices of the channels when quotas bind.
    pub(super) prices: Option<Vec<f64>>,
}

/// The optimum of the linear relaxation with given prices.
struct Optimum {
    taken: Vec<u32>,
    bound: f64,
    marginal: f64,
    /// How often each channel is used, the cut step included.
    used: Vec<f64>,
}

impl Market {
    pub(super) fn relaxed(&self, budget: i128, work: &Work) -> Result<Relaxed, Halt> {
        let mut hulls = Hulls::new(self, work)?;
        let free = vec![0.0; self.quotas.len()];
        let optimum = self.optimum(&mut hulls, &free, budget, work)?;
        let mut quotas = self.quotas.iter().zip(&optimum.used);
        let binding = quotas.any(|(quota, used)| quota.is_some_and(|quota| *used > quota as f64));
        if binding {
            return self.priced(&mut hulls, &optimum, budget, work);
        }
        Ok(Relaxed {
            taken: optimum.taken,
            bound: optimum.bound,
            marginal: optimum.marginal,
            prices: None,
        })
    }

    fn optimum(
        &self,
        hulls: &mut Hulls,
        prices: &[f64],
        budget: i128,
        work: &Work,
    ) -> Result<Optimum, Halt> {
        hulls.climb(self, prices, work)?;
        let cut = hulls.cut(budget, work)?;
        let parts = on_threads(self.parts(work).into_iter(), |persons| {
            let reached = |person| {
                let places = self.start(person)..self.ends[person];
                hulls.reached(&cut, places).unwrap_or(NONE)
            };
            let taken: Vec<u32> = persons.map(reached).collect();
            let total = self.add_up(&taken, prices, work)?;
            Ok((taken, total))
        })?;
        let (mut taken, totals): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
        let taken = if taken.len() == 1 {
            taken.swap_remove(0)
        } else {
            taken.concat()
        };
        let total = Total::of(totals);
        let mut used: Vec<_> = total.used.iter().map(|&used| used as f64).collect();
        used.resize(self.quotas.len(), 0.0);
        let mut bound = total.worth;
        let mut marginal = 0.0;
        if let Some(step) = cut.first_out {
            let worth = |at: u32| {
                let choice = &self.choices[at as usize];
                choice.value - prices[choice.channel as usize]
            };
            let share = (budget - cut.spent) as f64 / step.cost as f64;
            let person = self.ends.partition_point(|&end| end <= step.to as usize);
            let from = taken[person];
            let below = if from == NONE { 0.0 } else { worth(from) };
            bound += (worth(step.to) - below) * share;
            marginal = step.slope * 1e6;
            used[self.choices[step.to as usize].channel as usize] += share;
            if from != NONE {
                used[self.choices[from as usize].channel as usize] -= share;
            }
        }
        let limits = self.quotas.iter().zip(prices);
        bound +=
            sum(limits.filter_map(|(quota, price)| Some(quota.as_ref().copied()? as f64 * price)));
        Ok(Optimum {
            taken,
            bound,
            marginal,
            used,
        })
    }

    /// Prices of the channels with quotas that make the bound as tight as can be.
    fn priced(
        &self,
        hulls: &mut Hulls,
        free: &Optimum,
        budget: i128,
        work: &Work,
    ) -> Result<Relaxed, Halt> {
        let mut prices = vec![0.0; self.quotas.len()];
        let mut best = (free.bound, free.marginal, prices.clone());
        let limited = self.quotas.iter().enumerate();
        let limited: Vec<_> = limited
            .filter_map(|(channel, quota)| quota.filter(|&q| q > 0).map(|quota| (channel, quota)))
            .collect();
        let rounds = if limited.len() > 1 { ROUNDS } else { 1 };
        for _ in 0..rounds {
            let before = best.0;
            for &(channel, quota) in &limited {
                let own = |choice: &&super::Choice| choice.channel as usize == channel;
                let values = self.choices.iter().filter(own).map(|choice| choice.value);
                let (mut low, mut high) = (0.0, values.fold(0.0, f64::max));
                prices[channel] = 0.0;
                for _ in 0..HALVINGS {
                    let optimum = self.optimum(hulls, &prices, budget, work)?;
                    if optimum.bound < best.0 {
                        best = (optimum.bound, optimum.marginal, prices.clone());
                    }
                    if optimum.used[channel] > quota as f64 {
                        low = prices[channel];
                    } else {
                        high = prices[channel];
                    }
                    prices[channel] = f64::midpoint(low, high);
                    if high - low <= 1e-14 * high {
                        break;
                    }
                }
                prices[channel] = high;
            }
            if best.0 >= before * (1.0 - 1e-12) {
                break;
            }
        }
        Ok(Relaxed {
            taken: vec![NONE; self.ends.len()],
            bound: best.0,
            marginal: best.1,
            prices: Some(best.2),
        })
    }
}
