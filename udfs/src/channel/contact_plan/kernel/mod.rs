//! The best contacts for a budget: a multiple-choice knapsack, solved by its linear relaxation and filled up.
//!
//! Of each person only the upper convex hull of (cost, value) matters to the relaxation (Sinha & Zoltners 1979); its
//! steps, taken by falling gain per euro until the budget is spent, are its optimum. Where they are cut is found by
//! selection instead of sorting (Dyer 1984, Zemel 1984). The step that no longer fits is the only one that is cut, so
//! the plan is at most its gain below the bound; what is left of the budget then pays for every other gain that fits.
//! Quotas enter as a price of each channel (Lagrange), found by bisection: any price gives a true bound, the best one
//! the tightest.
//!
//! [`Planner`] goes through the persons in order some times, from memory ([`market`]) or from disk: to find the cut
//! ([`hulls`], [`cut`]), the prices and the bound ([`relax`]), the plan ([`filling`]). Between two passes 4 bytes a
//! person are kept, and what is still open as far as there is memory. Sums are those of fixed shares of the persons,
//! so that no digit depends on the number of threads or on where the candidates are.
//!
//! For n candidates in memory 24 n bytes are moved once or twice and read some five times, in order: on two threads
//! some 40 ns a candidate, and some 20 more to rank the contacts. Half of it is first touching memory: the operating
//! system hands out pages at less than 2 GB a second and core. From disk a whole query takes about twice the time.

mod cut;
mod filling;
mod hulls;
pub(crate) mod market;
mod relax;

use crate::relation::work::{Halt, Held, Work};
use filling::Filling;

/// The cost of a row that must not be used: no consent, over a cap, or not known enough.
pub(crate) const BARRED: i64 = -1;
/// No choice.
pub(super) const NONE: u32 = u32::MAX;
/// Persons that are summed up in one go, and done between two looks at whether the result is still wanted.
pub(crate) const SHARE: usize = 1 << 12;

/// A way to contact a person: a candidate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Choice {
    /// Micro-euros; [`BARRED`] when it must not be used.
    pub(crate) cost: i64,
    pub(crate) value: f64,
    /// The code of the channel.
    pub(crate) channel: u32,
    /// Which candidate it is, in the order in which they came.
    pub(crate) row: u32,
}

/// All candidates, person by person in the order of ids, each person's by cost.
pub(crate) trait Shares: Sync {
    /// How many persons there are.
    fn persons(&self) -> usize;

    /// How many choices they have.
    fn choices(&self) -> usize;

    /// Hands out all shares in order: to each thread, with a state of its own, those that lie together. The states come
    /// back in this order.
    fn pass<S: Send>(
        &self,
        work: &Work,
        start: impl Fn() -> S + Sync,
        each: impl Fn(&mut S, &Share<'_>) -> Result<(), Halt> + Sync,
    ) -> Result<Vec<S>, Halt>;
}

/// [`SHARE`] persons, the last share fewer.
pub(crate) struct Share<'a> {
    /// The place of its first person.
    pub(crate) first: usize,
    /// The place of its first choice.
    pub(crate) begin: u32,
    pub(crate) choices: &'a [Choice],
    /// The place after the last choice of each person.
    pub(crate) ends: &'a [u32],
}

/// The choices of a person.
#[derive(Clone, Copy)]
pub(crate) struct Own<'a> {
    /// The place of the first one.
    begin: u32,
    choices: &'a [Choice],
}

impl<'a> Share<'a> {
    pub(crate) fn persons(&self) -> impl Iterator<Item = Own<'a>> + Clone + use<'a> {
        let (choices, first, mut begin) = (self.choices, self.begin, self.begin);
        self.ends.iter().map(move |&end| {
            let own = Own {
                begin,
                choices: &choices[(begin - first) as usize..(end - first) as usize],
            };
            begin = end;
            own
        })
    }
}

impl<'a> Own<'a> {
    /// The choice at a place.
    pub(crate) fn at(&self, place: u32) -> &'a Choice {
        &self.choices[(place - self.begin) as usize]
    }

    /// The choices and their places.
    fn placed(&self) -> impl DoubleEndedIterator<Item = (u32, &'a Choice)> + use<'a> {
        let begin = self.begin;
        let choices = self.choices.iter().enumerate();
        choices.map(move |(place, choice)| (begin + place as u32, choice))
    }

    /// What the last euro of a choice brings, over the best cheaper choice; infinite when it is free.
    pub(crate) fn efficiency(&self, place: u32, quotas: &[Option<u64>]) -> f64 {
        let choice = self.at(place);
        let cheaper = self.choices[..(place - self.begin) as usize].iter();
        let cheaper = cheaper
            .filter(|other| usable(other, quotas))
            .map(|other| (other.cost, other.value));
        std::iter::once((0, 0.0))
            .chain(cheaper)
            .filter(|&(cost, value)| cost < choice.cost && value < choice.value)
            .map(|(cost, value)| (choice.value - value) / ((choice.cost - cost) as f64 / 1e6))
            .fold(f64::INFINITY, f64::min)
    }
}

