use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use proptest::prelude::*;

use super::super::super::groups::in_order_of_ids;
use super::*;
use crate::relation::threads::in_order;

/// Visitor, item, score, evidence, rank.
type Row = (u32, u32, f64, u32, u32);

struct Case {
    pairs: BTreeMap<(u32, u32), f64>,
    rows: Vec<(u32, u32, f64)>,
    weighted: bool,
    items: Vec<u32>,
    visitors: Vec<u32>,
    k: usize,
}

impl Case {
    fn histories(&self) -> Histories {
        let weights = self.rows.iter().map(|row| row.2).collect();
        Histories {
            visitor: self.rows.iter().map(|row| row.0).collect(),
            item: self.rows.iter().map(|row| row.1).collect(),
            weight: self.weighted.then_some(weights),
        }
    }

    fn run(&self, work: &Work) -> Result<Vec<Row>, Halt> {
        let pairs = Pairs {
            item: self.pairs.keys().map(|pair| pair.0).collect(),
            other: self.pairs.keys().map(|pair| pair.1).collect(),
            score: self.pairs.values().copied().collect(),
        };
        let graph = Graph::new(&pairs, &self.items, work)?;
        let graph = graph.unwrap_or_else(|twice| panic!("{twice:?}"));
        let histories = self.histories();
        let ranks = [self.items.as_slice(), &self.visitors];
        let visitors = Visitors::new(&graph, &histories, ranks, self.k, work)?;
        let mut all = Vec::new();
        in_order(
            visitors.shares(),
            work.threads(),
            || visitors.worker(work),
            |rows| {
                let rows = rows?;
                all.extend((0..rows.who.len()).map(|row| {
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
        Ok(all)
    }

    /// Item by item, as the documentation says it.
    fn by_maps(&self) -> Vec<Row> {
        let mut all = Vec::new();
        for visitor in in_order_of_ids(&self.visitors) {
            let mut own: BTreeMap<u32, f64> = BTreeMap::new();
            for &(_, item, weight) in self.rows.iter().filter(|row| row.0 == visitor) {
                let sum = own.entry(item).or_default();
                *sum = if self.weighted { *sum + weight } else { 1.0 };
            }
            let mut found = Vec::new();
            for item in in_order_of_ids(&self.items) {
                let speaks = |(&mine, &weight): (&u32, &f64)| {
                    let score = self.pairs.get(&(mine, item)).copied()?;
                    (weight > 0.0).then_some(weight * score)
                };
                let terms: Vec<f64> = own.iter().filter_map(speaks).collect();
                if !terms.is_empty() && !own.contains_key(&item) {
                    found.push((visitor, item, terms.iter().sum(), terms.len() as u32, 0));
                }
            }
            // Stable: ids stay in order among equals.
            found.sort_by(|a: &Row, b| b.2.total_cmp(&a.2).then(b.3.cmp(&a.3)));
            found.truncate(self.k);
            for (row, rank) in found.iter_mut().zip(1..) {
                row.4 = rank;
            }
            all.append(&mut found);
        }
        all
    }
}

/// Weights and scores are quarters, so that sums are exact and there are many ties.
fn quarters(range: std::ops::Range<i32>) -> impl Strategy<Value = f64> {
    range.prop_map(|quarters| f64::from(quarters) / 4.0)
}

prop_compose! {
    fn case()(
        pairs in proptest::collection::btree_map((0..9_u32, 0..9_u32), quarters(-4..9), 0..50),
        rows in proptest::collection::vec((0..7_u32, 0..9_u32, quarters(0..6)), 0..60),
        weighted in any::<bool>(),
        items in Just((0..9_u32).collect::<Vec<_>>()).prop_shuffle(),
        visitors in Just((0..7_u32).collect::<Vec<_>>()).prop_shuffle(),
        k in 1_usize..5,
    ) -> Case {
        Case { pairs, rows, weighted, items, visitors, k }
    }
}

impl std::fmt::Debug for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} {:?} {}", self.pairs, self.rows, self.weighted)
    }
}

proptest! {
    #[test]
    fn as_by_maps_in_any_order_on_any_number_of_threads(mut case in case(), turn in 0_usize..60) {
        let expected = case.by_maps();
        prop_assert_eq!(case.run(&Work::unlimited(1)).unwrap(), expected.clone());
        let turn = turn.min(case.rows.len());
        case.rows.rotate_left(turn);
        prop_assert_eq!(case.run(&Work::unlimited(3)).unwrap(), expected);
    }

    #[test]
    fn sums_are_the_same_to_the_last_bit(
        scores in proptest::collection::vec(-1.0..1.0_f64, 8),
        rows in proptest::collection::vec((0..8_u32, 0.0..1.0_f64), 1..40),
        turn in 0_usize..40,
    ) {
        let pairs = (0..).zip(scores).map(|(item, score)| ((item, 8), score)).collect();
        let rows: Vec<_> = rows.into_iter().map(|(item, weight)| (0, item, weight)).collect();
        let items = (0..9).collect();
        let mut case = Case { pairs, rows, weighted: true, items, visitors: vec![0], k: 1 };
        let expected = case.run(&Work::unlimited(1)).unwrap();
        let turn = turn.min(case.rows.len());
        case.rows.rotate_left(turn);
        prop_assert_eq!(case.run(&Work::unlimited(2)).unwrap(), expected);
    }
}

/// More visitors than a share has.
fn large() -> Case {
    Case {
        pairs: [((0, 1), 0.5), ((1, 2), 0.25)].into(),
        rows: (0..5000)
            .map(|visitor| (visitor, visitor % 2, 2.0))
            .collect(),
        weighted: true,
        items: vec![0, 1, 2],
        visitors: (0..5000).rev().collect(),
        k: 3,
    }
}

#[test]
fn visitors_come_in_the_order_of_their_ids() {
    let case = large();
    let found = case.run(&Work::unlimited(3)).unwrap();
    let expected = (0..5000).rev().map(|visitor| match visitor % 2 {
        0 => (visitor, 1, 1.0, 1, 1),
        _ => (visitor, 2, 0.5, 1, 1),
    });
    assert_eq!(found, expected.collect::<Vec<_>>());
}

#[test]
fn the_first_pair_that_is_there_twice_is_named() {
    let pairs = Pairs {
        item: vec![0, 2, 1, 1, 2, 1, 2, 1],
        other: vec![1, 0, 2, 0, 0, 2, 0, 0],
        score: vec![1.0; 8],
    };
    let twice = |ranks: &[u32]| {
        let graph = Graph::new(&pairs, ranks, &Work::unlimited(1)).unwrap();
        graph.err().unwrap()
    };
    assert_eq!(twice(&[0, 1, 2]), (1, 0));
    assert_eq!(twice(&[2, 1, 0]), (2, 0));
    assert_eq!(twice(&[2, 0, 1]), (1, 2));
}

#[test]
fn a_score_beyond_all_numbers_is_an_error() {
    let mut case = large();
    case.pairs.insert((0, 1), 1e300);
    case.rows.push((8, 0, 1e300));
    let halt = case.run(&Work::unlimited(1)).map(drop).unwrap_err();
    let fault =
        "the score of an item must be a finite number, got inf; hint: make the weights smaller";
    assert_eq!(halt, Halt::Invalid(fault.to_owned()));
}

#[test]
fn without_memory_it_says_so() {
    for limit in [0, 100, 40_000, 60_000] {
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
