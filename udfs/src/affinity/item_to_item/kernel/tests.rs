use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use proptest::prelude::*;

use super::*;

const MEASURES: [Measure; 6] = [
    Measure::Count,
    Measure::Jaccard,
    Measure::Cosine,
    Measure::Lift,
    Measure::Llr,
    Measure::Conditional,
];

/// Item, other, score, support, rank.
type Row = (u32, u32, f64, u32, u32);

fn rows(found: &Neighbours) -> Vec<Row> {
    let rows = 0..found.item.len();
    rows.map(|row| {
        (
            found.item[row],
            found.other[row],
            found.score[row],
            found.support[row],
            found.rank[row],
        )
    })
    .collect()
}

fn run(views: &[(u32, u32)], ranks: &[u32], options: Options, threads: usize) -> Vec<Row> {
    let work = Work::unlimited(threads);
    let views = views_of(views, &work);
    rows(&item_to_item(views, ranks, &options, &work).unwrap())
}

/// Some rows at a time.
fn views_of(rows: &[(u32, u32)], work: &Work) -> Views {
    let mut views = Views::default();
    for rows in rows.chunks(7) {
        let (visitors, items): (Vec<_>, Vec<_>) = rows.iter().copied().unzip();
        views.push(&visitors, &items, work).unwrap();
    }
    views
}

/// Every pair of items, by the sets of their visitors.
fn by_sets(views: &[(u32, u32)], ranks: &[u32], options: Options) -> Vec<Row> {
    let mut carts: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
    for &(visitor, item) in views {
        if visitor != u32::MAX && item != u32::MAX {
            carts.entry(visitor).or_default().insert(item);
        }
    }
    carts.retain(|_, items| items.len() <= options.max_items);
    let of = |item: u32| -> BTreeSet<u32> {
        let with = carts.iter().filter(|(_, items)| items.contains(&item));
        with.map(|(visitor, _)| *visitor).collect()
    };
    let mut items: Vec<u32> = (0..ranks.len() as u32).collect();
    items.sort_by_key(|&item| ranks[item as usize]);
    let mut all = Vec::new();
    for &item in &items {
        let a = of(item);
        let mut others = Vec::new();
        for &other in items.iter().filter(|&&other| other != item) {
            let b = of(other);
            let both = a.intersection(&b).count() as u64;
            if both > 0 && both >= options.min_support {
                let score = options.measure.score(
                    both as f64,
                    a.len() as f64,
                    b.len() as f64,
                    carts.len() as f64,
                );
                others.push((item, other, score, both as u32, 0));
            }
        }
        // Stable: ids stay in order among equals.
        others.sort_by(|x: &Row, y| y.2.total_cmp(&x.2).then(y.3.cmp(&x.3)));
        others.truncate(options.k);
        for (place, row) in others.iter_mut().enumerate() {
            row.4 = place as u32 + 1;
        }
        all.append(&mut others);
    }
    all
}

fn code(most: u32) -> impl Strategy<Value = u32> {
    prop_oneof![9 => 0..most, 1 => Just(u32::MAX)]
}

proptest! {
    #[test]
    fn as_by_sets_in_any_order_on_any_number_of_threads(
        views in proptest::collection::vec((code(12), code(9)), 0..120),
        ranks in Just((0..9_u32).collect::<Vec<_>>()).prop_shuffle(),
        k in 1_usize..5,
        min_support in 1_u64..3,
        max_items in 1_usize..10,
        measure in 0..MEASURES.len(),
        turn in 0_usize..120,
    ) {
        let options = Options { k, measure: MEASURES[measure], min_support, max_items };
        let expected = by_sets(&views, &ranks, options);
        prop_assert_eq!(&run(&views, &ranks, options, 1), &expected);
        let mut turned = views.clone();
        turned.rotate_left(turn.min(views.len()));
        prop_assert_eq!(&run(&turned, &ranks, options, 3), &expected);
        // The same with the wider labels of large catalogues.
        let work = Work::unlimited(2);
        let wide = with_labels::<u32>(views_of(&views, &work), &ranks, &options, &work).unwrap();
        prop_assert_eq!(&rows(&wide), &expected);
    }
}

const COUNTED: Options = Options {
    k: 1,
    measure: Measure::Count,
    min_support: 1,
    max_items: 9,
};

#[test]
fn without_memory_it_says_so() {
    let views = views_of(&[(0, 0), (0, 1)], &Work::unlimited(1));
    let refuse = |_| Err("no bytes left".to_owned());
    let stop = Arc::new(AtomicBool::new(false));
    let work = Work::new(2, stop, Box::new(refuse), Box::new(|_| ()));
    let halt = item_to_item(views, &[0, 1], &COUNTED, &work).unwrap_err();
    assert_eq!(halt, Halt::Memory("no bytes left".to_owned()));
}

#[test]
fn it_ends_when_nobody_waits() {
    let views = views_of(&[(0, 0), (0, 1)], &Work::unlimited(1));
    let stopped = Arc::new(AtomicBool::new(true));
    let work = Work::new(2, stopped, Box::new(|_| Ok(())), Box::new(|_| ()));
    let halt = item_to_item(views, &[0, 1], &COUNTED, &work).unwrap_err();
    assert_eq!(halt, Halt::Cancelled);
}
