//! A pattern at work on the ordered events of one visitor.
//!
//! All beginnings of the pattern are followed at once. Of those that end in the same part only the events are kept
//! that may still be continued, and mostly one is enough; so the work grows with events times parts, whatever the
//! pattern, and there is nothing to try again.

use std::collections::VecDeque;

use super::pattern::{Gap, Pattern};
use crate::clickstream::streams::Event;

/// An automaton for one pattern; used for one visitor after the other.
#[derive(Debug)]
pub(crate) struct Automaton {
    parts: Vec<State>,
}

/// What is known of the beginnings of the pattern that end in one part.
#[derive(Debug)]
struct State {
    /// The bits of the conditions that an event may meet.
    met: u64,
    /// How the next part may follow.
    next: Next,
    /// The last event that ended such a beginning.
    last: Option<usize>,
    /// The times, ascending, of those events after which the next part may come later.
    open: VecDeque<i64>,
}

#[derive(Debug, Clone, Copy)]
enum Next {
    AtOnce,
    /// After this many ticks.
    Later {
        least: i64,
        most: i64,
    },
}

impl Automaton {
    /// For events whose ticks have so many nanoseconds.
    pub(crate) fn new(pattern: &Pattern, unit: i128) -> Self {
        let ticks = |nanos: i128| i64::try_from(nanos).unwrap_or(i64::MAX);
        let gaps = pattern.parts.iter().skip(1).map(|part| match part.gap {
            Gap::Next => Next::AtOnce,
            Gap::Later { least, most } => Next::Later {
                least: ticks(least.div_euclid(unit) + i128::from(least.rem_euclid(unit) > 0)),
                most: ticks(most.div_euclid(unit)),
            },
        });
        // Nothing follows the last part.
        let gaps = gaps.chain([Next::AtOnce]);
        let parts = pattern.parts.iter().zip(gaps);
        Self {
            parts: parts
                .map(|(part, next)| State {
                    met: part.condition.map_or(u64::MAX, |condition| 1 << condition),
                    next,
                    last: None,
                    open: VecDeque::new(),
                })
                .collect(),
        }
    }

    /// How often the pattern is found, at most so many times; found chains do not overlap.
    pub(crate) fn count(&mut self, events: &[Event], most: u64) -> u64 {
        let mut count = 0;
        let mut start = 0;
        while count < most
            && let Some(end) = self.find(events, start)
        {
            start = end;
            count += 1;
        }
        count
    }

    /// Finds the chain that ends first, and returns where to go on after it.
    fn find(&mut self, events: &[Event], start: usize) -> Option<usize> {
        for state in &mut self.parts {
            state.last = None;
            state.open.clear();
        }
        // Parts after this one cannot be reached yet.
        let mut furthest = 0;
        let last = self.parts.len() - 1;
        for (index, event) in events.iter().enumerate().skip(start) {
            // From the end, so that one event does not take two parts.
            for part in (0..=furthest).rev() {
                let follows = event.met & self.parts[part].met != 0
                    && (part == 0 || self.parts[part - 1].leads_to(index, event.tick));
                if follows {
                    if part == last {
                        return Some(index + 1);
                    }
                    self.parts[part].reach(index, event.tick);
                    furthest = furthest.max(part + 1);
                }
            }
        }
        None
    }
}

impl State {
    /// Whether the next part may be the event at this place and time, which is the latest so far.
    fn leads_to(&mut self, index: usize, tick: i64) -> bool {
        match self.next {
            Next::AtOnce => self.last.is_some_and(|last| last + 1 == index),
            Next::Later { least, most } => {
                let since = |open: &i64| tick.saturating_sub(*open);
                while self.open.front().is_some_and(|open| since(open) > most) {
                    self.open.pop_front();
                }
                self.open.front().is_some_and(|open| since(open) >= least)
            }
        }
    }

