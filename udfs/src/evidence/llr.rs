//! `llr(k11, k12, k21, k22)`: Dunning's log-likelihood ratio.

use arrow::datatypes::{DataType, FieldRef};
use datafusion_common::{Result, internal_err};
use datafusion_expr::{
    ColumnarValue, Documentation, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature,
    Volatility,
};
use datafusion_macros::user_doc;

use crate::common::arguments::{Argument, Arguments, Kind, Range};
use crate::common::numbers::{evaluate, finite_result, return_field};

static ARGUMENTS: Arguments = Arguments {
    function: "llr",
    counts: &[4],
    list: &[
        Argument::new("k11", Kind::Number(Range::NonNegative)),
        Argument::new("k12", Kind::Number(Range::NonNegative)),
        Argument::new("k21", Kind::Number(Range::NonNegative)),
        Argument::new("k22", Kind::Number(Range::NonNegative)),
    ],
};

#[user_doc(
    doc_section(label = "Evidence"),
    description = "Log-likelihood ratio of a 2 × 2 table of counts (Dunning, *Accurate methods for the statistics \
of surprise and coincidence*, 1993): how surprising it is that two events happen together as often as they do, thin \
counts allowed for. It is two-sided: events that avoid each other score high too; `root_llr` tells them apart. An \
empty table is no surprise, 0. Counts may be decayed.",
    syntax_example = "llr(k11, k12, k21, k22)",
    sql_example = r"```sql
