//! The best contacts for a budget: a multiple-choice knapsack, solved by its linear relaxation and filled up.
//!
//! Of each person only the upper convex hull of (cost, value) matters to the relaxation (Sinha & Zoltners 1979); its
//! steps, taken by falling gain per euro until the budget is spent, are its optimum. Where they are cut is found by
//! selection instead of sorting (Dyer 1984, Zemel 1984). The step that no longer fits is the only one that is cut, so
//! the plan is at most its gain below the bound; what is left of the budget then pays for every other gain that fits.
//! Quotas enter as a price of each channel (Lagrange), found by bisection: any price gives a true bound, the best one
//! the tightest.
//!
//! [`hulls`] finds the steps and the cut, [`relax`] the bound and the prices, [`filling`] the plan. Persons are shared
//! out among the threads; sums are those of fixed shares of them, so that no digit depends on the number of threads.
//!
//! For n candidates 24 n bytes of choices and 16 n bytes of steps are moved a few times, in order: on two threads some
//! 75 ns a candidate, of which sorting the contacts of the plan, bringing the candidates of a person together and the
//! operating system, which hands out the memory, take the larger half.

mod filling;
mod hulls;
mod relax;

use std::ops::Range;

use crate::relation::threads::on_threads;
use crate::relation::work::{Halt, Held, Work};
use filling::Filling;

/// The cost of a row that must not be used: no consent, over a cap, or not known enough.
pub(crate) const BARRED: i64 = -1;
/// No choice.
const NONE: u32 = u32::MAX;
/// Persons that are summed up in one go, and done between two looks at whether the result is still wanted.
const SHARE: usize = 1 << 14;

/// A way to contact a person: a candidate.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Choice {
    /// Micro-euros; [`BARRED`] when it must not be used.
    pub(crate) cost: i64,
    pub(crate) value: f64,
    /// The code of the channel.
    pub(crate) channel: u32,
    /// Which candidate it is, in the order in which they came.
    pub(crate) row: u32,
}

/// All choices, person by person in the order of ids, each person's by cost.
pub(crate) struct Market {
    choices: Vec<Choice>,
    ends: Vec<usize>,
    /// The number of contacts that a channel may have; none for no limit.
    quotas: Vec<Option<u64>>,
    _held: Vec<Held>,
}

/// What is to be done for a budget, and how good that is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Plan {
    /// The choices that are taken, in the order of persons.
    taken: Vec<u32>,
    pub(crate) spend: i128,
    pub(crate) value: f64,
    /// No plan can be worth more.
    pub(crate) bound: f64,
    /// What one more euro would bring.
    pub(crate) marginal: f64,
    pub(crate) contacts: usize,
}

/// A contact of a plan.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Contact {
    /// What the last euro for this person brings; infinite when the contact is free.
    pub(crate) efficiency: f64,
    /// The place of the person in the order of ids.
    person: u32,
    choice: u32,
}

impl Plan {
    /// How much the plan may fall short of the best one, as a share of the bound.
    pub(crate) fn gap(&self) -> f64 {
        if self.bound > 0.0 {
            (self.bound - self.value) / self.bound
        } else {
            0.0
        }
    }
}

