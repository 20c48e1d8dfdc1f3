//! Which steps a budget pays: where the order of all steps is cut.
//!
//! A sample of the persons tells about where the cut is; one pass over all of them adds up what lies before that range
//! and collects the few steps in it, among which the cut is then selected. When it is not there after all, because few
//! steps cost most of the money, thirds of the steps are left out until few remain. What is done depends on the
//! candidates alone.

use std::ops::Range;
use std::sync::atomic::{AtomicU32, Ordering};

use super::hulls::{BOTTOM, Hull, Step};
use super::{NONE, Planner, Shares, Total, sum};
use crate::relation::work::{Halt, Held, Work, hold};

/// So many steps are selected from at once.
const FEW: usize = 1 << 18;
/// For so few choices there is no sample.
const NO_SAMPLE: usize = 1 << 15;
/// The standard deviations that are left on both sides of where the sample sees the cut.
const MARGIN: f64 = 4.0;

/// The steps that a budget pays.
pub(super) struct Paid {
    pub(super) spend: i128,
    pub(super) worth: f64,
    /// How often each channel is used.
    pub(super) used: Vec<u64>,
    /// The first step that no longer fits, when not all do.
    pub(super) first_out: Option<Step>,
}

/// What one thread finds: the steps before a range of keys, and in it.
struct Part {
    /// Of the choices that the steps before the range lead to.
    total: Total,
    /// How many steps are before the range, as far as they are looked for.
    before: usize,
    /// What the steps in the range cost, and how many there are.
    within: (i128, usize),
    /// How many come after it.
    after: usize,
    /// Those in the range with the places of their persons, unless there are too many.
    steps: Vec<(Step, u32)>,
    held: Option<Held>,
}

impl<M: Shares> Planner<'_, M> {
    /// Takes the steps in order until the budget is spent. `taken` gets the places that they lead to, person by person;
    /// it may be empty.
    pub(super) fn paid(
        &self,
        prices: &[f64],
        budget: i128,
        taken: &[AtomicU32],
    ) -> Result<Paid, Halt> {
        // The cut is among these keys; the steps before them cost so much.
        let (mut open, mut spent) = (0..u128::MAX, 0);
        let mut count = self.shares.choices();
        let mut first = true;
        loop {
            let range = if count <= NO_SAMPLE {
                open.clone()
            } else {
                let sample = self.sample(&open, count, prices)?;
                let guess = first.then(|| sample.guess(&open, budget - spent));
                guess.unwrap_or_else(|| sample.middle(&open))
            };
            let mut part = self.part(&open, &range, prices, taken)?;
            let (before, within) = (part.total.spend, part.within.0);
            first = false;
            if before > budget {
                open.end = range.start;
                count = part.before;
            } else if before + within <= budget && part.after > 0 {
                open.start = range.end;
                (spent, count) = (before + within, part.after);
            } else if part.within.1 > FEW {
                open = range;
                (spent, count) = (before, part.within.1);
            } else {
                let out = self.select(&mut part.steps, budget - before)?;
                return Ok(part.take(out, taken));
            }
        }
    }

    /// Some of the steps that are open, of which there are so many.
    fn sample(&self, open: &Range<u128>, count: usize, prices: &[f64]) -> Result<Sample, Halt> {
        let steps = count as f64;
        // The margin takes a share of the steps that falls with the root of the sample: not more than fit, and in all
        // as little work as can be.
        let fits = (4.0 * MARGIN * steps / FEW as f64).powi(2);
        let size = (2.0 * steps.powf(2.0 / 3.0)).max(fits);
        let size = size.min(steps / 8.0).min(FEW as f64);
        let chance = size / steps;
        let limit = (chance * f64::from(u32::MAX)) as u32;
        let bytes = (size * 2.0) as usize * size_of::<(u128, i64)>();
        let held = self.work.reserve(bytes)?;
        let parts = self.shares.pass(self.work, Vec::new, |sample, share| {
            let mut hull = Hull::default();
            for (own, person) in share.persons().zip(share.first as u32..) {
                // Any pattern in the order of persons is broken by the multiplication (Knuth).
                if person.wrapping_mul(0x9E37_79B1) < limit {
                    let steps = hull.find(&own, prices, self.quotas).steps();
                    let steps = steps.map(|step| (step.key(), step.cost));
                    sample.extend(steps.filter(|(key, _)| open.contains(key)));
                }
            }
            Ok(())
        })?;
        let joined = (parts.len() > 1).then(|| self.work.reserve(bytes));
        let _held = joined.transpose()?;
        let steps = parts.into_iter().reduce(|mut all, mut part| {
            all.append(&mut part);
            all
        });
        let mut steps = steps.unwrap_or_default();
        steps.sort_unstable();
        Ok(Sample {
            steps,
            chance,
            _held: held,
        })
    }

    /// Goes through all steps: those before the range, in it, and after it as far as they are open.
    fn part(
        &self,
        open: &Range<u128>,
        range: &Range<u128>,
        prices: &[f64],
        taken: &[AtomicU32],
    ) -> Result<Part, Halt> {
        let channels = self.quotas.len();
        let start = || Part {
            total: Total::new(channels),
            before: 0,
            within: (0, 0),
            after: 0,
            steps: Vec::new(),
            held: None,
        };
        let parts = self.shares.pass(self.work, start, |part, share| {
            let Part {
                total, steps, held, ..
            } = part;
            let (mut before, mut after, mut within) = (0, 0, part.within);
            let mut halt = Ok(());
            let mut hull = Hull::default();
            let mut person = share.first as u32;
            let reached = share.persons().filter_map(|own| {
                let (mut reached, mut below) = (&BOTTOM, &BOTTOM);
                for corner in hull.find(&own, prices, self.quotas).corners() {
                    let key = corner.key();
                    if key < range.start {
                        reached = corner;
                        before += usize::from(key >= open.start);
                    } else if key < range.end {
                        let step = corner.step(below);
                        within = (within.0 + i128::from(step.cost), within.1 + 1);
                        if within.1 <= FEW && halt.is_ok() {
                            halt = room(steps, held, self.work);
                            if halt.is_ok() {
                                steps.push((step, person));
                            }
                        }
                    } else {
                        after += usize::from(key < open.end);
                    }
                    below = corner;
                }
                if let Some(taken) = taken.get(person as usize) {
                    taken.store(reached.place, Ordering::Relaxed);
                }
                person += 1;
                (reached.place != NONE).then_some((reached.cost, reached.channel, reached.value))
            });
            total.add(reached);
            (part.before, part.after) = (part.before + before, part.after + after);
            part.within = within;
            halt
        })?;
        let mut joined = start();
        let count = parts.iter().map(|part| part.steps.len()).sum::<usize>();
        if parts.len() > 1 {
            joined.held = Some(self.work.reserve(count * size_of::<(Step, u32)>())?);
            joined.steps = Vec::with_capacity(count);
        }
        Ok(parts.into_iter().fold(joined, Part::join))
    }

    /// Moves the steps that the budget pays to the front: how many. The next one, if any, is the first that does not.
    fn select(&self, steps: &mut [(Step, u32)], budget: i128) -> Result<usize, Halt> {
        let cost = |steps: &[(Step, u32)]| -> i128 {
            steps.iter().map(|(step, _)| i128::from(step.cost)).sum()
        };
        let (mut low, mut high, mut spent) = (0, steps.len(), 0);
        while high - low > 1 {
            self.work.check()?;
            let middle = (high - low) / 2;
            steps[low..high].select_nth_unstable_by_key(middle, |(step, _)| step.key());
            let half = cost(&steps[low..low + middle]);
            if spent + half <= budget {
                spent += half;
                low += middle;
            } else {
                high = low + middle;
            }
        }
        let last = steps.get(low).filter(|_| low < high);
        let fits = last.is_some_and(|(step, _)| spent + i128::from(step.cost) <= budget);
        Ok(low + usize::from(fits))
    }
}

