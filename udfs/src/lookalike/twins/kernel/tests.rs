use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::relation::ids::NO_CODE;

/// Block, and features with weights; a set when all weights are 1.
type Person = (Option<u32>, BTreeMap<u32, f64>);

/// Prospect, customer, similarity, shared, rank.
type Row = (u32, u32, f64, u32, usize);

const FEATURES: u32 = 12;
const BLOCKS: u32 = 3;

fn side(people: &[Person], sets: bool, known: impl Fn(u32) -> bool) -> People {
    let mut side = People::default();
    for (block, features) in people {
        side.blocks.push(block.unwrap_or(NO_CODE));
        for (&feature, &weight) in features.iter().filter(|(feature, _)| known(**feature)) {
            side.features.push(feature);
            if !sets {
                side.weights.push(weight);
            }
        }
        side.ends.push(side.features.len());
    }
    side
}

fn run(
    prospects: &[Person],
    customers: &[Person],
    ranks: &[u32],
    sets: bool,
    options: &Options,
    threads: usize,
) -> Vec<Row> {
    let work = Work::unlimited(threads);
    run_with(prospects, customers, ranks, sets, options, &work).unwrap()
}

fn run_with(
    prospects: &[Person],
    customers: &[Person],
    ranks: &[u32],
    sets: bool,
    options: &Options,
    work: &Work,
) -> Result<Vec<Row>, Halt> {
    let has = |feature: u32| customers.iter().any(|(_, f)| f.contains_key(&feature));
    let sides = Sides {
        customers: side(customers, sets, |_| true),
        prospects: side(prospects, sets, has),
        feature_ranks: (0..FEATURES).collect(),
        customer_ranks: ranks.to_vec(),
        blocks: BLOCKS as usize,
    };
    let mut rows = Vec::new();
    twins(sides, options, work, |prospects, twins| {
        for &prospect in prospects {
            for (place, twin) in twins.iter().enumerate() {
                rows.push((
                    prospect,
                    twin.customer,
                    twin.similarity,
                    twin.shared,
                    place + 1,
                ));
            }
        }
        Ok::<(), Halt>(())
    })?;
    rows.sort_by_key(|row| (row.0, row.4));
    Ok(rows)
}

/// Every prospect with every customer.
fn by_pairs(
    prospects: &[Person],
    customers: &[Person],
    ranks: &[u32],
    options: &Options,
) -> Vec<Row> {
    let n = customers.len() as f64;
    let df = |feature: u32| {
        customers
            .iter()
            .filter(|(_, f)| f.contains_key(&feature))
            .count()
    };
    // Rare features first, as the contract of exact ties says.
    let vector = |(_, features): &Person| -> Vec<(u32, f64, f64)> {
        let mut vector: Vec<_> = features
            .iter()
            .filter(|(feature, _)| df(**feature) > 0)
            .map(|(&feature, &weight)| (feature, weight, (n / df(feature) as f64).ln_1p()))
            .collect();
        vector.sort_by_key(|(feature, ..)| (df(*feature), *feature));
        vector
    };
    let norm = |vector: &[(u32, f64, f64)]| -> f64 {
        vector
            .iter()
            .map(|(_, weight, idf)| weight * idf * idf * weight)
            .sum()
    };
    let mut all = Vec::new();
    for (prospect, person) in prospects.iter().enumerate() {
        let own = vector(person);
        let mut found = Vec::new();
        for (customer, other) in customers.iter().enumerate() {
            if person.0.is_none() || person.0 != other.0 {
                continue;
            }
            let its = vector(other);
            let (mut product, mut shared) = (0.0, 0);
            for (feature, weight, idf) in &own {
                if let Some((_, with, _)) = its.iter().find(|(other, ..)| other == feature) {
                    product += weight * idf * idf * with;
                    shared += 1;
                }
            }
            let similarity = (product / (norm(&own) * norm(&its)).sqrt()).min(1.0);
            if shared > 0 && shared >= options.min_shared && similarity >= options.min_similarity {
                found.push((prospect as u32, customer as u32, similarity, shared, 0));
            }
        }
        found.sort_by(|a: &Row, b| {
            let ids = ranks[a.1 as usize].cmp(&ranks[b.1 as usize]);
            b.2.total_cmp(&a.2).then(b.3.cmp(&a.3)).then(ids)
        });
        found.truncate(options.k);
        for (place, row) in found.iter_mut().enumerate() {
            row.4 = place + 1;
        }
        all.extend(found);
    }
    all
}

fn people(weight: impl Strategy<Value = f64> + Clone) -> impl Strategy<Value = Vec<Person>> {
    let features = proptest::collection::btree_map(0..FEATURES, weight, 0..6);
    let person = (proptest::option::weighted(0.9, 0..BLOCKS), features);
    proptest::collection::vec(person, 0..40)
}

