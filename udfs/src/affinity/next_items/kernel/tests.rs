use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use arrow::datatypes::{DataType, TimeUnit};
use proptest::prelude::*;

use super::super::super::groups::in_order_of_ids;
use super::*;
use crate::relation::threads::in_order;

/// Session, item, score, neighbours, rank.
type Row = (u32, u32, f64, u32, u32);
/// Session, item, time.
type Click = (u32, u32, i64);

const SECOND: DataType = DataType::Timestamp(TimeUnit::Second, None);

#[derive(Debug, Clone)]
struct Case {
    past: Vec<Click>,
    current: Vec<Click>,
    /// Places in the order of ids of items, past sessions, current sessions.
    items: Vec<u32>,
    past_sessions: Vec<u32>,
    sessions: Vec<u32>,
    /// The code in the past of each current session.
    same: Vec<u32>,
    options: Options,
}

impl Case {
    fn run(&self, work: &Work) -> Result<Vec<Row>, Halt> {
        let mut past = Past {
            ends: vec![i64::MIN; self.past_sessions.len()],
            ..Past::default()
        };
        for &(session, item, time) in &self.past {
            past.session.push(session);
            past.item.push(item);
            let end = &mut past.ends[session as usize];
            *end = time.max(*end);
        }
        let current = Current {
            session: self.current.iter().map(|click| click.0).collect(),
            item: self.current.iter().map(|click| click.1).collect(),
            time: self.current.iter().map(|click| click.2).collect(),
            same: self.same.clone(),
        };
        let index = Index::new(&past, self.items.len(), &self.past_sessions, work)?;
        let ranks = [self.items.as_slice(), &self.sessions];
        let cutoffs = Cutoffs::new(&SECOND, &SECOND).unwrap();
        let all = Sessions::new(&index, &current, ranks, cutoffs, self.options, work)?;
        let mut found = Vec::new();
        in_order(
            all.shares(),
            work.threads(),
            || all.worker(work),
            |rows| {
                let rows = rows?;
                found.extend((0..rows.who.len()).map(|row| {
                    (
                        rows.who[row],
                        rows.item[row],
                        rows.score[row],
                        rows.support[row],
                        rows.rank[row],
                    )
                }));
                Ok::<_, Halt>(())
            },
        )?;
        Ok(found)
    }

    /// Session by session, as the documentation says it.
    fn by_sets(&self) -> Vec<Row> {
        let sessions = in_order_of_ids(&self.sessions);
        sessions
            .into_iter()
            .flat_map(|session| self.of(session))
            .collect()
    }

    fn of(&self, session: u32) -> Vec<Row> {
        let mut latest: BTreeMap<u32, i64> = BTreeMap::new();
        for &(_, item, time) in self.current.iter().filter(|click| click.0 == session) {
            let known = latest.entry(item).or_insert(time);
            *known = time.max(*known);
        }
        let Some(end) = latest.values().max().copied() else {
            return Vec::new();
        };
        let mut last: Vec<u32> = latest.keys().copied().collect();
        last.sort_by_key(|item| (-latest[item], self.items[*item as usize]));
        last.truncate(self.options.last_items);

        let mut known: BTreeMap<u32, (i64, BTreeSet<u32>)> = BTreeMap::new();
        for &(past, item, time) in &self.past {
            let entry = known.entry(past).or_insert((time, BTreeSet::new()));
            entry.0 = entry.0.max(time);
            entry.1.insert(item);
        }
        known
            .retain(|past, (past_end, _)| *past_end <= end && self.same[session as usize] != *past);
        let (known, last) = (&known, &last);
        let shared = |past: u32| {
            last.iter()
                .filter(move |item| known[&past].1.contains(item))
        };
        let mut sample: Vec<u32> = known.keys().copied().collect();
        sample.retain(|&past| shared(past).next().is_some());
        sample.sort_by_key(|past| (-known[past].0, self.past_sessions[*past as usize]));
        sample.truncate(self.options.sample);
        let place = |item: u32| last.iter().position(|&other| other == item).unwrap();
        let similarity = |past: u32| -> u64 {
            shared(past)
                .map(|&item| (last.len() - place(item)) as u64)
                .sum()
        };
        // Stable: the latest stay first among equals.
        sample.sort_by_key(|&past| std::cmp::Reverse(similarity(past)));
        sample.truncate(self.options.neighbours);

        let mut found = Vec::new();
        for item in in_order_of_ids(&self.items) {
            let (mut weight, mut neighbours) = (0, 0);
            for &past in sample.iter().filter(|past| known[past].1.contains(&item)) {
                let steps = shared(past)
                    .map(|&item| place(item) as u64 + 1)
                    .min()
                    .unwrap();
                if steps < 10 {
                    weight += similarity(past) * (10 - steps);
                    neighbours += 1;
                }
            }
            if neighbours > 0 && item != last[0] {
                let with = known
                    .values()
                    .filter(|(_, items)| items.contains(&item))
                    .count();
                let rarity = (known.len() as f64 / with as f64).ln();
                let score = weight as f64 / (10 * last.len()) as f64 * rarity;
                found.push((session, item, score, neighbours, 0));
            }
        }
        found.sort_by(|a: &Row, b| b.2.total_cmp(&a.2).then(b.3.cmp(&a.3)));
        found.truncate(self.options.k);
        for (row, rank) in found.iter_mut().zip(1..) {
            row.4 = rank;
        }
        found
    }
}

