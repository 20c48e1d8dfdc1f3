use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::kernel::{Fault, Options, Orders, Sizes, Twins, twin_products};
use crate::relation::work::Work;

/// Prospect, product, score, lift, twins, rank.
type Row = (u32, u32, f64, Option<f64>, u32, usize);

fn run(
    twins: &[(u32, u32, f64)],
    orders: &[(u32, u32, f64)],
    ranks: &[u32],
    options: &Options,
    threads: usize,
) -> Result<Vec<Row>, Fault> {
    let sizes = Sizes {
        prospects: twins
            .iter()
            .map(|twin| twin.0 as usize + 1)
            .max()
            .unwrap_or(0),
        customers: 10,
        product_ranks: ranks.to_vec(),
    };
    let twins = Twins {
        prospects: twins.iter().map(|twin| twin.0).collect(),
        customers: twins.iter().map(|twin| twin.1).collect(),
        similarities: twins.iter().map(|twin| twin.2).collect(),
    };
    let orders = Orders {
        customers: orders.iter().map(|order| order.0).collect(),
        products: orders.iter().map(|order| order.1).collect(),
        weights: orders.iter().map(|order| order.2).collect(),
    };
    let mut rows = Vec::new();
    let work = Work::unlimited(threads);
    twin_products(orders, twins, &sizes, options, &work, |prospect, offers| {
        rows.extend(offers.iter().enumerate().map(|(place, offer)| {
            (
                prospect,
                offer.product,
                offer.score,
                offer.lift,
                offer.twins,
                place + 1,
            )
        }));
        Ok::<(), Fault>(())
    })?;
    Ok(rows)
}

/// The formulae, one product at a time.
fn by_formula(
    twins: &[(u32, u32, f64)],
    orders: &[(u32, u32, f64)],
    ranks: &[u32],
    options: &Options,
) -> Vec<Row> {
    let mut last: BTreeMap<(u32, u32), f64> = BTreeMap::new();
    for &(customer, product, weight) in orders {
        let known = last.entry((customer, product)).or_insert(0.0);
        *known = known.max(weight);
    }
    let customers: BTreeSet<u32> = orders.iter().map(|order| order.0).collect();
    let prospects: BTreeSet<u32> = twins.iter().map(|twin| twin.0).collect();
    let mut all = Vec::new();
    for prospect in prospects {
        let own = || twins.iter().filter(|twin| twin.0 == prospect);
        let total: f64 = own().map(|twin| twin.2).sum();
        let mut found: Vec<Row> = Vec::new();
        for product in 0..ranks.len() as u32 {
            let buyers: Vec<f64> = own()
                .filter_map(|twin| Some(twin.2 * last.get(&(twin.1, product))?))
                .collect();
            let bought = last.iter().filter(|((_, p), _)| *p == product);
            let prior = bought.map(|(_, weight)| weight).sum::<f64>() / customers.len() as f64;
            let strength = options.prior_strength;
            let score = (buyers.iter().sum::<f64>() + strength * prior) / (total + strength);
            if buyers.len() >= options.min_twins as usize && total + strength > 0.0 {
                let lift = (prior > 0.0).then_some(score / prior);
                found.push((prospect, product, score, lift, buyers.len() as u32, 0));
            }
        }
        found.sort_by(|a, b| {
            let ids = ranks[a.1 as usize].cmp(&ranks[b.1 as usize]);
            b.2.total_cmp(&a.2).then(b.4.cmp(&a.4)).then(ids)
        });
        found.truncate(options.k);
        for (place, row) in found.iter_mut().enumerate() {
            row.5 = place + 1;
        }
        all.extend(found);
    }
    all
}

/// Sums of these are exact in any order.
fn eighths() -> impl Strategy<Value = f64> {
    (0_u8..=8).prop_map(|eighths| f64::from(eighths) / 8.0)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn products_are_scored_as_the_formula_says(
        pairs in proptest::collection::btree_map((0_u32..6, 0_u32..10), eighths(), 0..40),
        orders in proptest::collection::vec((0_u32..10, 0_u32..7, eighths()), 0..60),
        shuffle in any::<u64>(),
        k in 1_usize..5,
        min_twins in 1_u32..4,
        prior_strength in prop_oneof![Just(0.0), Just(20.0)],
        threads in 1_usize..4,
    ) {
        let mut twins: Vec<_> = pairs.iter().map(|(&(p, c), &s)| (p, c, s)).collect();
        twins.sort_by_key(|twin| (u64::from(twin.0) * 31 + u64::from(twin.1)).wrapping_mul(shuffle | 1));
        let ranks: Vec<u32> = (0..7).rev().collect();
        let options = Options { k, min_twins, prior_strength };
        let found = run(&twins, &orders, &ranks, &options, threads);
        let found = found.map_err(|_| TestCaseError::fail("no twin stands twice"))?;
        prop_assert_eq!(found, by_formula(&twins, &orders, &ranks, &options));
    }
}

#[test]
fn a_pair_that_comes_twice_is_an_error() {
    let options = Options {
        k: 1,
        min_twins: 1,
        prior_strength: 20.0,
    };
    let twins = [(0, 1, 0.5), (1, 1, 0.5), (1, 2, 0.5), (1, 1, 0.25)];
    let result = run(&twins, &[(1, 0, 1.0)], &[0], &options, 1);
    assert!(matches!(result, Err(Fault::Twice(1, 1))));
}

#[test]
fn few_twins_lose_to_the_prior() {
    // One twin of two bought product 0; half of all customers bought product 1, and one twin.
    let mut orders: Vec<_> = (0..10).map(|customer| (customer, 1, 1.0)).collect();
    orders.push((0, 0, 1.0));
    let twins = [(0, 0, 0.5), (0, 1, 0.5)];
    let options = Options {
        k: 2,
        min_twins: 1,
        prior_strength: 20.0,
    };
    let rows = run(&twins, &orders, &[0, 1], &options, 1);
    let Ok(rows) = rows else {
        panic!("no twin stands twice");
    };
    // (0.5 + 0.5 + 20) / 21 and (0.5 + 20 · 0.1) / 21
    assert_eq!(rows[0], (0, 1, 1.0, Some(1.0), 2, 1));
    assert_eq!((rows[1].1, rows[1].2), (0, 2.5 / 21.0));
}
