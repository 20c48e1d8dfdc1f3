//! Counts the visitors that pairs of items share.

use std::collections::{BTreeMap, BTreeSet};

use crate::relation::work::{Halt, Work};

pub(super) struct Options {
    pub(super) k: usize,
    pub(super) measure: Measure,
    pub(super) min_support: u64,
    pub(super) max_items: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Measure {
    Count,
    Jaccard,
    Cosine,
    Lift,
    Llr,
    Conditional,
}

impl Measure {
    pub(super) const NAMES: &'static [&'static str] =
        &["count", "jaccard", "cosine", "lift", "llr", "conditional"];

    pub(super) fn of(name: &str) -> Self {
        match name {
            "count" => Self::Count,
            "jaccard" => Self::Jaccard,
            "lift" => Self::Lift,
            "llr" => Self::Llr,
            "conditional" => Self::Conditional,
            _ => Self::Cosine,
        }
    }

    fn score(self, both: f64, a: f64, b: f64, _all: f64) -> f64 {
        match self {
            Self::Count => both,
            Self::Jaccard => both / (a + b - both),
            Self::Conditional => both / a,
            _ => both / (a * b).sqrt(),
        }
    }
}

pub(super) struct Neighbour {
    pub(super) item: u32,
    pub(super) other: u32,
    pub(super) score: f64,
    pub(super) support: u64,
    pub(super) rank: usize,
}

pub(super) fn item_to_item(
    views: Vec<(u32, u32)>,
    ranks: &[u32],
    options: &Options,
    work: &Work,
) -> Result<Vec<Neighbour>, Halt> {
    let mut carts: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
    for (visitor, item) in views {
        carts.entry(visitor).or_default().insert(item);
    }
    carts.retain(|_, items| items.len() <= options.max_items);
    let mut of: BTreeMap<u32, f64> = BTreeMap::new();
    let mut pairs: BTreeMap<(u32, u32), u64> = BTreeMap::new();
    for items in carts.values() {
        work.check()?;
        for &a in items {
            *of.entry(a).or_default() += 1.0;
            for &b in items {
                if a != b {
                    *pairs.entry((a, b)).or_default() += 1;
                }
            }
        }
    }
    let mut found: Vec<Neighbour> = pairs
        .into_iter()
        .filter(|&(_, both)| both >= options.min_support)
        .map(|((item, other), support)| Neighbour {
            item,
            other,
            score: options
                .measure
                .score(support as f64, of[&item], of[&other], carts.len() as f64),
            support,
            rank: 0,
        })
        .collect();
    found.sort_by(|a, b| {
        ranks[a.item as usize]
            .cmp(&ranks[b.item as usize])
            .then(b.score.total_cmp(&a.score))
            .then(b.support.cmp(&a.support))
            .then(ranks[a.other as usize].cmp(&ranks[b.other as usize]))
    });
    let mut last = (u32::MAX, 0);
    for row in &mut found {
        last = if row.item == last.0 {
            (row.item, last.1 + 1)
        } else {
            (row.item, 1)
        };
        row.rank = last.1;
    }
    found.retain(|row| row.rank <= options.k);
    Ok(found)
}
