//! The best contacts for a budget: a multiple-choice knapsack, solved by its linear relaxation and filled up.
//!
//! Of each person only the upper convex hull of (cost, value) matters to the relaxation (Sinha & Zoltners 1979); its
//! steps, taken by falling gain per euro until the budget is spent, are its optimum, found by selection instead of
//! sorting (Dyer 1984, Zemel 1984). The step that no longer fits is the only one that is cut, so the plan is at most
//! its gain below the bound; what is left of the budget then pays for every other gain that fits. Quotas enter as a
//! price of each channel (Lagrange), found by bisection: any price gives a true bound, the best one the tightest.
//!
//! For n candidates 24 n bytes of choices and 24 n bytes of steps are moved a few times: some 20 ns a candidate.

use crate::relation::work::{Halt, Held, Work, bytes_with, hold};

/// The candidates in codes, as they come.
#[derive(Default)]
pub(crate) struct Rows {
    pub(crate) person: Vec<u32>,
    pub(crate) channel: Vec<u32>,
    /// Micro-euros; [`BARRED`] when the row must not be used.
    pub(crate) cost: Vec<i64>,
    pub(crate) value: Vec<f64>,
}

/// The cost of a row that must not be used: no consent, over a cap, or not known enough.
pub(crate) const BARRED: i64 = -1;
const NONE: u32 = u32::MAX;
/// How many persons are done between two looks at whether the result is still wanted.
const SHARE: usize = 1 << 14;
/// Halvings of the interval in which the price of a channel lies.
const HALVINGS: usize = 60;
/// How often the prices of several channels are adapted to each other.
const ROUNDS: usize = 4;

/// A way to contact a person.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Choice {
    pub(crate) cost: i64,
    pub(crate) value: f64,
    pub(crate) channel: u32,
    pub(crate) row: u32,
}

/// All choices, person by person in the order of ids, each person's by cost.
pub(crate) struct Market {
    choices: Vec<Choice>,
    ends: Vec<usize>,
    /// The number of contacts that a channel may have; none for no limit.
    quotas: Vec<Option<u64>>,
    _held: Held,
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
    pub(crate) row: u32,
    pub(crate) cost: i64,
    /// What the last euro for this person brings; none when the contact is free.
    pub(crate) efficiency: Option<f64>,
}

/// A step up the hull of a person.
#[derive(Debug, Clone, Copy)]
struct Step {
    /// Gain for a micro-euro.
    slope: f64,
    cost: i64,
    person: u32,
    to: u32,
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
    /// Groups the rows by person. `persons` and `channels` give each code its place in the order of ids. Two rows of
    /// one person and channel are returned as an error of their codes.
    pub(crate) fn new(
        rows: &Rows,
        persons: &[u32],
        channels: &[u32],
        quotas: Vec<Option<u64>>,
        work: &Work,
    ) -> Result<Result<Self, (u32, u32)>, Halt> {
        let count = rows.person.len();
        let bytes = count * size_of::<Choice>() + persons.len() * 8 + channels.len() * 4;
        let held = work.reserve(bytes)?;
        let mut ends = vec![0_usize; persons.len()];
        for &person in &rows.person {
            ends[persons[person as usize] as usize] += 1;
        }
        let mut start = 0;
        for end in &mut ends {
            start += std::mem::replace(end, start);
        }
        let mut choices = vec![
            Choice {
                cost: BARRED,
                value: 0.0,
                channel: 0,
                row: 0
            };
            count
        ];
        for row in 0..count {
            if row % SHARE == 0 {
                work.check()?;
            }
            let end = &mut ends[persons[rows.person[row] as usize] as usize];
            choices[*end] = Choice {
                cost: rows.cost[row],
                value: rows.value[row],
                channel: rows.channel[row],
                row: row as u32,
            };
            *end += 1;
        }
        let mut seen = vec![NONE; channels.len()];
        let mut start = 0;
        for (person, &end) in ends.iter().enumerate() {
            if person % SHARE == 0 {
                work.check()?;
            }
            let own = &mut choices[start..end];
            own.sort_unstable_by(|a, b| {
                let channel = |choice: &Choice| channels[choice.channel as usize];
                let value = b.value.total_cmp(&a.value);
                a.cost
                    .cmp(&b.cost)
                    .then(value)
                    .then_with(|| channel(a).cmp(&channel(b)))
            });
            for choice in own {
                let last = &mut seen[choice.channel as usize];
                if std::mem::replace(last, person as u32) == person as u32 {
                    return Ok(Err((rows.person[choice.row as usize], choice.channel)));
                }
            }
            start = end;
        }
        Ok(Ok(Self {
            choices,
            ends,
            quotas,
            _held: held,
        }))
    }

