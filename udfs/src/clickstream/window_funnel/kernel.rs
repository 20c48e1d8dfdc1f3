//! The deepest chain of steps in the ordered events of one visitor, and when its steps were made.
//!
//! For each depth only one chain is kept, the one that started last: whatever can follow an older one can follow
//! it too. So the work is linear in the number of events.

use std::ops::ControlFlow;

use super::modes::{Modes, Reuse};
use crate::clickstream::streams::Event;

/// A funnel of so many steps.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Funnel {
    pub(crate) steps: usize,
    /// The longest time from the first to the last event of a chain, in ticks.
    pub(crate) window: i64,
    pub(crate) modes: Modes,
}

/// A chain that has reached some depth.
#[derive(Debug, Clone, Copy)]
struct Chain {
    start: i64,
    /// Its last event in [`Search::links`].
    last: u32,
}

/// An event of a chain and the one before.
#[derive(Debug, Clone, Copy)]
struct Link {
    tick: i64,
    before: Option<u32>,
}

/// The search for the deepest chain; used for one visitor after the other, so that nothing is allocated anew.
#[derive(Debug)]
pub(crate) struct Search {
    funnel: Funnel,
    /// For each depth the chain that started last. The known ones come first.
    chains: Vec<Option<Chain>>,
    /// The same before the events of the present time.
    before: Vec<Option<Chain>>,
    /// How many steps the deepest chain has.
    depth: usize,
    /// The first chain that came as deep as `depth`, by its last event.
    deepest: Option<u32>,
    links: Vec<Link>,
    matching: Matching,
}

impl Search {
    pub(crate) fn new(funnel: Funnel) -> Self {
        Self {
            funnel,
            chains: vec![None; funnel.steps],
            before: vec![None; funnel.steps],
            depth: 0,
            deepest: None,
            links: Vec::new(),
            matching: Matching::default(),
        }
    }

    /// The number of steps of the deepest chain; the events must be in the order of their times.
    pub(crate) fn depth(&mut self, events: &[Event]) -> usize {
        self.chains.fill(None);
        self.depth = 0;
        self.deepest = None;
        self.links.clear();
        for same_time in events.chunk_by(|a, b| a.tick == b.tick) {
            if self.add(same_time).is_break() {
                break;
            }
        }
        self.depth
    }

    /// The times of the deepest chain, of several the one that was complete first.
    pub(crate) fn times(&mut self, events: &[Event], times: &mut Vec<i64>) -> usize {
        let depth = self.depth(events);
        let first = times.len();
        let mut next = self.deepest;
        while let Some(Link { tick, before }) = next.map(|link| self.links[link as usize]) {
            times.push(tick);
            next = before;
        }
        times[first..].reverse();
        depth
    }

