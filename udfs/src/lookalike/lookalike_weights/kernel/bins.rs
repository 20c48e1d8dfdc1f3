//! Quantile bins.
//!
//! The places of the cuts are found by selection, not by sorting: for b bins n·log₂ b comparisons.

/// The cuts that make up to `bins` bins of about equally many values: the lowest value of each bin but the first. Equal
/// values are never parted, so that a value which is very common has a bin of its own and the others fewer. The values
/// are finite; they lose their order.
pub(super) fn cuts(values: &mut [f64], bins: usize) -> Vec<f64> {
    if values.is_empty() {
        return Vec::new();
    }
    let places: Vec<usize> = (1..bins).map(|bin| bin * values.len() / bins).collect();
    let mut found = Vec::with_capacity(places.len());
    select(values, 0, &places, &mut found);
    found.dedup();
    let steps = Steps::new(values, found);
    let mut cuts: Vec<f64> = Vec::with_capacity(places.len());
    for place in places {
        let cut = steps.cut_near(place);
        if let Some(cut) = cut
            && cuts.last().is_none_or(|last| *last < cut)
        {
            cuts.push(cut);
        }
    }
    cuts
}

/// The bin of a value: how many cuts are not above it.
pub(super) fn bin_of(cuts: &[f64], value: f64) -> usize {
    // All of a few comparisons are quicker than some that wait for each other.
    if cuts.len() <= 32 {
        return cuts.iter().filter(|cut| **cut <= value).count();
    }
    cuts.partition_point(|cut| *cut <= value)
}

/// Appends the values that would stand at these places (ascending) if all were sorted; the first value stands at
/// place `first`.
fn select(values: &mut [f64], first: usize, places: &[usize], found: &mut Vec<f64>) {
    let middle = places.len() / 2;
    let Some(&place) = places.get(middle) else {
        return;
    };
    let (below, value, above) = values.select_nth_unstable_by(place - first, f64::total_cmp);
    let value = *value;
    // The same place may be wanted more than once, when there are fewer values than bins.
    let before = places[..middle].partition_point(|other| *other < place);
    let after = middle + places[middle..].partition_point(|other| *other == place);
    select(below, first, &places[..before], found);
    found.push(value);
    select(above, place + 1, &places[after..], found);
}

/// How many values lie below, at and above some of them.
struct Steps {
    /// Ascending.
    values: Vec<f64>,
    below: Vec<usize>,
    up_to: Vec<usize>,
    /// The smallest value above each; infinite for none.
    next: Vec<f64>,
    all: usize,
}

impl Steps {
    fn new(all: &[f64], values: Vec<f64>) -> Self {
        let steps = values.len();
        let mut equal = vec![0; steps];
        let mut between = vec![0; steps + 1];
        let mut lowest = vec![f64::INFINITY; steps + 1];
        for &value in all {
            let step = values.partition_point(|known| *known < value);
            if values.get(step) == Some(&value) {
                equal[step] += 1;
            } else {
                between[step] += 1;
                lowest[step] = lowest[step].min(value);
            }
        }
        let mut this = Self {
            below: Vec::with_capacity(steps),
            up_to: Vec::with_capacity(steps),
            next: Vec::with_capacity(steps),
            all: all.len(),
            values,
        };
        let mut count = 0;
        for step in 0..steps {
            count += between[step];
            this.below.push(count);
            count += equal[step];
            this.up_to.push(count);
            let known = this.values.get(step + 1).copied();
            this.next
                .push(lowest[step + 1].min(known.unwrap_or(f64::INFINITY)));
        }
        this
    }

    /// The cut that leaves about so many values below it; below the value at that place, or above it.
    fn cut_near(&self, place: usize) -> Option<f64> {
        let step = self.up_to.partition_point(|up_to| *up_to <= place);
        let (below, up_to) = (*self.below.get(step)?, self.up_to[step]);
        let cut_below = below > 0;
        let cut_above = up_to < self.all;
        let nearer_below = place - below <= up_to - place;
        match (cut_below, cut_above) {
            (true, true) if nearer_below => Some(self.values[step]),
            (true, false) => Some(self.values[step]),
            (_, true) => Some(self.next[step]),
            (false, false) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn equal_shares_of_different_values() {
        let mut values: Vec<f64> = (0..100).rev().map(f64::from).collect();
        assert_eq!(cuts(&mut values, 4), [25.0, 50.0, 75.0]);
    }

    #[test]
    fn a_common_value_is_parted_from_the_rest_on_either_side() {
        let mut low = vec![0.0; 90];
        low.extend([1.0, 2.0, 3.0, 4.0, 5.0]);
        assert_eq!(cuts(&mut low, 4), [1.0]);
        let mut high = vec![9.0; 90];
        high.extend([1.0, 2.0, 3.0, 4.0, 5.0]);
        assert_eq!(cuts(&mut high, 4), [9.0]);
    }

    #[test]
    fn one_value_or_none_has_no_cut() {
        assert!(cuts(&mut [7.0; 5], 3).is_empty());
        assert!(cuts(&mut [], 3).is_empty());
    }

    /// By sorting: for each target the boundary between different values that is nearest to it.
    fn reference(values: &[f64], bins: usize) -> Vec<f64> {
        let mut sorted = values.to_vec();
        sorted.sort_unstable_by(f64::total_cmp);
        let boundaries: Vec<usize> = (1..sorted.len())
            .filter(|&at| sorted[at - 1] < sorted[at])
            .collect();
        let mut cuts: Vec<f64> = (1..bins)
            .filter_map(|bin| {
                let target = bin * sorted.len() / bins;
                let nearest = |at: &&usize| (at.abs_diff(target), **at);
                boundaries.iter().min_by_key(nearest).map(|at| sorted[*at])
            })
            .collect();
        cuts.dedup();
        cuts
    }

    proptest! {
        #[test]
        fn the_cuts_are_those_that_sorting_finds(
            small in proptest::collection::vec(-20_i32..20, 0..200), spread in 1..50_i32, bins in 2_usize..40,
        ) {
            let values: Vec<f64> = small.iter().map(|v| f64::from(v * v.abs() / spread)).collect();
            let found = cuts(&mut values.clone(), bins);
            prop_assert_eq!(&found, &reference(&values, bins));
            for value in values {
                prop_assert_eq!(bin_of(&found, value), found.partition_point(|cut| *cut <= value));
            }
        }
    }
}