fn usable(choice: &Choice, quotas: &[Option<u64>]) -> bool {
    choice.cost != BARRED && choice.value > 0.0 && quotas[choice.channel as usize] != Some(0)
}

/// Plans contacts for budgets.
pub(crate) struct Planner<'a, M> {
    pub(crate) shares: &'a M,
    /// The number of contacts that each channel may have; none for no limit.
    pub(crate) quotas: &'a [Option<u64>],
    pub(crate) work: &'a Work,
}

/// What is to be done for a budget.
pub(crate) struct Plan {
    /// The places of the choices that are taken, in the order of persons.
    pub(crate) taken: Vec<u32>,
    /// No plan can be worth more, but for rounding.
    bound: f64,
    marginal: f64,
    _held: Held,
}

/// A plan in figures.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Summary {
    /// Micro-euros.
    pub(crate) spend: i128,
    pub(crate) value: f64,
    /// No plan can be worth more.
    pub(crate) bound: f64,
    /// What one more euro would bring.
    pub(crate) marginal: f64,
    pub(crate) contacts: u64,
}

impl Summary {
    /// How much the plan may fall short of the best one, as a share of the bound.
    pub(crate) fn gap(&self) -> f64 {
        if self.bound > 0.0 {
            (self.bound - self.value) / self.bound
        } else {
            0.0
        }
    }
}

impl<M: Shares> Planner<'_, M> {
    /// The best plan that costs at most `budget` micro-euros.
    pub(crate) fn plan(&self, budget: i128) -> Result<Plan, Halt> {
        let held = self.work.reserve(self.shares.persons() * 4)?;
        let relaxed = self.relaxed(budget)?;
        let left = budget - relaxed.spend;
        let mut filling = Filling::new(self, relaxed.taken, left, relaxed.used)?;
        if let Some(prices) = &relaxed.prices {
            filling.walk(prices)?;
        }
        filling.fill()?;
        Ok(Plan {
            taken: filling.taken,
            bound: relaxed.bound,
            marginal: relaxed.marginal,
            _held: held,
        })
    }

    /// What a plan costs and brings.
    pub(crate) fn summary(&self, plan: &Plan) -> Result<Summary, Halt> {
        let channels = self.quotas.len();
        let totals = self.shares.pass(
            self.work,
            || Total::new(channels),
            |total, share| {
                let taken = share.persons().zip(&plan.taken[share.first..]);
                let taken = taken.filter(|&(_, &at)| at != NONE);
                let taken = taken.map(|(own, &at)| own.at(at));
                total.add(taken.map(|choice| (choice.cost, choice.channel, choice.value)));
                Ok(())
            },
        )?;
        let total = Total::of(totals, channels);
        Ok(Summary {
            spend: total.spend,
            value: total.worth(),
            bound: plan.bound.max(total.worth()),
            marginal: plan.marginal,
            contacts: total.used.iter().sum(),
        })
    }
}

/// What choices cost and bring.
struct Total {
    /// What they are worth, for each share of the persons.
    worths: Vec<f64>,
    spend: i128,
    /// How often each channel is used.
    used: Vec<u64>,
}

impl Total {
    fn new(channels: usize) -> Self {
        Self {
            worths: Vec::new(),
            spend: 0,
            used: vec![0; channels],
        }
    }

    /// Adds the choices of a share: cost, channel and worth.
    fn add(&mut self, choices: impl Iterator<Item = (i64, u32, f64)>) {
        let worth = sum(choices.map(|(cost, channel, worth)| {
            self.spend += i128::from(cost);
            self.used[channel as usize] += 1;
            worth
        }));
        self.worths.push(worth);
    }

    /// The sum of what threads found.
    fn of(parts: impl IntoIterator<Item = Self>, channels: usize) -> Self {
        parts
            .into_iter()
            .fold(Self::new(channels), |mut all, part| {
                all.worths.extend(part.worths);
                all.spend += part.spend;
                for (used, more) in all.used.iter_mut().zip(&part.used) {
                    *used += more;
                }
                all
            })
    }

    fn worth(&self) -> f64 {
        sum(self.worths.iter().copied())
    }
}

/// Neumaier's sum.
fn sum(values: impl Iterator<Item = f64>) -> f64 {
    let (mut total, mut rest) = (0.0_f64, 0.0_f64);
    for value in values {
        let next = total + value;
        rest += if total.abs() >= value.abs() {
            (total - next) + value
        } else {
            (value - next) + total
        };
        total = next;
    }
    total + rest
}

#[cfg(test)]
mod tests;