impl Market {
    /// Groups choices by person; `person` has the code of each. `persons` and `channels` give each code its place in the
    /// order of ids. Two choices of one person and channel are returned as an error of their codes.
    pub(crate) fn new(
        person: &[u32],
        choices: (Vec<Choice>, Option<Held>),
        persons: &[u32],
        channels: &[u32],
        quotas: Vec<Option<u64>>,
        work: &Work,
    ) -> Result<Result<Self, (u32, u32)>, Halt> {
        let bytes = persons.len() * 8 + work.threads() * channels.len() * 4;
        let mut held = vec![work.reserve(bytes)?];
        let place = |&person: &u32| persons[person as usize];
        let mut ends = vec![0_usize; persons.len()];
        for person in person {
            ends[place(person) as usize] += 1;
        }
        let mut start = 0;
        for end in &mut ends {
            start += std::mem::replace(end, start);
        }
        let (mut choices, held_choices) = choices;
        if person.is_sorted_by_key(place) {
            held.extend(held_choices);
            for (start, next) in (0..ends.len()).zip(1..) {
                ends[start] = ends.get(next).copied().unwrap_or(choices.len());
            }
        } else {
            held.push(work.reserve(choices.len() * size_of::<Choice>())?);
            let mut ordered = choices.clone();
            for (row, (choice, person)) in choices.iter().zip(person).enumerate() {
                if row % SHARE == 0 {
                    work.check()?;
                }
                let end = &mut ends[place(person) as usize];
                ordered[*end] = *choice;
                *end += 1;
            }
            choices = ordered;
            drop(held_choices);
        }
        let mut market = Self {
            choices,
            ends,
            quotas,
            _held: held,
        };
        let twice = market.sort(channels, work)?;
        Ok(match twice {
            Some(Choice { row, channel, .. }) => Err((person[row as usize], channel)),
            None => Ok(market),
        })
    }

    /// Sorts the choices of each person by cost; of two for the same channel gives one back.
    fn sort(&mut self, channels: &[u32], work: &Work) -> Result<Option<Choice>, Halt> {
        let mut choices = std::mem::take(&mut self.choices);
        let mut rest = choices.as_mut_slice();
        let parts = self.parts(work).into_iter().map(|persons| {
            let size = self.start(persons.end) - self.start(persons.start);
            let own = rest.split_off_mut(..size).unwrap_or_default();
            (persons, own)
        });
        let parts: Vec<_> = parts.collect();
        let twice = on_threads(parts.into_iter(), |(persons, mut choices)| {
            let mut seen = vec![NONE; channels.len()];
            for person in persons {
                if person % SHARE == 0 {
                    work.check()?;
                }
                let size = self.ends[person] - self.start(person);
                let own = choices.split_off_mut(..size).unwrap_or_default();
                own.sort_unstable_by(|a, b| {
                    let channel = |choice: &Choice| channels[choice.channel as usize];
                    let value = || b.value.total_cmp(&a.value);
                    let costs = a.cost.cmp(&b.cost);
                    costs
                        .then_with(value)
                        .then_with(|| channel(a).cmp(&channel(b)))
                });
                for choice in own {
                    let last = &mut seen[choice.channel as usize];
                    if std::mem::replace(last, person as u32) == person as u32 {
                        return Ok(Some(*choice));
                    }
                }
            }
            Ok(None)
        });
        self.choices = choices;
        Ok(twice?.into_iter().flatten().next())
    }

    /// The best plan that costs at most `budget` micro-euros.
    pub(crate) fn plan(&self, budget: i128, work: &Work) -> Result<Plan, Halt> {
        // What is taken, by each thread and by all.
        let _held = work.reserve(self.ends.len() * 8)?;
        let relaxed = self.relaxed(budget, work)?;
        let mut filling = Filling::new(self, relaxed.taken, budget);
        if let Some(prices) = &relaxed.prices {
            filling.walk(prices, work)?;
        }
        filling.fill(work)?;
        let taken = filling.taken;
        let free = vec![0.0; self.quotas.len()];
        let parts = on_threads(self.parts(work).into_iter(), |persons| {
            self.add_up(&taken[persons.clone()], &free, work)
        });
        let total = Total::of(parts?);
        Ok(Plan {
            spend: total.spend,
            value: total.worth,
            bound: relaxed.bound.max(total.worth),
            marginal: relaxed.marginal,
            contacts: total.used.iter().sum::<u64>() as usize,
            taken,
        })
    }

