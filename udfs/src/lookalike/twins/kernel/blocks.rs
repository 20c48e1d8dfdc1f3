//! One block: the different profiles of its customers and prospects, and which customers have a feature.

use std::hash::{BuildHasher, Hasher};

use hashbrown::{DefaultHashBuilder, HashTable};

use super::People;
use crate::relation::work::{Halt, Work};

/// See the module.
pub(super) struct Block {
    pub(super) number: usize,
    /// By the length of their vectors, the shortest first.
    pub(super) customers: Profiles,
    /// The squared length of the vector of each profile of `customers`.
    pub(super) norms: Vec<f64>,
    pub(super) prospects: Profiles,
    /// Features that customers have, ascending, and where the customers' profiles that have each end in `postings`.
    features: Vec<u32>,
    ends: Vec<u32>,
    postings: Vec<u32>,
}

/// Different sets of features, and the people who have each.
#[derive(Default)]
pub(super) struct Profiles {
    ends: Vec<usize>,
    features: Vec<u32>,
    weights: Vec<f64>,
    member_ends: Vec<u32>,
    members: Vec<u32>,
}

impl Block {
    /// `customers` come with their places in the order of ids; `counts` has a zero for each feature, before and after.
    pub(super) fn new(
        number: usize,
        (customers, rows, ranks): (&People, &[u32], &[u32]),
        (prospects, others): (&People, &[u32]),
        numbers: &[u32],
        idf: &[f64],
        counts: &mut [u32],
        work: &Work,
    ) -> Result<Self, Halt> {
        let found = Profiles::of(customers, rows, numbers, work)?;
        let lengths: Vec<f64> = (0..found.len())
            .map(|profile| {
                let (features, weights) = found.profile(profile);
                norm(features, weights, idf)
            })
            .collect();
        let mut order: Vec<u32> = (0..found.len() as u32).collect();
        order.sort_unstable_by(|&a, &b| {
            let lengths = [a, b].map(|profile| lengths[profile as usize]);
            lengths[0].total_cmp(&lengths[1]).then(a.cmp(&b))
        });
        let mut sorted = found.in_order(&order);
        for profile in 0..sorted.len() {
            let range = sorted.member_range(profile);
            sorted.members[range].sort_unstable_by_key(|&customer| ranks[customer as usize]);
        }
        let norms = order.iter().map(|&profile| lengths[profile as usize]);
        let (features, ends, postings) = sorted.inverted(counts);
        Ok(Self {
            number,
            norms: norms.collect(),
            customers: sorted,
            prospects: Profiles::of(prospects, others, numbers, work)?,
            features,
            ends,
            postings,
        })
    }

    /// The customers' profiles that have a feature, ascending.
    pub(super) fn with(&self, feature: u32) -> &[u32] {
        let Ok(place) = self.features.binary_search(&feature) else {
            return &[];
        };
        let start = place.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.postings[start as usize..self.ends[place] as usize]
    }
}

/// The squared length of a vector.
pub(super) fn norm(features: &[u32], weights: &[f64], idf: &[f64]) -> f64 {
    let squared = |(place, &feature): (usize, &u32)| {
        let weight = weights.get(place).copied().unwrap_or(1.0);
        let idf = idf[feature as usize];
        (weight * idf * idf) * weight
    };
    features.iter().enumerate().map(squared).sum()
}

impl Profiles {
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The features of a profile, the rarest first, and their weights, if they have any.
    pub(super) fn profile(&self, profile: usize) -> (&[u32], &[f64]) {
        let start = profile.checked_sub(1).map_or(0, |before| self.ends[before]);
        let range = start..self.ends[profile];
        let weights = self.weights.get(range.clone()).unwrap_or_default();
        (&self.features[range], weights)
    }

    /// The people who have a profile.
    pub(super) fn members(&self, profile: usize) -> &[u32] {
        &self.members[self.member_range(profile)]
    }

    fn member_range(&self, profile: usize) -> std::ops::Range<usize> {
        let before = profile.checked_sub(1);
        let start = before.map_or(0, |before| self.member_ends[before]);
        start as usize..self.member_ends[profile] as usize
    }

