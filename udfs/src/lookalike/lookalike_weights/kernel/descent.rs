//! Minimises a smooth convex function: Newton's method that keeps its curvature for some steps and learns, between two
//! looks at it, from the gradients (L-BFGS, Liu & Nocedal 1989, that starts from the curvature instead of a multiple of
//! one). With the exact curvature it is Newton's method or better; with a sampled one it converges to the same point, a
//! few gradients later. Gradients alone decide on the length of a step: along a line the slope of a convex function only
//! grows.

use crate::relation::work::Halt;

/// A function to minimise.
pub(super) trait Objective {
    /// About its second derivative.
    type Curvature;

    fn gradient(&self, at: &[f64]) -> Result<Vec<f64>, Halt>;
    fn curvature(&self, at: &[f64]) -> Result<Self::Curvature, Halt>;
    /// The step `curvature⁻¹ · right`.
    fn solve(&self, curvature: &Self::Curvature, right: &[f64]) -> Vec<f64>;
}

/// No coordinate has further to go than about this, relative to the largest coordinate where that is above 1.
const CLOSE: f64 = 1e-8;
/// Steps between two looks at the curvature.
const STEPS: usize = 8;
/// Looks at the curvature, at most: Newton's method needs some ten, however hard the problem.
const ROUNDS: usize = 60;

/// The lowest point.
pub(super) fn minimise<O: Objective>(objective: &O, start: Vec<f64>) -> Result<Vec<f64>, Halt> {
    let mut at = start;
    let mut gradient = objective.gradient(&at)?;
    for _ in 0..ROUNDS {
        let curvature = objective.curvature(&at)?;
        let mut pairs: Vec<Pair> = Vec::with_capacity(STEPS);
        for _ in 0..STEPS {
            let newton = objective.solve(&curvature, &gradient);
            if largest(&newton) <= CLOSE * largest(&at).max(1.0) {
                return Ok(at);
            }
            let step = if pairs.is_empty() {
                newton
            } else {
                learned(&pairs, &gradient, |right| {
                    objective.solve(&curvature, right)
                })
            };
            let Some(pair) = walk(objective, &mut at, &mut gradient, &step)? else {
                // No way down is left that the digits can show.
                return Ok(at);
            };
            // Along a straight part nothing is learned.
            if pair.product > 0.0 {
                pairs.push(pair);
            }
        }
    }
    Ok(at)
}

/// A step that was made and how the gradient changed along it.
struct Pair {
    step: Vec<f64>,
    change: Vec<f64>,
    /// step · change
    product: f64,
}

/// Goes from `at` against `step` until it is no longer clearly uphill.
fn walk<O: Objective>(
    objective: &O,
    at: &mut Vec<f64>,
    gradient: &mut Vec<f64>,
    step: &[f64],
) -> Result<Option<Pair>, Halt> {
    let slope = -dot(gradient, step);
    if slope >= 0.0 || !slope.is_finite() {
        return Ok(None);
    }
    let mut length = 1.0;
    for _ in 0..40 {
        let there: Vec<f64> = at.iter().zip(step).map(|(a, s)| a - length * s).collect();
        let gradient_there = objective.gradient(&there)?;
        let slope_there = -dot(&gradient_there, step);
        if slope_there <= 0.2 * -slope {
            let difference = |to: &[f64], from: &[f64]| -> Vec<f64> {
                to.iter().zip(from).map(|(t, f)| t - f).collect()
            };
            let (moved, change) = (
                difference(&there, at),
                difference(&gradient_there, gradient),
            );
            let product = dot(&moved, &change);
            (*at, *gradient) = (there, gradient_there);
            return Ok(Some(Pair {
                step: moved,
                change,
                product,
            }));
        }
        // Where a straight slope would be level; it is rarely straight, hence the bounds.
        let level = slope / (slope - slope_there);
        length *= if level.is_finite() {
            level.clamp(0.05, 0.9)
        } else {
            0.05
        };
    }
    Ok(None)
}

/// The two loops of L-BFGS.
fn learned(pairs: &[Pair], gradient: &[f64], solve: impl Fn(&[f64]) -> Vec<f64>) -> Vec<f64> {
    let mut right = gradient.to_vec();
    let mut shares = Vec::with_capacity(pairs.len());
    for pair in pairs.iter().rev() {
        let share = dot(&pair.step, &right) / pair.product;
        subtract(&mut right, share, &pair.change);
        shares.push(share);
    }
    let mut step = solve(&right);
    for (pair, share) in pairs.iter().zip(shares.into_iter().rev()) {
        let back = dot(&pair.change, &step) / pair.product;
        subtract(&mut step, back - share, &pair.step);
    }
    step
}

fn subtract(from: &mut [f64], times: f64, other: &[f64]) {
    from.iter_mut()
        .zip(other)
        .for_each(|(f, o)| *f -= times * o);
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn largest(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |most, value| most.max(value.abs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Σ cosh(xᵢ − i) + a weak bond between neighbours; the curvature is told wrong by a factor.
    struct Bowl {
        wrong: f64,
    }

    impl Objective for Bowl {
        type Curvature = Vec<f64>;

        fn gradient(&self, at: &[f64]) -> Result<Vec<f64>, Halt> {
            let bond = |i: usize, j: usize| at.get(j).map_or(0.0, |other| 0.3 * (at[i] - other));
            let each = (0..at.len())
                .map(|i| (at[i] - i as f64).sinh() + bond(i, i + 1) + bond(i, i.wrapping_sub(1)));
            Ok(each.collect())
        }

        fn curvature(&self, at: &[f64]) -> Result<Vec<f64>, Halt> {
            let each = at.iter().enumerate();
            Ok(each
                .map(|(i, x)| self.wrong * ((x - i as f64).cosh() + 0.6))
                .collect())
        }

        fn solve(&self, curvature: &Vec<f64>, right: &[f64]) -> Vec<f64> {
            right.iter().zip(curvature).map(|(r, c)| r / c).collect()
        }
    }

    #[test]
    fn it_finds_the_bottom_also_with_a_wrong_curvature() {
        for wrong in [1.0, 0.1, 10.0] {
            let bowl = Bowl { wrong };
            let found = minimise(&bowl, vec![30.0; 6]).unwrap();
            let gradient = bowl.gradient(&found).unwrap();
            assert!(largest(&gradient) < 1e-6, "{wrong}: {gradient:?}");
        }
    }
}