fn check(
    prospects: &[Person],
    customers: &[Person],
    sets: bool,
    options: &Options,
    threads: usize,
    reverse: bool,
) -> Result<(), TestCaseError> {
    let mut ranks: Vec<u32> = (0..customers.len() as u32).collect();
    if reverse {
        ranks.reverse();
    }
    let expected = by_pairs(prospects, customers, &ranks, options);
    let found = run(prospects, customers, &ranks, sets, options, threads);
    prop_assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(&expected) {
        prop_assert_eq!(
            (found.0, found.1, found.3, found.4),
            (expected.0, expected.1, expected.3, expected.4)
        );
        // Not within an error: ties must be the same ties.
        prop_assert_eq!(found.2.to_bits(), expected.2.to_bits());
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn sets_are_compared_as_every_pair_would(
        prospects in people(Just(1.0)),
        customers in people(Just(1.0)),
        k in 1_usize..6,
        min_similarity in prop_oneof![Just(0.0), 0.0..=1.0_f64, Just(1.0)],
        min_shared in 1_u32..4,
        threads in 1_usize..4,
        reverse in any::<bool>(),
    ) {
        let options = Options { k, min_similarity, min_shared };
        check(&prospects, &customers, true, &options, threads, reverse)?;
    }

    #[test]
    fn weights_are_compared_as_every_pair_would(
        prospects in people(prop_oneof![Just(1.0), Just(0.25), 1e-3..2.0_f64]),
        customers in people(prop_oneof![Just(1.0), Just(0.25), 1e-3..2.0_f64]),
        k in 1_usize..6,
        min_similarity in prop_oneof![Just(0.0), 0.0..=1.0_f64],
        min_shared in 1_u32..4,
        threads in 1_usize..4,
        reverse in any::<bool>(),
    ) {
        let options = Options { k, min_similarity, min_shared };
        check(&prospects, &customers, false, &options, threads, reverse)?;
    }
}

#[test]
fn equal_people_have_a_similarity_of_one() {
    let person = |features: &[u32]| (Some(0), features.iter().map(|&f| (f, 1.0)).collect());
    let customers = [person(&[1, 2, 3]), person(&[1]), person(&[2, 3, 4, 5])];
    let options = Options {
        k: 1,
        min_similarity: 1.0,
        min_shared: 1,
    };
    let rows = run(&customers, &customers, &[0, 1, 2], true, &options, 2);
    let expected = [(0, 0, 1.0, 3, 1), (1, 1, 1.0, 1, 1), (2, 2, 1.0, 4, 1)];
    assert_eq!(rows, expected);
}

#[test]
fn memory_that_is_not_there_is_an_error() {
    let people: Vec<Person> = vec![(Some(0), BTreeMap::from([(1, 1.0)])); 1000];
    let sides = Sides {
        customers: side(&people, true, |_| true),
        prospects: side(&people, true, |_| true),
        feature_ranks: (0..FEATURES).collect(),
        customer_ranks: (0..1000).collect(),
        blocks: 1,
    };
    let grow = |bytes: usize| {
        if bytes > 1000 {
            Err("full".to_owned())
        } else {
            Ok(())
        }
    };
    let work = Work::new(
        1,
        std::sync::Arc::default(),
        Box::new(grow),
        Box::new(|_| ()),
    );
    let options = Options {
        k: 1,
        min_similarity: 0.0,
        min_shared: 1,
    };
    let result = twins(sides, &options, &work, |_, _| Ok::<(), Halt>(()));
    assert_eq!(result, Err(Halt::Memory("full".to_owned())));
}

#[test]
fn with_little_memory_the_blocks_are_taken_some_at_a_time() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    let people: Vec<Person> = (0..300)
        .map(|person| {
            let features = [person % 7, 7 + person % 5].map(|feature| (feature, 1.0));
            (Some(person % BLOCKS), BTreeMap::from(features))
        })
        .collect();
    let ranks: Vec<u32> = (0..300).collect();
    let options = Options {
        k: 3,
        min_similarity: 0.0,
        min_shared: 1,
    };
    let expected = run(&people, &people, &ranks, true, &options, 2);
    let with = |limit: usize| {
        let held = Arc::new(AtomicUsize::new(0));
        let refused = Arc::new(AtomicUsize::new(0));
        let (pool, count) = (Arc::clone(&held), Arc::clone(&refused));
        let grow = move |bytes: usize| {
            if pool.load(Ordering::Relaxed) + bytes > limit {
                count.fetch_add(1, Ordering::Relaxed);
                return Err("full".to_owned());
            }
            pool.fetch_add(bytes, Ordering::Relaxed);
            Ok(())
        };
        let pool = Arc::clone(&held);
        let shrink = move |bytes| {
            pool.fetch_sub(bytes, Ordering::Relaxed);
        };
        let work = Work::new(2, Arc::default(), Box::new(grow), Box::new(shrink));
        let rows = run_with(&people, &people, &ranks, true, &options, &work);
        (rows, refused.load(Ordering::Relaxed))
    };
    // All three blocks take some 23 kB.
    for limit in [30_000, 20_000, 14_000] {
        let (rows, refused) = with(limit);
        assert_eq!(rows.as_ref(), Ok(&expected), "{limit} bytes");
        assert_eq!(refused > 0, limit < 30_000, "{limit} bytes");
    }
    assert_eq!(with(8_000).0, Err(Halt::Memory("full".to_owned())));
}