    /// The best plan that costs at most `budget` micro-euros.
    pub(crate) fn plan(&self, budget: i128, work: &Work) -> Result<Plan, Halt> {
        let _held = work.reserve(self.ends.len() * 4)?;
        let mut prices = vec![0.0; self.quotas.len()];
        let relaxed = self.relax(&prices, budget, work)?;
        let mut bound = relaxed.bound;
        let mut marginal = relaxed.marginal;
        let quotas = self.quotas.iter().zip(&relaxed.used);
        let binding = quotas
            .into_iter()
            .any(|(quota, used)| quota.is_some_and(|quota| *used > quota as f64));
        let mut taken = relaxed.taken;
        if binding {
            (bound, marginal, prices) = self.price(bound, marginal, budget, work)?;
            taken = self.walk(&prices, budget, work)?;
        }
        self.fill(&mut taken, budget, work)?;
        let chosen = || taken.iter().filter(|&&at| at != NONE);
        let value = sum(chosen().map(|&at| self.choices[at as usize].value));
        let spend = chosen().map(|&at| i128::from(self.choices[at as usize].cost));
        Ok(Plan {
            spend: spend.sum(),
            value,
            bound: bound.max(value),
            marginal,
            contacts: chosen().count(),
            taken,
        })
    }

    /// The contacts of a plan, best last euro first.
    pub(crate) fn contacts(&self, plan: &Plan, work: &Work) -> Result<(Vec<Contact>, Held), Halt> {
        let held = work.reserve(plan.contacts * size_of::<Contact>())?;
        let mut contacts = Vec::with_capacity(plan.contacts);
        for (person, &at) in plan.taken.iter().enumerate() {
            if at == NONE {
                continue;
            }
            let choice = self.choices[at as usize];
            let cheaper = self.choices[self.start(person)..at as usize].iter();
            let cheaper = cheaper
                .filter(|other| self.usable(other))
                .map(|other| (other.cost, other.value));
            let slopes = std::iter::once((0, 0.0))
                .chain(cheaper)
                .filter(|&(cost, value)| cost < choice.cost && value < choice.value)
                .map(|(cost, value)| (choice.value - value) / ((choice.cost - cost) as f64 / 1e6));
            contacts.push(Contact {
                row: choice.row,
                cost: choice.cost,
                efficiency: slopes.min_by(f64::total_cmp),
            });
        }
        // Stable: within a tie the persons stay in the order of their ids.
        let key = |contact: &Contact| contact.efficiency.unwrap_or(f64::INFINITY);
        contacts.sort_by(|a, b| key(b).total_cmp(&key(a)));
        Ok((contacts, held))
    }

    fn start(&self, person: usize) -> usize {
        person.checked_sub(1).map_or(0, |before| self.ends[before])
    }

    fn usable(&self, choice: &Choice) -> bool {
        choice.cost != BARRED
            && choice.value > 0.0
            && self.quotas[choice.channel as usize] != Some(0)
    }