SELECT round(llr(10, 0, 0, 10), 3) AS always_together, llr(10, 10, 10, 10) AS by_chance;
+-----------------+-----------+
| always_together | by_chance |
+-----------------+-----------+
| 27.726          | 0.0       |
+-----------------+-----------+
```",
    argument(name = "k11", description = "How often both happened."),
    argument(name = "k12", description = "How often only the first happened."),
    argument(name = "k21", description = "How often only the second happened."),
    argument(name = "k22", description = "How often neither happened.")
)]
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct Llr {
    signature: Signature,
}

impl Llr {
    pub(crate) fn new() -> Self {
        Self {
            signature: Signature::user_defined(Volatility::Immutable),
        }
    }
}

impl ScalarUDFImpl for Llr {
    fn name(&self) -> &str {
        ARGUMENTS.function
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        Ok(ARGUMENTS.coerce(given))
    }

    fn return_type(&self, _given: &[DataType]) -> Result<DataType> {
        internal_err!("return_field_from_args is used instead")
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        return_field(&ARGUMENTS, [0.0; 4], &args, |table| {
            ratio(&ARGUMENTS, table).map(Some)
        })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        evaluate(&ARGUMENTS, [0.0; 4], &args, |table| {
            ratio(&ARGUMENTS, table).map(Some)
        })
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}

/// 2 Σ k ln(k / e), where e is the count that independence would give.
pub(super) fn ratio(arguments: &Arguments, table: [f64; 4]) -> Result<f64> {
    let total = finite_result(arguments, table.iter().sum())?;
    if total == 0.0 {
        return Ok(0.0);
    }
    // A power of two takes no digits away, and no product of scaled counts overflows.
    let scale = f64::from(-libm::ilogb(total)).min(1023.0).exp2();
    let scaled = table.map(|count| count * scale);
    let sum: f64 = scaled.iter().sum();
    let excess = association(scaled) / sum / sum;
    let [p11, p12, p21, p22] = scaled.map(|count| count / sum);
    let (rows, columns) = ([p11 + p12, p21 + p22], [p11 + p21, p12 + p22]);
    let terms = [
        deviance(p11, rows[0] * columns[0], excess),
        deviance(p12, rows[0] * columns[1], -excess),
        deviance(p21, rows[1] * columns[0], -excess),
        deviance(p22, rows[1] * columns[1], excess),
    ];
    finite_result(arguments, 2.0 * total * terms.iter().sum::<f64>())
}

/// k11·k22 − k12·k21: positive when the two happen together more often than by chance.
pub(super) fn association([k11, k12, k21, k22]: [f64; 4]) -> f64 {
    // Kahan's difference of products: exact to the last bits even when the products almost cancel.
    let product = k12 * k21;
    let lost = (-k12).mul_add(k21, product);
    let difference = k11.mul_add(k22, -product);
    difference + lost
}

/// share·ln(share / expected) − (share − expected), which is never negative; the second parts of all four cells
/// add up to nothing. `excess` is share − expected, known better than the difference of the two.
fn deviance(share: f64, expected: f64, excess: f64) -> f64 {
    if share == 0.0 || expected == 0.0 {
        return expected;
    }
    let x = excess / expected;
    if x.abs() < 0.1 {
        // expected · ((1 + x) ln(1 + x) − x) = expected · Σ (−x)^k / (k (k − 1)), k from 2: no digits cancel.
        let mut power = x * x;
        let mut sum = 0.0;
        for k in 2..20 {
            let k = f64::from(k);
            sum += power / (k * (k - 1.0));
            power *= -x;
        }
        return expected * sum;
    }
    share * (share / expected).ln() - excess
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn llr(table: [f64; 4]) -> f64 {
        ratio(&ARGUMENTS, table).unwrap()
    }

    #[test]
    fn matches_the_vectors_of_mahout() {
        // Apache Mahout, LogLikelihoodTest.
        for (table, expected) in [
            ([1.0, 0.0, 0.0, 1.0], 2.773),
            ([10.0, 0.0, 0.0, 10.0], 27.726),
            ([5.0, 1995.0, 0.0, 100_000.0], 39.331),
            ([1000.0, 1995.0, 1000.0, 100_000.0], 4730.737),
            ([1000.0, 1000.0, 1000.0, 100_000.0], 5734.343),
            ([1000.0, 1000.0, 1000.0, 99_000.0], 5714.932),
            ([13.0, 1000.0, 1000.0, 100_000.0], 0.80),
        ] {
            let got = llr(table);
            let tolerance = if expected < 1.0 { 5e-3 } else { 5e-4 };
            assert!((got - expected).abs() <= tolerance, "{table:?}: {got}");
        }
    }

    #[test]
    fn no_association_is_no_surprise() {
        for table in [
            [0.0; 4],
            [3.0, 0.0, 0.0, 0.0],
            [2.0, 4.0, 3.0, 6.0],
            [0.0, 5.0, 0.0, 7.0],
        ] {
            assert!(llr(table).abs() < 1e-15, "{table:?}");
        }
        assert!(ratio(&ARGUMENTS, [f64::MAX; 4]).is_err());
        assert!(llr([1e200, 0.0, 0.0, 1e200]).is_finite());
    }

    #[test]
    fn hardly_any_association_keeps_its_digits() {
        // χ² with N = 4e12 and an excess of 1 in each cell, to first order: 16 · 1 / 4e12.
        let k = 1e12;
        let got = llr([k + 1.0, k - 1.0, k - 1.0, k + 1.0]);
        assert!((got - 4.0 / k).abs() < 1e-9 / k, "{got}");
    }

    proptest! {
        // Mahout's form by entropies: 2 (H(rows) + H(columns) − H(cells)), without the division by N.
        #[test]
        fn equals_the_entropies(k11 in 0_u32..2000, k12 in 0_u32..2000, k21 in 0_u32..2000, k22 in 0_u32..2000) {
            let [a, b, c, d] = [k11, k12, k21, k22].map(f64::from);
            let x_log_x = |x: f64| if x == 0.0 { 0.0 } else { x * x.ln() };
            let entropy = |counts: &[f64]| x_log_x(counts.iter().sum()) - counts.iter().map(|&x| x_log_x(x)).sum::<f64>();
            let expected = 2.0 * (entropy(&[a + b, c + d]) + entropy(&[a + c, b + d]) - entropy(&[a, b, c, d]));
            let got = llr([a, b, c, d]);
            prop_assert!(got >= 0.0 && (got - expected).abs() <= 1e-7 + 1e-10 * expected.abs(), "{got} {expected}");
        }
    }
}
