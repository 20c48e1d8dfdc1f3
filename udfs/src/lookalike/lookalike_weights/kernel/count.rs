//! From what is known of people to features, and how many people have each.

use crate::relation::ids::NO_CODE;
use crate::relation::work::{Halt, Work};

use super::bins::{bin_of, cuts};

/// What is known of everybody in one column; the seed stands before the base.
#[derive(Debug)]
pub(crate) enum Cells {
    /// NaN is unknown.
    Numbers(Vec<f64>),
    /// [`NO_CODE`] is unknown; `ranks` is the place of each code in the order of the values.
    Codes { codes: Vec<u32>, ranks: Vec<u32> },
    /// Each set ends before the next and has no code twice; one that is unknown holds only [`NO_CODE`].
    Sets {
        codes: Vec<u32>,
        ends: Vec<usize>,
        ranks: Vec<u32>,
    },
}

/// A value that enough people have.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Value {
    pub(crate) what: What,
    pub(crate) seed_n: u64,
    pub(crate) base_n: u64,
}

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum What {
    Code(u32),
    Number(f64),
    /// From `low` on, below `high`; the outer ones are infinite.
    Bin {
        low: f64,
        high: f64,
    },
    Unknown,
}

/// The values of a column in their order, and which of them each person has.
#[derive(Debug)]
pub(crate) struct Counted {
    pub(crate) values: Vec<Value>,
    /// Places in `values`; [`NO_CODE`] for a value that too few people have.
    pub(crate) places: Vec<u32>,
    /// For sets: where each person's end.
    pub(crate) ends: Option<Vec<usize>>,
}

/// Counts one column. The first `seed` people are the seed; a value needs `min_support` people.
pub(crate) fn count(
    cells: Cells,
    seed: usize,
    bins: usize,
    min_support: u64,
    work: &Work,
) -> Result<Counted, Halt> {
    match cells {
        Cells::Numbers(numbers) => {
            let _held = work.reserve(numbers.len() * 12)?;
            let (whats, places) = places_of(&numbers, seed, bins);
            drop(numbers);
            Ok(keep(&whats, places, None, seed, min_support))
        }
        Cells::Codes { codes, ranks } => {
            let (whats, places) = in_order(&ranks, codes);
            Ok(keep(&whats, places, None, seed, min_support))
        }
        Cells::Sets { codes, ends, ranks } => {
            let (whats, places) = in_order(&ranks, codes);
            let mut counted = keep(&whats, places, Some(ends), seed, min_support);
            counted.sort_sets();
            Ok(counted)
        }
    }
}

/// The values of a column of numbers, the unknown last, and the place of each person's.
fn places_of(numbers: &[f64], seed: usize, bins: usize) -> (Vec<What>, Vec<u32>) {
    let known = |numbers: &[f64]| -> Vec<f64> {
        let known = numbers.iter().filter(|number| !number.is_nan());
        known.copied().collect()
    };
    let place_of: Box<dyn Fn(f64) -> usize>;
    let mut whats: Vec<What>;
    if let Some(few) = few_values(&numbers[seed..], bins) {
        let mut values = known(&numbers[..seed]);
        values.extend(few);
        values.sort_unstable_by(f64::total_cmp);
        values.dedup();
        whats = values.iter().map(|value| What::Number(*value)).collect();
        place_of = Box::new(move |number| values.partition_point(|value| *value < number));
    } else {
        let cuts = cuts(&mut known(&numbers[seed..]), bins);
        let lows = std::iter::once(f64::NEG_INFINITY).chain(cuts.iter().copied());
        let highs = cuts.iter().copied().chain(std::iter::once(f64::INFINITY));
        let bounds = lows.zip(highs);
        whats = bounds.map(|(low, high)| What::Bin { low, high }).collect();
        place_of = Box::new(move |number| bin_of(&cuts, number));
    }
    let unknown = whats.len() as u32;
    whats.push(What::Unknown);
    let place = |number: &f64| {
        if number.is_nan() {
            unknown
        } else {
            place_of(*number) as u32
        }
    };
    (whats, numbers.iter().map(place).collect())
}

/// The different values, when they are at most `most`.
fn few_values(numbers: &[f64], most: usize) -> Option<Vec<f64>> {
    let mut few: Vec<f64> = Vec::with_capacity(most + 1);
    for &number in numbers.iter().filter(|number| !number.is_nan()) {
        let place = few.partition_point(|known| *known < number);
        if few.get(place) != Some(&number) {
            if few.len() == most {
                return None;
            }
            few.insert(place, number);
        }
    }
    Some(few)
}