fn shuffled(count: u32) -> impl Strategy<Value = Vec<u32>> {
    Just((0..count).collect::<Vec<_>>()).prop_shuffle()
}

prop_compose! {
    fn case()(
        // Few times, so that there are ties of every kind.
        past in proptest::collection::vec((0..14_u32, 0..13_u32, 0..8_i64), 0..90),
        current in proptest::collection::vec((0..5_u32, 0..14_u32, 0..9_i64), 0..60),
        items in shuffled(14),
        past_sessions in shuffled(14),
        sessions in shuffled(5),
        same in proptest::collection::vec(prop_oneof![0..14_u32, Just(u32::MAX)], 5),
        k in 1_usize..6,
        sample in 1_usize..14,
        neighbours in 1_usize..8,
        last_items in 1_usize..13,
    ) -> Case {
        let options = Options { k, sample, neighbours, last_items };
        Case { past, current, items, past_sessions, sessions, same, options }
    }
}

proptest! {
    #[test]
    fn as_by_sets_in_any_order_on_any_number_of_threads(mut case in case(), turn in 0_usize..60) {
        let expected = case.by_sets();
        prop_assert_eq!(case.run(&Work::unlimited(1)).unwrap(), expected.clone());
        let turns = [turn.min(case.past.len()), turn.min(case.current.len())];
        case.past.rotate_left(turns[0]);
        case.current.rotate_left(turns[1]);
        prop_assert_eq!(case.run(&Work::unlimited(3)).unwrap(), expected);
    }
}

const ALL: Options = Options {
    k: 9,
    sample: 9,
    neighbours: 9,
    last_items: 20,
};

/// One session of items 0, 1, 2 … one after the other, and a past session with the first of them and one more.
fn long(items: u32) -> Case {
    Case {
        past: vec![(0, 0, 0), (0, items, 0), (1, items + 1, 0)],
        current: (0..items).map(|item| (0, item, i64::from(item))).collect(),
        items: (0..items + 2).collect(),
        past_sessions: vec![0, 1],
        sessions: vec![0],
        same: vec![u32::MAX],
        options: ALL,
    }
}

#[test]
fn ten_steps_back_says_nothing_and_never_the_opposite() {
    let found = long(9).run(&Work::unlimited(1)).unwrap();
    let scored: Vec<_> = found.iter().map(|row| (row.1, row.3)).collect();
    assert_eq!(scored, [(0, 1), (9, 1)]);
    assert!(found[0].2 > 0.0, "{found:?}");
    for items in [10, 11, 15] {
        assert!(long(items).run(&Work::unlimited(1)).unwrap().is_empty());
    }
}

#[test]
fn the_future_counts_for_nothing() {
    let mut case = long(1);
    let before = case.run(&Work::unlimited(1)).unwrap();
    assert_eq!(before.len(), 1);
    // A session that began earlier, but ended later.
    case.past_sessions = vec![0, 1, 2];
    case.past.extend([(2, 0, -1), (2, 2, 1)]);
    assert_eq!(case.run(&Work::unlimited(1)).unwrap(), before);
    case.current[0].2 = 1;
    assert_ne!(case.run(&Work::unlimited(1)).unwrap(), before);
}

/// More sessions than a share has.
fn large() -> Case {
    let mut case = long(2);
    case.sessions = (0..1000).collect();
    case.same = vec![u32::MAX; 1000];
    case.current = (0..1000).map(|session| (session, 0, 5)).collect();
    case
}

#[test]
fn without_memory_it_says_so() {
    for limit in [0, 50, 5000, 9000] {
        let held = Arc::new(std::sync::Mutex::new(0));
        let given_back = Arc::clone(&held);
        let grow = move |bytes| {
            let mut held = held.lock().unwrap();
            if *held + bytes > limit {
                return Err("no bytes left".to_owned());
            }
            *held += bytes;
            Ok(())
        };
        let shrink = move |bytes| *given_back.lock().unwrap() -= bytes;
        let stop = Arc::new(AtomicBool::new(false));
        let work = Work::new(2, stop, Box::new(grow), Box::new(shrink));
        let halt = large().run(&work).unwrap_err();
        assert_eq!(halt, Halt::Memory("no bytes left".to_owned()), "{limit}");
    }
}

#[test]
fn it_ends_when_nobody_waits() {
    let stopped = Arc::new(AtomicBool::new(true));
    let work = Work::new(2, stopped, Box::new(|_| Ok(())), Box::new(|_| ()));
    assert_eq!(large().run(&work).unwrap_err(), Halt::Cancelled);
}