    /// The contacts of a plan, best last euro first.
    pub(crate) fn contacts(&self, plan: &Plan, work: &Work) -> Result<(Vec<Contact>, Held), Halt> {
        // Those of each thread, all of them, and half as many to merge.
        let held = work.reserve(plan.contacts * size_of::<Contact>() * 5 / 2)?;
        let order = |a: &Contact, b: &Contact| {
            let efficiency = b.efficiency.total_cmp(&a.efficiency);
            efficiency.then(a.person.cmp(&b.person))
        };
        let parts = on_threads(self.parts(work).into_iter(), |persons| {
            let taken = plan.taken[persons.clone()].iter();
            let count = taken.filter(|&&at| at != NONE).count();
            let mut contacts = Vec::with_capacity(count);
            for person in persons {
                if person % SHARE == 0 {
                    work.check()?;
                }
                let at = plan.taken[person];
                if at != NONE {
                    contacts.push(Contact {
                        efficiency: self.efficiency(person, at),
                        person: person as u32,
                        choice: at,
                    });
                }
            }
            contacts.sort_unstable_by(order);
            Ok(contacts)
        });
        let mut contacts = parts?.concat();
        // A stable sort merges what is sorted already.
        contacts.sort_by(order);
        Ok((contacts, held))
    }

    /// How the person is contacted.
    pub(crate) fn choice(&self, contact: &Contact) -> Choice {
        self.choices[contact.choice as usize]
    }

    /// What the last euro of a choice brings, over the best cheaper choice.
    fn efficiency(&self, person: usize, at: u32) -> f64 {
        let choice = &self.choices[at as usize];
        let cheaper = self.choices[self.start(person)..at as usize].iter();
        let cheaper = cheaper
            .filter(|other| self.usable(other))
            .map(|other| (other.cost, other.value));
        std::iter::once((0, 0.0))
            .chain(cheaper)
            .filter(|&(cost, value)| cost < choice.cost && value < choice.value)
            .map(|(cost, value)| (choice.value - value) / ((choice.cost - cost) as f64 / 1e6))
            .fold(f64::INFINITY, f64::min)
    }

    fn start(&self, person: usize) -> usize {
        person.checked_sub(1).map_or(0, |before| self.ends[before])
    }

    fn usable(&self, choice: &Choice) -> bool {
        choice.cost != BARRED
            && choice.value > 0.0
            && self.quotas[choice.channel as usize] != Some(0)
    }

    /// The persons of each thread: whole shares.
    fn parts(&self, work: &Work) -> Vec<Range<usize>> {
        let shares = self.ends.len().div_ceil(SHARE);
        let size = shares.div_ceil(work.threads()).max(1) * SHARE;
        let starts = (0..self.ends.len()).step_by(size);
        starts
            .map(|start| start..self.ends.len().min(start + size))
            .collect()
    }

    /// Sums up the choices of persons, share by share. Their first one is the first of a share.
    fn add_up(&self, taken: &[u32], prices: &[f64], work: &Work) -> Result<Total, Halt> {
        let mut total = Total {
            worth: 0.0,
            shares: Vec::with_capacity(taken.len().div_ceil(SHARE)),
            spend: 0,
            used: vec![0; self.quotas.len()],
        };
        for share in taken.chunks(SHARE) {
            work.check()?;
            let taken = share.iter().filter(|&&at| at != NONE);
            let worth = sum(taken.map(|&at| {
                let choice = &self.choices[at as usize];
                total.spend += i128::from(choice.cost);
                total.used[choice.channel as usize] += 1;
                choice.value - prices[choice.channel as usize]
            }));
            total.shares.push(worth);
        }
        Ok(total)
    }
}

/// What choices cost and bring.
struct Total {
    /// Values without the prices of the channels.
    worth: f64,
    /// The same for each share of the persons.
    shares: Vec<f64>,
    spend: i128,
    /// How often each channel is used.
    used: Vec<u64>,
}

impl Total {
    /// The sum of what threads found.
    fn of(parts: Vec<Self>) -> Self {
        let worth = sum(parts.iter().flat_map(|part| part.shares.iter().copied()));
        let joined = parts.into_iter().reduce(|mut all, part| {
            all.spend += part.spend;
            for (used, more) in all.used.iter_mut().zip(&part.used) {
                *used += more;
            }
            all
        });
        let all = joined.unwrap_or(Self {
            worth: 0.0,
            shares: Vec::new(),
            spend: 0,
            used: Vec::new(),
        });
        Self { worth, ..all }
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