    /// Those of these people; people without features match nobody and are left out.
    fn of(people: &People, rows: &[u32], numbers: &[u32], work: &Work) -> Result<Self, Halt> {
        let hasher = DefaultHashBuilder::default();
        let mut table: HashTable<(u64, u32)> = HashTable::with_capacity(rows.len());
        let mut found = Self::default();
        let mut of = Vec::with_capacity(rows.len());
        let mut vector: Vec<(u32, f64)> = Vec::new();
        for (row, &person) in rows.iter().enumerate() {
            if row % 4096 == 0 {
                work.check()?;
            }
            let range = people.range(person as usize);
            let weights = people.weights.get(range.clone()).unwrap_or_default();
            vector.clear();
            for (place, &feature) in people.features[range].iter().enumerate() {
                let weight = weights.get(place).copied().unwrap_or(1.0);
                vector.push((numbers[feature as usize], weight));
            }
            vector.sort_unstable_by_key(|(number, _)| *number);
            if vector.is_empty() {
                continue;
            }
            let mut hash = hasher.build_hasher();
            for (number, weight) in &vector {
                hash.write_u32(*number);
                hash.write_u64(weight.to_bits());
            }
            let hash = hash.finish();
            let known = table.find(hash, |&(other, profile)| {
                other == hash && found.is(profile as usize, &vector)
            });
            let profile = if let Some(&(_, profile)) = known {
                profile
            } else {
                let profile = found.len() as u32;
                found
                    .features
                    .extend(vector.iter().map(|(number, _)| *number));
                if !people.weights.is_empty() {
                    found
                        .weights
                        .extend(vector.iter().map(|(_, weight)| *weight));
                }
                found.ends.push(found.features.len());
                table.insert_unique(hash, (hash, profile), |&(hash, _)| hash);
                profile
            };
            of.push((person, profile));
        }
        found.fill(&of);
        Ok(found)
    }

    fn is(&self, profile: usize, vector: &[(u32, f64)]) -> bool {
        let (features, weights) = self.profile(profile);
        features.len() == vector.len()
            && vector.iter().enumerate().all(|(place, (number, weight))| {
                let known = weights.get(place).copied().unwrap_or(1.0);
                features[place] == *number && known.to_bits() == weight.to_bits()
            })
    }

    /// Sets the members of each profile, in their order.
    fn fill(&mut self, of: &[(u32, u32)]) {
        let mut ends = vec![0_u32; self.len()];
        for &(_, profile) in of {
            ends[profile as usize] += 1;
        }
        let mut sum = 0;
        for end in &mut ends {
            sum += std::mem::replace(end, sum);
        }
        self.members = vec![0; of.len()];
        for &(person, profile) in of {
            let place = &mut ends[profile as usize];
            self.members[*place as usize] = person;
            *place += 1;
        }
        self.member_ends = ends;
    }

    fn in_order(&self, order: &[u32]) -> Self {
        let mut sorted = Self {
            ends: Vec::with_capacity(self.len()),
            features: Vec::with_capacity(self.features.len()),
            weights: Vec::with_capacity(self.weights.len()),
            member_ends: Vec::with_capacity(self.len()),
            members: Vec::with_capacity(self.members.len()),
        };
        for &profile in order {
            let (features, weights) = self.profile(profile as usize);
            sorted.features.extend_from_slice(features);
            sorted.weights.extend_from_slice(weights);
            sorted.ends.push(sorted.features.len());
            let members = self.members(profile as usize);
            sorted.members.extend_from_slice(members);
            sorted.member_ends.push(sorted.members.len() as u32);
        }
        sorted
    }

    /// The features that occur, ascending, and where the profiles that have each end.
    fn inverted(&self, counts: &mut [u32]) -> (Vec<u32>, Vec<u32>, Vec<u32>) {
        let mut features = Vec::new();
        for &feature in &self.features {
            let count = &mut counts[feature as usize];
            if *count == 0 {
                features.push(feature);
            }
            *count += 1;
        }
        features.sort_unstable();
        let mut sum = 0;
        for &feature in &features {
            sum += std::mem::replace(&mut counts[feature as usize], sum);
        }
        let mut postings = vec![0; sum as usize];
        for profile in 0..self.len() {
            for &feature in self.profile(profile).0 {
                let place = &mut counts[feature as usize];
                postings[*place as usize] = profile as u32;
                *place += 1;
            }
        }
        let ends = features.iter();
        let ends = ends.map(|&feature| std::mem::take(&mut counts[feature as usize]));
        let ends = ends.collect();
        (features, ends, postings)
    }
}
