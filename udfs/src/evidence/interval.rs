//! The normal quantile, and Wilson's interval of a rate.

use datafusion_common::Result;
use libm::erfc;

use crate::common::arguments::{Argument, Arguments, Kind, Range};

/// The arguments of both bounds.
pub(super) const BOUND_ARGUMENTS: &[Argument] = &[
    Argument::new("successes", Kind::Number(Range::NonNegative)),
    Argument::new("trials", Kind::Number(Range::NonNegative)),
    Argument::new("confidence", Kind::Number(Range::Confidence)),
];
pub(super) const BOUND_DEFAULTS: [f64; 3] = [0.0, 0.0, 0.95];

/// The kernel of both bounds, (low, high); `None` without trials. It remembers the quantile, because the
/// confidence is mostly the same for all rows.
pub(super) fn bounds(
    arguments: &'static Arguments,
) -> impl FnMut([f64; 3]) -> Result<Option<(f64, f64)>> {
    let mut quantile = None;
    move |[successes, trials, confidence]| {
        check_successes(arguments, successes, trials)?;
        if trials == 0.0 {
            return Ok(None);
        }
        let z = match quantile {
            Some((known, z)) if confidence.total_cmp(&known).is_eq() => z,
            _ => upper_quantile((1.0 - confidence) / 2.0),
        };
        quantile = Some((confidence, z));
        Ok(Some(wilson_interval(successes, trials, z)))
    }
}

/// Fails when there are more successes, the first argument, than trials.
pub(super) fn check_successes(arguments: &Arguments, successes: f64, trials: f64) -> Result<()> {
    if successes > trials {
        let expected = format!("at most trials ({trials})");
        return Err(arguments.invalid(0, &expected, successes));
    }
    Ok(())
}

/// The score z that a share `tail` of a normal distribution exceeds, 0 < `tail` ≤ 0.5; to about 1e-15.
///
/// Acklam's rational approximation (relative error 1e-9), then two steps of Halley's method on the exact tail.
/// Working with the tail keeps all digits for confidences near 1.
pub(crate) fn upper_quantile(tail: f64) -> f64 {
    let mut z = approximate_quantile(tail);
    for _ in 0..2 {
        let density = (-0.5 * z * z).exp() / std::f64::consts::TAU.sqrt();
        let excess = 0.5 * erfc(z / std::f64::consts::SQRT_2) - tail;
        let newton = excess / density;
        z += newton / (1.0 - 0.5 * z * newton);
    }
    z
}

/// Wilson's score interval (low, high) of the rate `successes / trials`, `trials` > 0.
/// Wilson, *Probable inference, the law of succession, and statistical inference* (JASA 1927).
pub(crate) fn wilson_interval(successes: f64, trials: f64, z: f64) -> (f64, f64) {
    let rate = successes / trials;
    let z2 = z * z / trials;
    let center = rate + z2 / 2.0;
    let spread = (z2 * (rate * (1.0 - rate) + z2 / 4.0)).sqrt();
    let low = (center - spread) / (1.0 + z2);
    let high = (center + spread) / (1.0 + z2);
    // Exactly 0 and 1 at the ends; rounding must not carry a bound past the rate itself.
    (
        if successes == 0.0 {
            0.0
        } else {
            low.clamp(0.0, rate)
        },
        if successes >= trials {
            1.0
        } else {
            high.clamp(rate, 1.0)
        },
    )
}

/// Acklam's approximation of the upper quantile.
fn approximate_quantile(tail: f64) -> f64 {
    const CENTRAL_TOP: [f64; 6] = [
        -3.969_683_028_665_376e1,
        2.209_460_984_245_205e2,
        -2.759_285_104_469_687e2,
        1.383_577_518_672_69e2,
        -3.066_479_806_614_716e1,
        2.506_628_277_459_239,
    ];
    const CENTRAL_BOTTOM: [f64; 6] = [
        -5.447_609_879_822_406e1,
        1.615_858_368_580_409e2,
        -1.556_989_798_598_866e2,
        6.680_131_188_771_972e1,
        -1.328_068_155_288_572e1,
        1.0,
    ];
    const TAIL_TOP: [f64; 6] = [
        -7.784_894_002_430_293e-3,
        -3.223_964_580_411_365e-1,
        -2.400_758_277_161_838,
        -2.549_732_539_343_734,
        4.374_664_141_464_968,
        2.938_163_982_698_783,
    ];
    const TAIL_BOTTOM: [f64; 5] = [
        7.784_695_709_041_462e-3,
        3.224_671_290_700_398e-1,
        2.445_134_137_142_996,
        3.754_408_661_907_416,
        1.0,
    ];
    if tail < 0.024_25 {
        let q = (-2.0 * tail.ln()).sqrt();
        -polynomial(&TAIL_TOP, q) / polynomial(&TAIL_BOTTOM, q)
    } else {
        let q = 0.5 - tail;
        let square = q * q;
        q * polynomial(&CENTRAL_TOP, square) / polynomial(&CENTRAL_BOTTOM, square)
    }
}

fn polynomial(coefficients: &[f64], x: f64) -> f64 {
    coefficients
        .iter()
        .fold(0.0, |sum, coefficient| sum * x + coefficient)
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "these results are exact")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn quantiles_match_the_tables() {
        // Computed with 50 digits.
        for (tail, z) in [
            (0.5, 0.0),
            (0.25, 0.674_489_750_196_081_7),
            (0.1, 1.281_551_565_544_600_4),
            (0.05, 1.644_853_626_951_472_2),
            (0.025, 1.959_963_984_540_054),
            (0.005, 2.575_829_303_548_900_4),
            (1e-9, 5.997_807_015_007_686),
            (1e-100, 21.273_453_560_965_32),
        ] {
            let got = upper_quantile(tail);
            assert!((got - z).abs() <= 2e-15 * z.max(1.0), "{tail}: {got} {z}");
        }
    }

    #[test]
    fn wilson_matches_published_values() {
        let low = |successes, trials| wilson_interval(successes, trials, upper_quantile(0.025)).0;
        assert!((low(2.0, 2.0) - 0.342_380_227_506_653).abs() < 1e-12);
        assert!((low(200.0, 300.0) - 0.611_512_456_884_081).abs() < 1e-12);
        assert!((low(1.0, 10.0) - 0.017_876_213_095_073).abs() < 1e-12);
        assert_eq!(low(0.0, 7.0), 0.0);
    }

    proptest! {
        #[test]
        fn the_bounds_solve_wilsons_equation(
            rate in 0.0..=1.0_f64, trials in 0.1..1e6_f64, tail in 1e-6..0.49_f64,
        ) {
            let z = upper_quantile(tail);
            let successes = rate * trials;
            let (low, high) = wilson_interval(successes, trials, z);
            let rate = successes / trials;
            prop_assert!(0.0 <= low && low <= rate && rate <= high && high <= 1.0);
            for bound in [low, high] {
                let distance = (rate - bound).powi(2);
                let allowed = z * z * bound * (1.0 - bound) / trials;
                prop_assert!((distance - allowed).abs() <= 1e-9 * (distance + allowed) + 1e-15);
            }
        }
    }
}
