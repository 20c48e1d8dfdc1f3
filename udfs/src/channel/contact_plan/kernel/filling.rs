//! A plan in the making, which always keeps to budget and quotas.

use super::hulls::{Hulls, Step};
use super::{Choice, Market, NONE, SHARE};
use crate::relation::threads::on_threads;
use crate::relation::work::{Halt, Work};

pub(super) struct Filling<'a> {
    market: &'a Market,
    pub(super) taken: Vec<u32>,
    left: i128,
    /// How often each channel is used.
    used: Vec<u64>,
}

/// A move of a person to a better choice.
#[derive(Debug, Clone, Copy)]
struct Move {
    step: Step,
    person: u32,
}

impl<'a> Filling<'a> {
    /// Starts from these choices.
    pub(super) fn new(market: &'a Market, taken: Vec<u32>, budget: i128) -> Self {
        let mut filling = Self {
            market,
            left: budget,
            used: vec![0; market.quotas.len()],
            taken,
        };
        for &at in filling.taken.iter().filter(|&&at| at != NONE) {
            let choice = &market.choices[at as usize];
            filling.left -= i128::from(choice.cost);
            filling.used[choice.channel as usize] += 1;
        }
        filling
    }

    /// Takes the steps of the hulls by falling gain per euro, as far as budget and quotas allow.
    pub(super) fn walk(&mut self, prices: &[f64], work: &Work) -> Result<(), Halt> {
        let market = self.market;
        let mut hulls = Hulls::new(market, work)?;
        hulls.climb(market, prices, work)?;
        let _held = work.reserve(market.choices.len() * size_of::<Step>())?;
        let mut steps = Vec::with_capacity(market.choices.len());
        steps.extend(hulls.steps(0..usize::MAX));
        steps.sort_unstable_by(Step::order);
        for step in &steps {
            let person = market.ends.partition_point(|&end| end <= step.to as usize);
            self.try_move(person, step.to);
        }
        Ok(())
    }

    /// Spends what is left: every move to a better choice that fits, by falling gain per euro, until none fits.
    pub(super) fn fill(&mut self, work: &Work) -> Result<(), Halt> {
        loop {
            let parts = on_threads(self.market.parts(work).into_iter(), |persons| {
                let mut held = work.reserve(0)?;
                let mut moves = Vec::new();
                for person in persons {
                    if person % SHARE == 0 {
                        work.check()?;
                    }
                    let room = self.market.ends[person] - self.market.start(person);
                    if moves.len() + room > moves.capacity() {
                        let more = room.max(moves.len()).max(64);
                        // Those of this thread, and again when all are joined.
                        held.grow(more * 2 * size_of::<Move>())?;
                        moves.reserve_exact(more);
                    }
                    self.moves(person, &mut moves);
                }
                Ok((moves, held))
            })?;
            let (moves, _held): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
            let mut moves = moves.concat();
            moves.sort_unstable_by(|a, b| a.step.order(&b.step));
            let mut moved = false;
            for Move { step, person } in moves {
                moved |= self.try_move(person as usize, step.to);
            }
            if !moved {
                return Ok(());
            }
        }
    }

    /// Adds the moves that a person can make.
    fn moves(&self, person: usize, moves: &mut Vec<Move>) {
        let (cost, value) = self.now(person);
        let most = i128::from(cost) + self.left;
        for at in self.market.start(person)..self.market.ends[person] {
            let choice = &self.market.choices[at];
            if i128::from(choice.cost) > most {
                // The others cost even more.
                break;
            }
            if !self.betters(choice, value) {
                continue;
            }
            let (cost, gain) = (choice.cost - cost, choice.value - value);
            let slope = if cost > 0 {
                gain / cost as f64
            } else {
                f64::INFINITY
            };
            let to = at as u32;
            moves.push(Move {
                step: Step { slope, cost, to },
                person: person as u32,
            });
        }
    }

    /// What the present choice of a person costs and brings.
    fn now(&self, person: usize) -> (i64, f64) {
        let at = self.taken[person];
        if at == NONE {
            return (0, 0.0);
        }
        let choice = &self.market.choices[at as usize];
        (choice.cost, choice.value)
    }

    /// Whether a choice may be taken and brings more than this value.
    fn betters(&self, choice: &Choice, value: f64) -> bool {
        let channel = choice.channel as usize;
        let quota = self.market.quotas[channel];
        choice.value > value
            && self.market.usable(choice)
            && quota.is_none_or(|quota| self.used[channel] < quota)
    }

    fn try_move(&mut self, person: usize, to: u32) -> bool {
        let (cost, value) = self.now(person);
        let choice = &self.market.choices[to as usize];
        let more = i128::from(choice.cost - cost);
        if more > self.left || !self.betters(choice, value) {
            return false;
        }
        let from = std::mem::replace(&mut self.taken[person], to);
        if from != NONE {
            self.used[self.market.choices[from as usize].channel as usize] -= 1;
        }
        self.used[choice.channel as usize] += 1;
        self.left -= more;
        true
    }
}
