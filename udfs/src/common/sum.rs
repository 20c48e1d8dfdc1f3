//! Sums that do not depend on the order of their terms.
//!
//! * [`DoubleDouble`] carries the rounding error beside the sum (Knuth's `TwoSum`): about 106 bits, so that the
//!   rounded result is the same for any order, partition or number of threads. For grouped aggregates.
//! * [`ExactSum`] keeps the sum without any error (Shewchuk 1997), so that a term can be taken out again and
//!   leaves no trace. For sliding windows.

use arrow::array::{ArrayRef, Float64Array};
use arrow::buffer::NullBuffer;
use std::sync::Arc;

/// A sum as an unevaluated pair of doubles; starts as [`DoubleDouble::NONE`], which is no term at all.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DoubleDouble {
    hi: f64,
    lo: f64,
}

impl DoubleDouble {
    /// −0, which no sum of terms is, as none of them is −0. It costs neither a flag nor, in `add`, a branch: one
    /// on a record that is still on its way from memory would stall the loop over the rows.
    pub(crate) const NONE: Self = Self { hi: -0.0, lo: 0.0 };

    /// Adds a finite term.
    #[inline]
    pub(crate) fn add(&mut self, term: f64) {
        self.add_pair(term, 0.0);
    }

    /// Adds another sum, given by its two parts.
    #[inline]
    pub(crate) fn add_pair(&mut self, hi: f64, lo: f64) {
        // Adding 0 turns −0 into 0 and changes nothing else.
        let (sum, error) = two_sum(self.hi, hi + 0.0);
        let error = error + (self.lo + lo);
        self.hi = sum + error;
        self.lo = error - (self.hi - sum);
    }

    /// The rounded sum; `None` when there was no term. Not finite after an overflow.
    #[inline]
    pub(crate) fn value(self) -> Option<f64> {
        (self.hi.to_bits() != Self::NONE.hi.to_bits()).then_some(self.hi)
    }

    /// Two columns, the first NULL where there was no term.
    pub(crate) fn columns(sums: &[Self]) -> [ArrayRef; 2] {
        let known = |sum: &Self| sum.value().is_some();
        let nulls = (!sums.iter().all(known)).then(|| sums.iter().map(known).collect());
        let hi = sums.iter().map(|sum| sum.hi).collect::<Vec<_>>();
        let lo = sums.iter().map(|sum| sum.lo).collect::<Vec<_>>();
        [
            Arc::new(Float64Array::new(hi.into(), nulls)),
            Arc::new(Float64Array::from(lo)),
        ]
    }
}

/// The column of these values, NULL where one is NaN.
pub(crate) fn known(values: Vec<f64>) -> ArrayRef {
    let nulls = values.iter().any(|value| value.is_nan()).then(|| {
        values
            .iter()
            .map(|value| !value.is_nan())
            .collect::<NullBuffer>()
    });
    Arc::new(Float64Array::new(values.into(), nulls))
}

/// A sum without rounding error: non-overlapping partials, smallest first.
#[derive(Debug, Clone, Default)]
pub(crate) struct ExactSum {
    partials: Vec<f64>,
}

impl ExactSum {
    /// Adds a term; the negative of an earlier one takes that out again.
    pub(crate) fn add(&mut self, term: f64) {
        let mut carry = term;
        let mut kept = 0;
        for index in 0..self.partials.len() {
            let (sum, error) = two_sum(carry, self.partials[index]);
            carry = sum;
            if error != 0.0 {
                self.partials[kept] = error;
                kept += 1;
            }
        }
        self.partials.truncate(kept);
        if carry != 0.0 {
            self.partials.push(carry);
        }
    }

    /// The sum, rounded once.
    pub(crate) fn value(&self) -> f64 {
        let mut descending = self.partials.iter().rev();
        let mut sum = descending.next().copied().unwrap_or(0.0);
        let mut error = 0.0;
        for &partial in descending.by_ref() {
            (sum, error) = two_sum(sum, partial);
            if error != 0.0 {
                break;
            }
        }
        // Half-way cases round by what lies below the half.
        if let Some(&next) = descending.next()
            && ((error < 0.0 && next < 0.0) || (error > 0.0 && next > 0.0))
        {
            let doubled = error * 2.0;
            let rounded = sum + doubled;
            if doubled - (rounded - sum) == 0.0 {
                sum = rounded;
            }
        }
        sum
    }

    pub(crate) fn size(&self) -> usize {
        self.partials.capacity() * size_of::<f64>()
    }
}

/// The rounded sum, and exactly what the rounding lost.
#[inline]
fn two_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    let b_part = sum - a;
    let error = (a - (sum - b_part)) + (b - b_part);
    (sum, error)
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "these results are exact")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn small_terms_are_not_lost() {
        let mut sum = DoubleDouble::NONE;
        assert_eq!(sum.value(), None);
        for term in [1e16, 1.0, 1.0, 1.0, -1e16] {
            sum.add(term);
        }
        assert_eq!(sum.value(), Some(3.0));
    }

    #[test]
    fn an_overflow_is_not_forgotten() {
        let mut sum = DoubleDouble::NONE;
        for term in [f64::MAX, f64::MAX, -f64::MAX] {
            sum.add(term);
        }
        assert!(!sum.value().unwrap().is_finite());
    }

    #[test]
    fn zero_of_either_sign_is_a_term() {
        for zero in [0.0, -0.0] {
            let mut sum = DoubleDouble::NONE;
            sum.add(zero);
            assert_eq!(sum.value(), Some(0.0));
            sum.add(1.0);
            sum.add(-1.0);
            assert_eq!(sum.value(), Some(0.0));
        }
    }

    #[test]
    fn the_exact_sum_rounds_once() {
        let mut sum = ExactSum::default();
        for term in [1.0, 2.0_f64.powi(-53), 2.0_f64.powi(-106)] {
            sum.add(term);
        }
        assert_eq!(sum.value(), 1.0 + f64::EPSILON);
    }

    fn terms(exponents: std::ops::Range<i32>) -> impl Strategy<Value = Vec<f64>> {
        let term =
            (0.5..1.0_f64, any::<bool>(), exponents).prop_map(|(mantissa, negative, exponent)| {
                let term = mantissa * 2.0_f64.powi(exponent);
                if negative { -term } else { term }
            });
        proptest::collection::vec(term, 0..40)
    }

    proptest! {
        #[test]
        fn what_is_taken_out_leaves_no_trace(kept in terms(-300..300), gone in terms(-300..300)) {
            let mut sum = ExactSum::default();
            kept.iter().chain(&gone).for_each(|&term| sum.add(term));
            for &term in &gone {
                sum.add(-term);
            }
            let mut alone = ExactSum::default();
            kept.iter().rev().for_each(|&term| alone.add(term));
            prop_assert_eq!(sum.value(), alone.value());
        }

        #[test]
        fn the_pair_rounds_like_the_exact_sum(terms in terms(-40..0)) {
            let positive = terms.iter().map(|term| term.abs());
            let mut pair = DoubleDouble::NONE;
            let mut exact = ExactSum::default();
            positive.for_each(|term| { pair.add(term); exact.add(term); });
            prop_assert_eq!(pair.value().unwrap_or(0.0), exact.value());
        }
    }
}