    /// The steps of all hulls, once each contact by a channel costs its price in value, too.
    fn steps(
        &self,
        prices: &[f64],
        held: &mut Option<Held>,
        work: &Work,
    ) -> Result<Vec<Step>, Halt> {
        hold(held, self.choices.len() * size_of::<Step>(), work)?;
        let mut steps = Vec::with_capacity(self.choices.len());
        let mut hull: Vec<(i64, f64, f64, u32)> = Vec::new();
        let mut start = 0;
        for (person, &end) in self.ends.iter().enumerate() {
            if person % SHARE == 0 {
                work.check()?;
            }
            hull.clear();
            for (at, choice) in self.choices[start..end].iter().enumerate() {
                let value = choice.value - prices[choice.channel as usize];
                if !self.usable(choice) || value <= hull.last().map_or(0.0, |top| top.1) {
                    continue;
                }
                let slope = loop {
                    let (cost, below) = match hull.len() {
                        0 => (0, 0.0),
                        _ => hull.last().map_or((0, 0.0), |top| (top.0, top.1)),
                    };
                    let slope = (value - below) / (choice.cost - cost) as f64;
                    match hull.last() {
                        Some(top) if top.0 == choice.cost || slope >= top.2 => hull.pop(),
                        _ => break slope,
                    };
                };
                hull.push((choice.cost, value, slope, (start + at) as u32));
            }
            let mut cost = 0;
            for &(up, _, slope, to) in &hull {
                steps.push(Step {
                    slope,
                    cost: up - cost,
                    person: person as u32,
                    to,
                });
                cost = up;
            }
            start = end;
        }
        Ok(steps)
    }

