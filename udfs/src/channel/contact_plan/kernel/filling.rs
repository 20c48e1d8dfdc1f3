//! A plan in the making, which always keeps to budget and quotas.

use hashbrown::HashMap;

use super::hulls::{Hull, key};
use super::{Choice, NONE, Own, Planner, Shares, usable};
use crate::relation::work::{Halt, Held, Work, hold};

pub(super) struct Filling<'a, M> {
    planner: &'a Planner<'a, M>,
    /// The places of the choices that are taken, but for what has changed in this round.
    pub(super) taken: Vec<u32>,
    /// What has changed in this round, by the place of the person.
    changed: HashMap<u32, Spot>,
    held: Held,
    state: State,
}

#[derive(Clone)]
struct State {
    /// Of the budget.
    left: i128,
    /// How often each channel is used.
    used: Vec<u64>,
}

/// A choice, or none, and its place.
#[derive(Debug, Clone, Copy)]
struct Spot {
    cost: i64,
    value: f64,
    channel: u32,
    place: u32,
}

/// After so many moves a new round begins, so that what has changed takes little memory: a table of 2^16 places is full.
const ROUND: usize = 7 << 13;

/// Of a person whom nobody contacts.
const NOWHERE: Spot = Spot {
    cost: 0,
    value: 0.0,
    channel: NONE,
    place: NONE,
};

impl Spot {
    fn new(place: u32, choice: &Choice) -> Self {
        Self {
            cost: choice.cost,
            value: choice.value,
            channel: choice.channel,
            place,
        }
    }
}

/// A move of a person to a better choice.
#[derive(Debug, Clone, Copy)]
struct Move {
    slope: f64,
    /// The place of the person.
    person: u32,
    /// Where the round finds the person.
    from: Spot,
    to: Spot,
}

impl Move {
    fn key(&self) -> u128 {
        key(self.slope, self.to.place)
    }
}

/// Takes a move: its slope, and the place that it leads to.
type Each<'a> = &'a mut dyn FnMut(f64, u32) -> Result<(), Halt>;

/// Tells the moves of a person.
trait Moves: Fn(&State, Own<'_>, Spot, &mut Hull, Each<'_>) -> Result<(), Halt> + Sync {}

impl<F> Moves for F where
    F: Fn(&State, Own<'_>, Spot, &mut Hull, Each<'_>) -> Result<(), Halt> + Sync
{
}

impl<'a, M: Shares> Filling<'a, M> {
    /// Starts from choices that leave so much of the budget and use the channels so often.
    pub(super) fn new(
        planner: &'a Planner<'a, M>,
        taken: Vec<u32>,
        left: i128,
        used: Vec<u64>,
    ) -> Result<Self, Halt> {
        Ok(Self {
            planner,
            taken,
            changed: HashMap::new(),
            held: planner.work.reserve(0)?,
            state: State { left, used },
        })
    }

    /// Takes the steps of the hulls by falling gain per euro, as far as budget and quotas allow.
    pub(super) fn walk(&mut self, prices: &[f64]) -> Result<(), Halt> {
        let (quotas, state) = (self.planner.quotas, self.state.clone());
        let steps = |_: &State, own: Own<'_>, _, hull: &mut Hull, each: Each<'_>| {
            for step in hull.find(&own, prices, quotas).steps() {
                each(step.slope, step.to)?;
            }
            Ok(())
        };
        let mut next = Some(0);
        while let Some(from) = next {
            let (moves, end, _held) = self.first_moves(from, &state, &steps)?;
            next = end;
            for one in &moves {
                self.try_move(one)?;
            }
            // The steps are the same wherever the person is.
            self.settle();
        }
        Ok(())
    }

    /// Spends what is left: every move to a better choice that fits, by falling gain per euro, until none fits.
    pub(super) fn fill(&mut self) -> Result<(), Halt> {
        let planner = self.planner;
        while self.round(
            |state: &State, own: Own<'_>, from: Spot, _: &mut Hull, each: Each<'_>| {
                let most = i128::from(from.cost) + state.left;
                for (place, choice) in own.placed() {
                    if i128::from(choice.cost) > most {
                        // The others cost even more.
                        break;
                    }
                    if state.betters(planner, choice, from.value) {
                        let (cost, gain) = (choice.cost - from.cost, choice.value - from.value);
                        let slope = if cost > 0 {
                            gain / cost as f64
                        } else {
                            f64::INFINITY
                        };
                        each(slope, place)?;
                    }
                }
                Ok(())
            },
        )? {}
        Ok(())
    }