    /// Adds all events of one time, step by step; breaks when nothing after them counts.
    fn add(&mut self, events: &[Event]) -> ControlFlow<()> {
        let Funnel {
            steps,
            window,
            modes,
        } = self.funnel;
        let Some(&Event { tick, .. }) = events.first() else {
            return ControlFlow::Continue(());
        };
        let (mut met, mut repeated, mut blank) = (0, 0, false);
        for event in events {
            repeated |= met & event.met;
            met |= event.met;
            blank |= event.met == 0;
        }
        if modes.strict_order && blank && self.depth > 0 {
            return ControlFlow::Break(());
        }
        if modes.reuse != Reuse::Allowed {
            self.before.copy_from_slice(&self.chains);
            self.matching.clear(events.len());
        }
        while met != 0 {
            let step = met.trailing_zeros() as usize;
            met &= met - 1;
            let out_of_order = modes.strict_order && self.depth > 0 && step > self.depth;
            let again = modes.strict_deduplication && step > 0 && step < self.depth;
            if out_of_order || again {
                return ControlFlow::Break(());
            }
            // The first of the steps that the chain makes now.
            let (chains, from) = match modes.reuse {
                Reuse::Allowed => (&self.chains, step),
                Reuse::OtherTime => (&self.before, step),
                Reuse::OtherEvent => (&self.before, self.matching.add(events, step)),
            };
            let chain = match from.checked_sub(1) {
                None => Some((tick, None)),
                Some(last) => chains[last]
                    .filter(|chain| tick.saturating_sub(chain.start) <= window)
                    .map(|chain| (chain.start, Some(chain.last))),
            };
            if let Some((start, last)) = chain
                && self.chains[step].is_none_or(|known| known.start < start)
            {
                self.chains[step] = self.prolonged(start, last, tick, step + 1 - from);
                if step == self.depth {
                    self.depth += 1;
                    self.deepest = self.chains[step].map(|chain| chain.last);
                    if self.depth == steps {
                        return ControlFlow::Break(());
                    }
                }
            }
            let twice = repeated >> step & 1 == 1;
            if modes.strict_deduplication && step > 0 && twice && step < self.depth {
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    }

    /// A chain with so many more events at this time.
    fn prolonged(
        &mut self,
        start: i64,
        mut last: Option<u32>,
        tick: i64,
        events: usize,
    ) -> Option<Chain> {
        for _ in 0..events {
            self.links.push(Link { tick, before: last });
            last = Some(self.links.len() as u32 - 1);
        }
        last.map(|last| Chain { start, last })
    }
}

/// Gives each of the latest steps an event of its own among those of one time.
#[derive(Debug, Default)]
struct Matching {
    /// The steps from here to `to` have events, `to` excluded.
    from: usize,
    to: usize,
    /// The step that has each event.
    owners: Vec<Option<usize>>,
    seen: Vec<bool>,
}

impl Matching {
    fn clear(&mut self, events: usize) {
        self.from = 0;
        self.to = 0;
        self.owners.clear();
        self.owners.resize(events, None);
    }

    /// Adds a step for which there is an event. Returns the first step of the longest run up to this one whose
    /// steps can all have events of their own.
    fn add(&mut self, events: &[Event], step: usize) -> usize {
        if step != self.to {
            self.owners.fill(None);
            self.from = step;
        }
        self.to = step + 1;
        loop {
            self.seen.clear();
            self.seen.resize(events.len(), false);
            if self.give(events, step) || self.from == step {
                return self.from;
            }
            for owner in &mut self.owners {
                owner.take_if(|owner| *owner == self.from);
            }
            self.from += 1;
        }
    }

    /// Finds an event for a step; the step that has it may move to another one (Kuhn 1955).
    fn give(&mut self, events: &[Event], step: usize) -> bool {
        for index in 0..events.len() {
            if events[index].met >> step & 1 == 0 || self.seen[index] {
                continue;
            }
            self.seen[index] = true;
            if self.owners[index].is_none_or(|owner| self.give(events, owner)) {
                self.owners[index] = Some(step);
                return true;
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Every chain there is, by brute force: for each depth the times and rows of all chains, with the rules of the
    /// modes read aloud. Returns the depth, the latest start and the end of the first that came so deep, and the times of
    /// all chains of that depth.
    fn oracle(events: &[Event], funnel: Funnel) -> (usize, Vec<i64>, Vec<Vec<i64>>) {
        let Funnel {
            steps,
            window,
            modes,
        } = funnel;
        let mut chains: Vec<Vec<Vec<(i64, usize)>>> = vec![Vec::new(); steps];
        let mut first: Vec<Vec<i64>> = vec![Vec::new(); steps];
        let mut ticks: Vec<_> = events.iter().map(|event| event.tick).collect();
        ticks.dedup();
        'end: for tick in ticks {
            let now: Vec<_> = (0..events.len())
                .filter(|&row| events[row].tick == tick)
                .collect();
            let started = !chains[0].is_empty();
            if modes.strict_order && started && now.iter().any(|&row| events[row].met == 0) {
                break;
            }
            for step in 0..steps {
                let rows: Vec<_> = now
                    .iter()
                    .copied()
                    .filter(|&row| events[row].met >> step & 1 == 1)
                    .collect();
                if rows.is_empty() {
                    continue;
                }
                if step == 0 {
                    chains[0].extend(rows.iter().map(|&row| vec![(tick, row)]));
                } else {
                    if modes.strict_deduplication && !chains[step].is_empty() {
                        break 'end;
                    }
                    if modes.strict_order && !chains[0].is_empty() && chains[step - 1].is_empty() {
                        break 'end;
                    }
                    let mut longer = Vec::new();
                    for chain in &chains[step - 1] {
                        for &row in &rows {
                            let allowed = match modes.reuse {
                                Reuse::Allowed => true,
                                Reuse::OtherEvent => chain.iter().all(|link| link.1 != row),
                                Reuse::OtherTime => chain.iter().all(|link| link.0 != tick),
                            };
                            if allowed && tick - chain[0].0 <= window {
                                let mut chain = chain.clone();
                                chain.push((tick, row));
                                longer.push(chain);
                            }
                        }
                    }
                    chains[step].extend(longer);
                }
                if first[step].is_empty() && !chains[step].is_empty() {
                    let latest = chains[step].iter().map(|chain| chain[0].0).max();
                    first[step] = vec![latest.unwrap(), tick];
                    if step + 1 == steps {
                        break 'end;
                    }
                }
                if step > 0
                    && modes.strict_deduplication
                    && rows.len() > 1
                    && !chains[step].is_empty()
                {
                    break 'end;
                }
            }
        }
        let depth = chains
            .iter()
            .take_while(|chains| !chains.is_empty())
            .count();
        let Some(deepest) = depth.checked_sub(1) else {
            return (0, Vec::new(), Vec::new());
        };
        let times = |chain: &Vec<(i64, usize)>| chain.iter().map(|link| link.0).collect();
        let whole = chains[deepest].iter().map(times).collect();
        (depth, first.swap_remove(deepest), whole)
    }

    fn modes() -> impl Strategy<Value = Modes> {
        let reuse = prop_oneof![
            Just(Reuse::Allowed),
            Just(Reuse::OtherEvent),
            Just(Reuse::OtherTime)
        ];
        (any::<bool>(), any::<bool>(), reuse).prop_map(
            |(strict_deduplication, strict_order, reuse)| Modes {
                strict_deduplication,
                strict_order,
                reuse,
            },
        )
    }

    /// Events of up to four conditions, some of them at one time.
    fn events(most: usize) -> impl Strategy<Value = Vec<Event>> {
        let met = prop_oneof![
            4 => (0_u64..4).prop_map(|step| 1 << step),
            2 => 0_u64..16,
        ];
        let event = (0_i64..12, met).prop_map(|(tick, met)| Event { tick, met });
        proptest::collection::vec(event, 0..most).prop_map(|mut events| {
            events.sort_by_key(|event| event.tick);
            events
        })
    }

    fn check(events: &[Event], funnel: Funnel) -> Result<(), TestCaseError> {
        let (depth, ends, chains) = oracle(events, funnel);
        let mut search = Search::new(funnel);
        let mut times = Vec::new();
        prop_assert_eq!(search.times(events, &mut times), depth);
        prop_assert_eq!(times.len(), depth);
        prop_assert!(
            depth == 0 || chains.contains(&times),
            "{:?} is no chain",
            times
        );
        if let [first, last] = ends[..] {
            prop_assert_eq!((times[0], times[depth - 1]), (first, last));
        }
        Ok(())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1_000_000))]

        #[test]
        fn equals_brute_force(
            events in events(8),
            steps in 1_usize..5,
            window in 0_i64..12,
            modes in modes(),
        ) {
            let kept = events.iter().map(|event| Event { met: event.met & ((1 << steps) - 1), ..*event });
            let kept: Vec<_> = kept.filter(|event| event.met != 0 || modes.strict_order).collect();
            check(&kept, Funnel { steps, window, modes })?;
        }
    }

    fn depth(events: &[(i64, u64)], mode: &str) -> usize {
        let events: Vec<_> = events
            .iter()
            .map(|&(tick, met)| Event { tick, met })
            .collect();
        let funnel = Funnel {
            steps: 3,
            window: 10,
            modes: Modes::parse(mode).unwrap(),
        };
        Search::new(funnel).depth(&events)
    }

    const A: u64 = 1;
    const B: u64 = 2;
    const C: u64 = 4;

    #[test]
    fn the_window_counts_from_the_first_step() {
        assert_eq!(depth(&[(0, A), (5, B), (10, C)], ""), 3);
        assert_eq!(depth(&[(0, A), (5, B), (11, C)], ""), 2);
        assert_eq!(
            depth(&[(0, A), (2, A), (5, B), (12, C)], ""),
            3,
            "a later start"
        );
        assert_eq!(depth(&[(0, B), (1, C)], ""), 0);
        assert_eq!(depth(&[], ""), 0);
        assert_eq!(depth(&[(i64::MIN, A), (i64::MAX, B)], ""), 1, "no overflow");
    }

    #[test]
    fn one_event_may_make_several_steps_unless_it_is_strict() {
        for (mode, expected) in [("", 3), ("strict_once", 1), ("strict_increase", 1)] {
            assert_eq!(depth(&[(0, A | B | C)], mode), expected, "{mode}");
        }
        assert_eq!(depth(&[(0, A), (0, C), (0, B)], "strict_once"), 3);
        assert_eq!(depth(&[(0, A | B), (0, A | B)], "strict_once"), 2);
        assert_eq!(depth(&[(0, A), (1, B), (2, B | C)], "strict_once"), 3);
    }

    #[test]
    fn strict_increase_keeps_the_start_that_a_later_one_hides() {
        assert_eq!(
            depth(&[(1, A), (3, A), (3, B), (4, C)], "strict_increase"),
            3
        );
        assert_eq!(
            depth(&[(1, A), (2, B), (3, A), (4, B | C)], "strict_increase"),
            3
        );
    }

    #[test]
    fn strict_order_and_deduplication_end_the_search() {
        assert_eq!(depth(&[(0, A), (1, B), (2, 0), (3, C)], "strict_order"), 2);
        assert_eq!(depth(&[(0, 0), (1, A), (2, C), (3, B)], "strict_order"), 1);
        assert_eq!(
            depth(&[(0, A), (1, B), (2, B), (3, C)], "strict_deduplication"),
            2
        );
        assert_eq!(
            depth(&[(0, A), (1, A), (2, B), (3, C)], "strict_deduplication"),
            3
        );
    }

    #[test]
    fn a_funnel_may_have_64_steps() {
        let events: Vec<_> = (0..64)
            .map(|step| Event {
                tick: 0,
                met: 1 << step,
            })
            .collect();
        for mode in ["", "strict_once"] {
            let modes = Modes::parse(mode).unwrap();
            let funnel = Funnel {
                steps: 64,
                window: 1,
                modes,
            };
            assert_eq!(Search::new(funnel).depth(&events), 64);
        }
    }
}