/// The keys and costs of some steps, in order.
struct Sample {
    steps: Vec<(u128, i64)>,
    /// The probability of each to be among them.
    chance: f64,
    _held: Held,
}

impl Sample {
    /// About where the budget ends.
    fn guess(&self, open: &Range<u128>, budget: i128) -> Range<u128> {
        let (mut cost, mut variance, mut range) = (0.0, 0.0, open.clone());
        for &(key, more) in &self.steps {
            let margin = MARGIN * f64::sqrt(variance);
            if cost + margin <= budget as f64 {
                range.start = key;
            } else if cost - margin > budget as f64 {
                range.end = key;
                break;
            }
            let more = more as f64 / self.chance;
            cost += more;
            // Twice, because a person's steps come together.
            variance += 2.0 * more * more;
        }
        if range == *open {
            return self.middle(open);
        }
        range
    }

    /// The middle third of the steps: whatever they cost, a third of them is left when the cut is known to be before,
    /// in or after it.
    fn middle(&self, open: &Range<u128>) -> Range<u128> {
        let third = self.steps.len() / 3;
        let start = self.steps.get(third).map(|&(key, _)| key);
        let end = self.steps.get(2 * third).map(|&(key, _)| key);
        match (start, end) {
            (Some(start), Some(end)) if open.start < start && start < end => start..end,
            // Hardly any is known.
            _ => open.start..open.start + (open.end - open.start) / 2,
        }
    }
}

impl Part {
    /// Both, the later persons last.
    fn join(mut self, mut other: Self) -> Self {
        let channels = self.total.used.len();
        self.total = Total::of([self.total, other.total], channels);
        self.before += other.before;
        self.within.0 += other.within.0;
        self.within.1 += other.within.1;
        self.after += other.after;
        if self.steps.capacity() == 0 {
            (self.steps, self.held) = (other.steps, other.held);
        } else {
            self.steps.append(&mut other.steps);
        }
        self
    }

    /// Takes the first ones of the steps in the range.
    fn take(self, out: usize, taken: &[AtomicU32]) -> Paid {
        let (mut spend, mut used) = (self.total.spend, self.total.used);
        for (step, person) in &self.steps[..out] {
            spend += i128::from(step.cost);
            used[step.channel as usize] += 1;
            if step.left != NONE {
                used[step.left as usize] -= 1;
            }
            if let Some(taken) = taken.get(*person as usize) {
                // Of two steps of a person the later one leads to the dearer choice, which stands behind; none is -1.
                let place = taken.load(Ordering::Relaxed).wrapping_add(1);
                let place = place.max(step.to + 1).wrapping_sub(1);
                taken.store(place, Ordering::Relaxed);
            }
        }
        let gains = self.steps[..out].iter().map(|(step, _)| step.gain);
        Paid {
            worth: sum(self.total.worths.iter().copied().chain(gains)),
            first_out: self.steps.get(out).map(|(step, _)| *step),
            spend,
            used,
        }
    }
}

/// Makes room for another step.
fn room(steps: &mut Vec<(Step, u32)>, held: &mut Option<Held>, work: &Work) -> Result<(), Halt> {
    if steps.len() == steps.capacity() {
        let more = steps.len().max(1 << 10);
        hold(held, (steps.len() + more) * size_of::<(Step, u32)>(), work)?;
        steps.reserve_exact(more);
    }
    Ok(())
}
