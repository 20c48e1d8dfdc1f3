//! The candidates in memory.

use super::{Choice, NONE, Own, Plan, SHARE, Share, Shares};
use crate::relation::threads::on_threads;
use crate::relation::work::{Halt, Held, Work};

/// See [`Shares`].
pub(crate) struct Market {
    choices: Vec<Choice>,
    held_choices: Option<Held>,
    ends: Vec<u32>,
    _held: Held,
}

/// A contact of a plan.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Contact {
    /// What the last euro for this person brings; infinite when the contact is free.
    pub(crate) efficiency: f64,
    /// The place of the person in the order of ids.
    person: u32,
    place: u32,
}

impl Market {
    /// Groups choices by person; `person` has the code of each. `persons` and `channels` give each code its place in the
    /// order of ids. Two choices of one person and channel are returned as an error of their codes. Without memory the
    /// choices stay where they are.
    pub(crate) fn new(
        person: &[u32],
        (choices, held_choices): (&mut Vec<Choice>, &mut Option<Held>),
        persons: &[u32],
        channels: &[u32],
        work: &Work,
    ) -> Result<Result<Self, (u32, u32)>, Halt> {
        let bytes = persons.len() * 4 + work.threads() * channels.len() * 4;
        let held = work.reserve(bytes)?;
        let place = |&person: &u32| persons[person as usize];
        let mut ends = vec![0_u32; persons.len()];
        for person in person {
            ends[place(person) as usize] += 1;
        }
        let mut start = 0;
        for end in &mut ends {
            start += std::mem::replace(end, start);
        }
        if person.is_sorted_by_key(place) {
            for (start, next) in (0..ends.len()).zip(1..) {
                ends[start] = ends.get(next).copied().unwrap_or(choices.len() as u32);
            }
        } else {
            let held = work.reserve(choices.len() * size_of::<Choice>())?;
            let mut ordered = choices.clone();
            for (row, (choice, person)) in choices.iter().zip(person).enumerate() {
                if row % SHARE == 0 {
                    work.check()?;
                }
                let end = &mut ends[place(person) as usize];
                ordered[*end as usize] = *choice;
                *end += 1;
            }
            (*choices, *held_choices) = (ordered, Some(held));
        }
        let mut market = Self {
            choices: std::mem::take(choices),
            held_choices: held_choices.take(),
            ends,
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
        let mut rest = self.choices.as_mut_slice();
        let mut begin = 0;
        let parts = self.ends.chunks(part(self.ends.len(), work)).map(|ends| {
            let start = begin;
            begin = ends.last().copied().unwrap_or(begin);
            let own = rest.split_off_mut(..(begin - start) as usize);
            (start, ends, own.unwrap_or_default())
        });
        let parts: Vec<_> = parts.collect();
        let twice = on_threads(parts.into_iter(), |(mut begin, ends, mut choices)| {
            let mut seen = vec![NONE; channels.len()];
            for (person, &end) in ends.iter().enumerate() {
                if person % SHARE == 0 {
                    work.check()?;
                }
                let own = choices.split_off_mut(..(end - begin) as usize);
                let own = own.unwrap_or_default();
                begin = end;
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
        Ok(twice?.into_iter().flatten().next())
    }

    /// The choices in order, and where those of each person end.
    pub(crate) fn parts(&self) -> (&[Choice], &[u32]) {
        (&self.choices, &self.ends)
    }

    /// The choices, to keep them elsewhere.
    pub(crate) fn into_choices(self) -> (Vec<Choice>, Option<Held>) {
        (self.choices, self.held_choices)
    }

    /// The contacts of a plan; when they are to be `ranked`, with their efficiency, and best last euro first.
    pub(crate) fn contacts(
        &self,
        plan: &Plan,
        quotas: &[Option<u64>],
        ranked: bool,
        work: &Work,
    ) -> Result<(Vec<Contact>, Held), Halt> {
        let count = plan.taken.iter().filter(|&&at| at != NONE).count();
        if !ranked {
            let held = work.reserve(count * size_of::<Contact>())?;
            let contacts = plan
                .taken
                .iter()
                .zip(0..)
                .filter(|&(&place, _)| place != NONE);
            let contacts = contacts.map(|(&place, person)| Contact {
                efficiency: f64::NAN,
                person,
                place,
            });
            return Ok((contacts.collect(), held));
        }
        // Those of each thread, all of them, and half as many to merge.
        let held = work.reserve(count * size_of::<Contact>() * 5 / 2)?;
        let order = |a: &Contact, b: &Contact| {
            let efficiency = b.efficiency.total_cmp(&a.efficiency);
            efficiency.then(a.person.cmp(&b.person))
        };
        let parts = self.parts_of(work);
        let parts = on_threads(parts.into_iter(), |part| {
            let taken = &plan.taken[part.first..][..part.ends.len()];
            let count = taken.iter().filter(|&&at| at != NONE).count();
            let mut contacts = Vec::with_capacity(count);
            let persons = part.persons().zip(taken).zip(part.first as u32..);
            for ((own, &place), person) in persons {
                if (person as usize).is_multiple_of(SHARE) {
                    work.check()?;
                }
                if place != NONE {
                    contacts.push(Contact {
                        efficiency: Own::efficiency(&own, place, quotas),
                        person,
                        place,
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
        self.choices[contact.place as usize]
    }

    /// The persons of each thread: whole shares.
    fn parts_of(&self, work: &Work) -> Vec<Share<'_>> {
        let size = part(self.ends.len(), work);
        let mut begin = 0;
        let parts = self.ends.chunks(size).enumerate();
        let parts = parts.map(|(part, ends)| {
            let first = part * size;
            let start = begin;
            begin = ends.last().copied().unwrap_or(start);
            Share {
                first,
                begin: start,
                choices: &self.choices[start as usize..begin as usize],
                ends,
            }
        });
        parts.collect()
    }
}

/// How many of so many persons each thread gets: whole shares.
fn part(persons: usize, work: &Work) -> usize {
    let shares = persons.div_ceil(SHARE);
    shares.div_ceil(work.threads()).max(1) * SHARE
}

impl Shares for Market {
    fn persons(&self) -> usize {
        self.ends.len()
    }

    fn choices(&self) -> usize {
        self.choices.len()
    }

    fn pass<S: Send>(
        &self,
        work: &Work,
        start: impl Fn() -> S + Sync,
        each: impl Fn(&mut S, &Share<'_>) -> Result<(), Halt> + Sync,
    ) -> Result<Vec<S>, Halt> {
        on_threads(self.parts_of(work).into_iter(), |part| {
            let mut state = start();
            let (mut first, mut begin) = (part.first, part.begin);
            for ends in part.ends.chunks(SHARE) {
                work.check()?;
                let end = ends.last().copied().unwrap_or(begin);
                let choices = (begin - part.begin) as usize..(end - part.begin) as usize;
                let share = Share {
                    first,
                    begin,
                    choices: &part.choices[choices],
                    ends,
                };
                each(&mut state, &share)?;
                (first, begin) = (first + ends.len(), end);
            }
            Ok(state)
        })
    }
}