    /// The optimum of the linear relaxation with these prices of the channels.
    fn relax(&self, prices: &[f64], budget: i128, work: &Work) -> Result<Relaxed, Halt> {
        let mut held = None;
        let mut steps = self.steps(prices, &mut held, work)?;
        let (critical, spent) = cut(&mut steps, budget, work)?;
        let mut taken = vec![NONE; self.ends.len()];
        for step in &steps[..critical] {
            let at = &mut taken[step.person as usize];
            *at = if *at == NONE {
                step.to
            } else {
                step.to.max(*at)
            };
        }
        let worth = |at: u32| {
            let choice = &self.choices[at as usize];
            choice.value - prices[choice.channel as usize]
        };
        let mut used = vec![0.0; self.quotas.len()];
        for &at in taken.iter().filter(|&&at| at != NONE) {
            used[self.choices[at as usize].channel as usize] += 1.0;
        }
        let mut bound = sum(taken.iter().filter(|&&at| at != NONE).map(|&at| worth(at)));
        let mut marginal = 0.0;
        if let Some(step) = steps.get(critical) {
            let share = (budget - spent) as f64 / step.cost as f64;
            let from = taken[step.person as usize];
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
        Ok(Relaxed {
            taken,
            bound,
            marginal,
            used,
        })
    }

    /// Prices of the channels with quotas that make the bound as tight as can be: bound, value of a euro, prices.
    fn price(
        &self,
        bound: f64,
        marginal: f64,
        budget: i128,
        work: &Work,
    ) -> Result<(f64, f64, Vec<f64>), Halt> {
        let mut prices = vec![0.0; self.quotas.len()];
        let mut best = (bound, marginal, prices.clone());
        let limited = self.quotas.iter().enumerate();
        let limited: Vec<_> = limited
            .filter_map(|(channel, quota)| quota.filter(|&q| q > 0).map(|quota| (channel, quota)))
            .collect();
        let rounds = if limited.len() > 1 { ROUNDS } else { 1 };
        for _ in 0..rounds {
            let before = best.0;
            for &(channel, quota) in &limited {
                let dearest = self
                    .choices
                    .iter()
                    .filter(|c| c.channel as usize == channel);
                let (mut low, mut high) = (0.0, dearest.map(|c| c.value).fold(0.0, f64::max));
                prices[channel] = 0.0;
                for _ in 0..HALVINGS {
                    let relaxed = self.relax(&prices, budget, work)?;
                    if relaxed.bound < best.0 {
                        best = (relaxed.bound, relaxed.marginal, prices.clone());
                    }
                    if relaxed.used[channel] > quota as f64 {
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
        Ok(best)
    }

    /// Takes the steps by falling gain per euro, as far as budget and quotas allow.
    fn walk(&self, prices: &[f64], budget: i128, work: &Work) -> Result<Vec<u32>, Halt> {
        let mut held = None;
        let mut steps = self.steps(prices, &mut held, work)?;
        steps.sort_unstable_by(order);
        let mut state = State::new(self, vec![NONE; self.ends.len()], budget);
        for step in &steps {
            state.try_move(step.person as usize, step.to);
        }
        Ok(state.taken)
    }

    /// Spends what is left: every move to a better choice that fits, by falling gain per euro, until none fits.
    fn fill(&self, taken: &mut Vec<u32>, budget: i128, work: &Work) -> Result<(), Halt> {
        let mut state = State::new(self, std::mem::take(taken), budget);
        let mut held = None;
        loop {
            let mut moves: Vec<Step> = Vec::new();
            let mut start = 0;
            for (person, &end) in self.ends.iter().enumerate() {
                if person % SHARE == 0 {
                    work.check()?;
                    hold(&mut held, bytes_with(&moves, SHARE) * 2, work)?;
                }
                for at in start..end {
                    if let Some((cost, gain)) = state.gain(person, at as u32) {
                        let slope = if cost > 0 {
                            gain / cost as f64
                        } else {
                            f64::INFINITY
                        };
                        moves.push(Step {
                            slope,
                            cost,
                            person: person as u32,
                            to: at as u32,
                        });
                    }
                }
                start = end;
            }
            moves.sort_unstable_by(order);
            let mut moved = false;
            for step in &moves {
                moved |= state.try_move(step.person as usize, step.to);
            }
            if !moved {
                break;
            }
        }
        *taken = state.taken;
        Ok(())
    }
}

/// The optimum of the linear relaxation, its cut step left out.
struct Relaxed {
    taken: Vec<u32>,
    bound: f64,
    marginal: f64,
    /// How often each channel is used, the cut step included.
    used: Vec<f64>,
}

/// A plan in the making, which always keeps to budget and quotas.
struct State<'a> {
    market: &'a Market,
    taken: Vec<u32>,
    left: i128,
    used: Vec<u64>,
}

impl<'a> State<'a> {
    fn new(market: &'a Market, taken: Vec<u32>, budget: i128) -> Self {
        let mut state = Self {
            market,
            left: budget,
            used: vec![0; market.quotas.len()],
            taken,
        };
        for &at in state.taken.iter().filter(|&&at| at != NONE) {
            let choice = &market.choices[at as usize];
            state.left -= i128::from(choice.cost);
            state.used[choice.channel as usize] += 1;
        }
        state
    }

    /// What a move costs and brings, when it is one for the better and fits.
    fn gain(&self, person: usize, to: u32) -> Option<(i64, f64)> {
        let choice = &self.market.choices[to as usize];
        let at = self.taken[person];
        let (cost, value) = if at == NONE {
            (0, 0.0)
        } else {
            let at = &self.market.choices[at as usize];
            (at.cost, at.value)
        };
        let free = self.market.quotas[choice.channel as usize]
            .is_none_or(|quota| self.used[choice.channel as usize] < quota);
        let better = self.market.usable(choice) && choice.value > value;
        let more = choice.cost - cost;
        (better && free && i128::from(more) <= self.left).then_some((more, choice.value - value))
    }

    fn try_move(&mut self, person: usize, to: u32) -> bool {
        let Some((cost, _)) = self.gain(person, to) else {
            return false;
        };
        let from = std::mem::replace(&mut self.taken[person], to);
        if from != NONE {
            self.used[self.market.choices[from as usize].channel as usize] -= 1;
        }
        self.used[self.market.choices[to as usize].channel as usize] += 1;
        self.left -= i128::from(cost);
        true
    }
}

/// Best gain per euro first; ties by the order of persons. The steps of a person have falling slopes.
fn order(a: &Step, b: &Step) -> std::cmp::Ordering {
    let slope = b.slope.total_cmp(&a.slope);
    slope.then(a.person.cmp(&b.person)).then(a.to.cmp(&b.to))
}

/// Moves the steps that the budget pays to the front: their number, and what they cost. The next one is the first
/// that no longer fits.
fn cut(steps: &mut [Step], budget: i128, work: &Work) -> Result<(usize, i128), Halt> {
    let cost = |steps: &[Step]| steps.iter().map(|step| i128::from(step.cost)).sum::<i128>();
    let all = cost(steps);
    if all <= budget {
        return Ok((steps.len(), all));
    }
    let (mut low, mut high, mut spent) = (0, steps.len(), 0);
    while high - low > 1 {
        work.check()?;
        let middle = (high - low) / 2;
        steps[low..high].select_nth_unstable_by(middle, order);
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