    /// Notes that a beginning ends here.
    fn reach(&mut self, index: usize, tick: i64) {
        self.last = Some(index);
        let Next::Later { least, most } = self.next else {
            return;
        };
        if least == 0 {
            // The next part may come at once: the latest time is good for longest.
            self.open.clear();
        } else if most == i64::MAX && !self.open.is_empty() {
            // The first time is good soonest, and for ever.
            return;
        }
        if self.open.back() != Some(&tick) {
            self.open.push_back(tick);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The end of the first chain in the order of its events, by trying everything.
    fn oracle(pattern: &Pattern, events: &[Event], start: usize) -> Option<usize> {
        fn rest(pattern: &Pattern, events: &[Event], part: usize, last: usize) -> Option<usize> {
            let Some(next) = pattern.parts.get(part) else {
                return Some(last + 1);
            };
            for index in last + 1..events.len() {
                let close = match next.gap {
                    Gap::Next => index == last + 1,
                    Gap::Later { least, most } => {
                        let nanos =
                            i128::from(events[index].tick - events[last].tick) * 1_000_000_000;
                        (least..=most).contains(&nanos)
                    }
                };
                if close
                    && is(next.condition, events[index])
                    && let Some(end) = rest(pattern, events, part + 1, index)
                {
                    return Some(end);
                }
            }
            None
        }
        let is = |condition: Option<u32>, event: Event| is(condition, event);
        (start..events.len())
            .filter(|&index| is(pattern.parts[0].condition, events[index]))
            .find_map(|index| rest(pattern, events, 1, index))
    }

    fn is(condition: Option<u32>, event: Event) -> bool {
        condition.is_none_or(|condition| event.met >> condition & 1 == 1)
    }

    fn pattern() -> impl Strategy<Value = String> {
        let part = prop_oneof![
            5 => (1_u32..4).prop_map(|condition| format!("(?{condition})")),
            1 => Just(".".to_owned()),
        ];
        let operator = prop::sample::select(vec!["<=", "<", ">=", ">", "=="]);
        let time =
            (operator, 0_u32..7).prop_map(|(operator, seconds)| format!("(?t{operator}{seconds})"));
        let gap = prop_oneof![
            2 => Just(String::new()),
            2 => Just(".*".to_owned()),
            4 => time.clone(),
            1 => (time.clone(), time).prop_map(|(a, b)| format!("{a}{b}")),
        ];
        (part.clone(), proptest::collection::vec((gap, part), 0..4)).prop_map(|(first, parts)| {
            let parts = parts.into_iter().map(|(gap, part)| gap + &part);
            first + &parts.collect::<String>()
        })
    }

    fn events() -> impl Strategy<Value = Vec<Event>> {
        let event = (
            0_i64..14,
            prop_oneof![3 => (0_u64..3).prop_map(|c| 1 << c), 1 => 1_u64..8],
        );
        let event = event.prop_map(|(tick, met)| Event { tick, met });
        proptest::collection::vec(event, 0..12).prop_map(|mut events| {
            events.sort_by_key(|event| event.tick);
            events
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1_000_000))]

        #[test]
        fn equals_trying_everything(text in pattern(), events in events()) {
            let pattern = Pattern::parse(&text, 3).unwrap();
            let mut expected = 0;
            let mut start = 0;
            while let Some(end) = oracle(&pattern, &events, start) {
                expected += 1;
                start = end;
            }
            let mut automaton = Automaton::new(&pattern, 1_000_000_000);
            prop_assert_eq!(automaton.count(&events, u64::MAX), expected, "{}", text);
            prop_assert_eq!(automaton.count(&events, 1), expected.min(1), "{}", text);
        }
    }

    fn count(text: &str, unit: i128, events: &[(i64, u64)]) -> u64 {
        let events: Vec<_> = events
            .iter()
            .map(|&(tick, met)| Event { tick, met })
            .collect();
        let pattern = Pattern::parse(text, 64).unwrap();
        Automaton::new(&pattern, unit).count(&events, u64::MAX)
    }

    #[test]
    fn times_are_exact_in_every_unit() {
        const MILLI: i128 = 1_000_000;
        const DAY: i128 = 86_400_000_000_000;
        assert_eq!(count("(?1)(?t<2)(?2)", MILLI, &[(0, 1), (1999, 2)]), 1);
        assert_eq!(count("(?1)(?t<2)(?2)", MILLI, &[(0, 1), (2000, 2)]), 0);
        assert_eq!(count("(?1)(?t>2)(?2)", MILLI, &[(0, 1), (2001, 2)]), 1);
        assert_eq!(count("(?1)(?t==86400)(?2)", DAY, &[(0, 1), (1, 2)]), 1);
        assert_eq!(count("(?1)(?t==86401)(?2)", DAY, &[(0, 1), (1, 2)]), 0);
        assert_eq!(count("(?1)(?t>=86401)(?2)", DAY, &[(0, 1), (2, 2)]), 1);
        assert_eq!(count("(?1)(?t<=86399)(?2)", DAY, &[(0, 1), (0, 2)]), 1);
        let ends = [(i64::MIN, 1), (i64::MAX, 2)];
        assert_eq!(count("(?1)(?t>=18446744073709551615)(?2)", 1, &ends), 1);
        assert_eq!(count("(?1)(?t<=9)(?2)", 1, &ends), 0);
    }

    #[test]
    fn fifty_parts_over_a_million_events_end_soon() {
        let events: Vec<_> = (0..1_000_000).map(|tick| (tick, 1)).collect();
        for gap in [".*", "(?t>=1)", "(?t<=3)", "(?t==1)", "."] {
            // The condition of the last part is never met: the most work there can be.
            let text = format!("(?1){gap}").repeat(49) + "(?2)";
            assert_eq!(count(&text, 1_000_000_000, &events), 0);
        }
    }
}