    /// Finds the moves of all persons, by slope and place, and makes those that still fit when it is their turn. When
    /// there is no memory for all of them, the first ones come first. Says whether any was made.
    fn round(&mut self, moves: impl Moves) -> Result<bool, Halt> {
        let begin = self.state.clone();
        let (mut moved, mut next) = (false, Some(0));
        'round: while let Some(from) = next {
            let (moves, end, _held) = self.first_moves(from, &begin, &moves)?;
            next = end;
            for one in &moves {
                moved |= self.try_move(one)?;
                if self.changed.len() == ROUND {
                    break 'round;
                }
            }
        }
        self.settle();
        Ok(moved)
    }

    /// Ends a round.
    fn settle(&mut self) {
        for (person, spot) in self.changed.drain() {
            self.taken[person as usize] = spot.place;
        }
    }

    /// The moves from a key on, in order, as many as there is memory for; with the key of those that are left.
    fn first_moves(
        &self,
        from: u128,
        state: &State,
        moves: &impl Moves,
    ) -> Result<(Vec<Move>, Option<u128>, Held), Halt> {
        let work = self.planner.work;
        let start = || First {
            begin: from,
            end: None,
            moves: Vec::new(),
            held: None,
            work,
        };
        let parts = self.planner.shares.pass(work, start, |first, share| {
            let mut hull = Hull::default();
            for (own, person) in share.persons().zip(share.first..) {
                let place = self.taken[person];
                let from = if place == NONE {
                    NOWHERE
                } else {
                    Spot::new(place, own.at(place))
                };
                let person = person as u32;
                moves(state, own, from, &mut hull, &mut |slope, place| {
                    let to = Spot::new(place, own.at(place));
                    first.push(Move {
                        slope,
                        person,
                        from,
                        to,
                    })
                })?;
            }
            Ok(())
        })?;
        let next = parts.iter().filter_map(|part| part.end).min();
        let (moves, held): (Vec<_>, Vec<_>) = parts
            .into_iter()
            .map(|part| (part.moves, part.held))
            .unzip();
        let mut moves = moves.concat();
        moves.retain(|one| next.is_none_or(|next| one.key() < next));
        // What is not needed any more is there for those who move.
        drop(held);
        let held = work.reserve(moves.capacity() * size_of::<Move>())?;
        moves.sort_unstable_by_key(Move::key);
        Ok((moves, next, held))
    }

    fn try_move(&mut self, one: &Move) -> Result<bool, Halt> {
        let now = self.changed.get(&one.person).unwrap_or(&one.from);
        let more = i128::from(one.to.cost - now.cost);
        let left = now.channel;
        let planner = self.planner;
        let to = Choice {
            cost: one.to.cost,
            value: one.to.value,
            channel: one.to.channel,
            row: 0,
        };
        if more > self.state.left || !self.state.betters(planner, &to, now.value) {
            return Ok(false);
        }
        if self.changed.len() == self.changed.capacity() {
            let more = self.changed.len().max(64);
            // The table is at most 16/7 as large as what is in it, and is moved when it grows.
            let bytes = (self.changed.len() + more) * size_of::<(u32, Spot)>() * 16 / 7;
            self.held.at_least(bytes + self.changed.allocation_size())?;
            self.changed.reserve(more);
        }
        self.changed.insert(one.person, one.to);
        if left != NONE {
            self.state.used[left as usize] -= 1;
        }
        self.state.used[to.channel as usize] += 1;
        self.state.left -= more;
        Ok(true)
    }
}

impl State {
    /// Whether a choice may be taken and brings more than this value.
    fn betters<M>(&self, planner: &Planner<'_, M>, choice: &Choice, value: f64) -> bool {
        let channel = choice.channel as usize;
        let quota = planner.quotas[channel];
        choice.value > value
            && usable(choice, planner.quotas)
            && quota.is_none_or(|quota| self.used[channel] < quota)
    }
}

/// The first moves from a key on, as many as there is memory for.
struct First<'a> {
    begin: u128,
    /// Moves from here on are left for later.
    end: Option<u128>,
    moves: Vec<Move>,
    held: Option<Held>,
    work: &'a Work,
}

/// Without memory for so many moves there is no plan.
const FEWEST: usize = 1 << 11;

impl First<'_> {
    fn push(&mut self, one: Move) -> Result<(), Halt> {
        let key = one.key();
        if key < self.begin || self.end.is_some_and(|end| key >= end) {
            return Ok(());
        }
        let count = self.moves.len();
        if count == self.moves.capacity() {
            let more = count.max(FEWEST);
            // These, again when those of all threads are joined, and what they may change.
            let bytes = (count + more) * 3 * size_of::<Move>();
            match hold(&mut self.held, bytes, self.work) {
                Ok(()) => self.moves.reserve_exact(more),
                Err(halt) if count < 2 * FEWEST => return Err(halt),
                Err(_) => {
                    let half = count / 2;
                    self.moves.select_nth_unstable_by_key(half, Move::key);
                    let end = self.moves[half].key();
                    self.moves.truncate(half);
                    self.end = Some(end);
                    if key >= end {
                        return Ok(());
                    }
                }
            }
        }
        self.moves.push(one);
        Ok(())
    }
}