/// The values of a column of codes, the unknown last, and codes as places among them.
fn in_order(ranks: &[u32], mut codes: Vec<u32>) -> (Vec<What>, Vec<u32>) {
    let mut whats = vec![What::Unknown; ranks.len() + 1];
    for (code, rank) in (0..).zip(ranks) {
        whats[*rank as usize] = What::Code(code);
    }
    for code in &mut codes {
        *code = if *code == NO_CODE {
            ranks.len() as u32
        } else {
            ranks[*code as usize]
        };
    }
    (whats, codes)
}

/// Counts, and keeps the values that enough people have.
fn keep(
    whats: &[What],
    mut places: Vec<u32>,
    ends: Option<Vec<usize>>,
    seed: usize,
    min_support: u64,
) -> Counted {
    let seed_cells = match &ends {
        Some(ends) => seed.checked_sub(1).map_or(0, |last| ends[last]),
        None => seed,
    };
    let tally = |cells: &[u32]| {
        let mut counts = vec![0_u64; whats.len()];
        for place in cells {
            counts[*place as usize] += 1;
        }
        counts
    };
    let seed_n = tally(&places[..seed_cells]);
    let base_n = tally(&places[seed_cells..]);
    let mut values = Vec::new();
    let mut moved = vec![NO_CODE; whats.len()];
    for (place, &what) in whats.iter().enumerate() {
        let (seed_n, base_n) = (seed_n[place], base_n[place]);
        if seed_n + base_n >= min_support.max(1) {
            moved[place] = values.len() as u32;
            values.push(Value {
                what,
                seed_n,
                base_n,
            });
        }
    }
    for place in &mut places {
        *place = moved[*place as usize];
    }
    Counted {
        values,
        places,
        ends,
    }
}

impl Counted {
    /// Puts the values of each set in order, so that nothing depends on the order in which they came.
    fn sort_sets(&mut self) {
        let mut start = 0;
        for &end in self.ends.iter().flatten() {
            self.places[start..end].sort_unstable();
            start = end;
        }
    }

    /// The places of some people's values: where they start, for each person where they end.
    pub(crate) fn cells_of(&self, person: usize) -> &[u32] {
        match &self.ends {
            None => &self.places[person..=person],
            Some(ends) => {
                let start = person.checked_sub(1).map_or(0, |before| ends[before]);
                &self.places[start..ends[person]]
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(cells: Cells, seed: usize, min_support: u64) -> Counted {
        count(cells, seed, 2, min_support, &Work::unlimited(1)).unwrap()
    }

    fn value(what: What, seed_n: u64, base_n: u64) -> Value {
        Value {
            what,
            seed_n,
            base_n,
        }
    }

    #[test]
    fn few_numbers_are_values_and_the_seed_may_have_others() {
        let numbers = vec![5.0, f64::NAN, 1.0, 1.0, 2.0];
        let counted = counted(Cells::Numbers(numbers), 2, 1);
        assert_eq!(
            counted.values,
            [
                value(What::Number(1.0), 0, 2),
                value(What::Number(2.0), 0, 1),
                value(What::Number(5.0), 1, 0),
                value(What::Unknown, 1, 0),
            ]
        );
        assert_eq!(counted.places, [2, 3, 0, 0, 1]);
    }

    #[test]
    fn many_numbers_are_cut_by_the_base_alone() {
        let numbers = vec![100.0, 100.0, 1.0, 2.0, 3.0, 4.0];
        let counted = counted(Cells::Numbers(numbers), 2, 1);
        let (low, high) = (f64::NEG_INFINITY, f64::INFINITY);
        assert_eq!(
            counted.values,
            [
                value(What::Bin { low, high: 3.0 }, 0, 2),
                value(What::Bin { low: 3.0, high }, 2, 2),
            ]
        );
    }

    #[test]
    fn sets_count_each_value_and_drop_the_rare_ones() {
        // Codes in the order b, a, c.
        let cells = Cells::Sets {
            codes: vec![0, 1, NO_CODE, 1, 0, 2],
            ends: vec![2, 3, 3, 6],
            ranks: vec![1, 0, 2],
        };
        let counted = counted(cells, 1, 2);
        assert_eq!(
            counted.values,
            [value(What::Code(1), 1, 1), value(What::Code(0), 1, 1),]
        );
        assert_eq!(counted.cells_of(0), [0, 1]);
        assert_eq!(counted.cells_of(1), [NO_CODE]);
        assert!(counted.cells_of(2).is_empty());
        assert_eq!(counted.cells_of(3), [0, 1, NO_CODE]);
    }
}
