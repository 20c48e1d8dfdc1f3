//! Systems of linear equations with a positive definite matrix: A = L·Lᵀ.
//!
//! n³/6 multiplications and additions, row by row, so that the inner loop runs over two rows side by side.

use crate::relation::work::{Halt, Work};

/// A factor L, row by row; what stands above its diagonal means nothing.
pub(super) struct Cholesky {
    rows: Vec<f64>,
    size: usize,
}

impl Cholesky {
    /// Of a matrix of which only the lower triangle is read. A pivot that rounding has eaten is replaced by a small one.
    pub(super) fn new(matrix: Vec<f64>, size: usize, work: &Work) -> Result<Self, Halt> {
        let mut rows = matrix;
        for row in 0..size {
            work.check()?;
            let (above, this) = rows.split_at_mut(row * size);
            let this = &mut this[..size];
            for column in 0..row {
                let other = &above[column * size..(column + 1) * size];
                let rest = this[column] - dot(&this[..column], &other[..column]);
                this[column] = rest / other[column];
            }
            let whole = this[row];
            let rest = whole - dot(&this[..row], &this[..row]);
            let least = (whole * 1e-13).max(f64::MIN_POSITIVE);
            this[row] = rest.max(least).sqrt();
        }
        Ok(Self { rows, size })
    }

    /// Replaces the right side by the solution.
    pub(super) fn solve(&self, right: &mut [f64]) {
        for row in 0..self.size {
            let factor = &self.rows[row * self.size..][..=row];
            right[row] = (right[row] - dot(&factor[..row], &right[..row])) / factor[row];
        }
        for row in (0..self.size).rev() {
            let factor = &self.rows[row * self.size..][..=row];
            right[row] /= factor[row];
            let value = right[row];
            let above = right[..row].iter_mut().zip(factor);
            above.for_each(|(right, factor)| *right -= value * factor);
        }
    }
}

/// Eight sums at once: one alone would wait for each addition.
#[inline]
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let (eights, others) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f64 = eights
        .remainder()
        .iter()
        .zip(others.remainder())
        .map(|(a, b)| a * b)
        .sum();
    let mut sums = [0.0; 8];
    for (eight, other) in eights.zip(others) {
        for place in 0..8 {
            sums[place] += eight[place] * other[place];
        }
    }
    sums.iter().sum::<f64>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_solution_solves_it() {
        let size = 37;
        // B Bᵀ + 1, with B of small whole numbers.
        let b = |i: usize, j: usize| ((i * 31 + j * 17) % 11) as f64 - 5.0;
        let entry = |i: usize, j: usize| {
            let product: f64 = (0..size).map(|k| b(i, k) * b(j, k)).sum();
            product + f64::from(u8::from(i == j))
        };
        let matrix: Vec<f64> = (0..size * size)
            .map(|place| entry(place / size, place % size))
            .collect();
        let truth: Vec<f64> = (0..size).map(|i| i as f64 - 3.5).collect();
        let mut right: Vec<f64> = (0..size)
            .map(|i| (0..size).map(|j| matrix[i * size + j] * truth[j]).sum())
            .collect();
        let factor = Cholesky::new(matrix, size, &Work::unlimited(1)).unwrap();
        factor.solve(&mut right);
        for (found, truth) in right.iter().zip(&truth) {
            assert!((found - truth).abs() < 1e-8, "{found} {truth}");
        }
    }

    #[test]
    fn a_matrix_without_full_rank_still_gives_finite_numbers() {
        let factor = Cholesky::new(vec![1.0; 9], 3, &Work::unlimited(1)).unwrap();
        let mut right = vec![1.0, 2.0, 3.0];
        factor.solve(&mut right);
        assert!(right.iter().all(|value| value.is_finite()));
    }
}
