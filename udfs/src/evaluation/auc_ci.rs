//! `auc_ci(score, label)`: the AUC with what chance leaves open.

use arrow::datatypes::{DataType, FieldRef};
use datafusion_common::{Result, ScalarValue};
use datafusion_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion_expr::utils::AggregateOrderSensitivity;
use datafusion_expr::{
    Accumulator, AggregateUDFImpl, Documentation, GroupsAccumulator, Signature, Volatility,
};
use datafusion_macros::user_doc;

use super::auc::area;
use super::ranking::{Kernel, Measure, Ranking, Scored, hits_of_both};
use crate::common::aggregate::{Grouped, Plain, of_nothing};
use crate::common::arguments::{Argument, Arguments, Kind, Range};
use crate::common::sliding::Sliding;

pub(crate) static ARGUMENTS: Arguments = Arguments {
    function: "auc_ci",
    counts: &[2],
    list: &[
        Argument::new("score", Kind::Number(Range::Finite)),
        Argument::new("label", Kind::Label),
    ],
};

static MEASURE: Measure = Measure {
    arguments: &ARGUMENTS,
    kernel: Kernel::Interval(interval),
};

#[user_doc(
    doc_section(label = "Evaluation"),
    description = "Area under the ROC curve as in `auc`, with its 95 % confidence interval: STRUCT<auc, low, high>. \
The variance is that of Hanley and McNeil (*Radiology*, 1982), and the bounds solve (auc − a)² = z² · variance(a), \
as Wilson's do for a rate, so that a perfect ranking of few rows is not called certain. Rows with a NULL do not \
count; with hits only or misses only all three are NULL. Needs memory for all rows.",
    syntax_example = "auc_ci(score, label)",
    sql_example = r"```sql
SELECT round(a.auc, 2) AS auc, round(a.low, 3) AS low, round(a.high, 3) AS high
FROM (
    SELECT auc_ci(score, bought) AS a
    FROM (VALUES (0.9, true), (0.8, false), (0.7, true), (0.1, false)) AS t(score, bought)
);
+------+-------+-------+
| auc  | low   | high  |
+------+-------+-------+
| 0.75 | 0.227 | 0.967 |
+------+-------+-------+
```",
    argument(
        name = "score",
        description = "Any number, higher is better. NaN or infinity is an error."
    ),
    argument(
        name = "label",
        description = "BOOLEAN, or an integer 0 or 1: what really happened."
    )
)]
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct AucCi {
    signature: Signature,
}

impl AucCi {
    pub(crate) fn new() -> Self {
        Self {
            signature: Signature::user_defined(Volatility::Immutable),
        }
    }
}

impl AggregateUDFImpl for AucCi {
    fn name(&self) -> &str {
        ARGUMENTS.function
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        Ok(ARGUMENTS.coerce(given))
    }

    fn return_type(&self, given: &[DataType]) -> Result<DataType> {
        ARGUMENTS.check_types(given).map(|_| MEASURE.result_type())
    }

    fn default_value(&self, _data_type: &DataType) -> Result<ScalarValue> {
        of_nothing(Ranking::new(&MEASURE))
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        Ok(MEASURE.state_fields(args.name))
    }

    fn accumulator(&self, _args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(Plain::new(Ranking::new(&MEASURE))))
    }

    fn create_sliding_accumulator(
        &self,
        _args: AccumulatorArgs<'_>,
    ) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(Sliding::new(Ranking::new(&MEASURE))))
    }

    fn groups_accumulator_supported(&self, _args: AccumulatorArgs<'_>) -> bool {
        true
    }

    fn create_groups_accumulator(
        &self,
        _args: AccumulatorArgs<'_>,
    ) -> Result<Box<dyn GroupsAccumulator>> {
        Ok(Box::new(Grouped(Ranking::new(&MEASURE))))
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}

/// Half of the normal distribution's 5 % lies beyond this.
const Z: f64 = 1.959_963_984_540_054;

/// `rows` are sorted by score, ascending.
fn interval(rows: &[Scored]) -> Option<[f64; 3]> {
    let hits = hits_of_both(rows)?;
    let misses = (rows.len() - hits) as f64;
    let hits = hits as f64;
    let auc = area(rows)?;
    Some([
        auc,
        bound(auc, 0.0, hits, misses),
        bound(auc, 1.0, hits, misses),
    ])
}

/// Where between the AUC and `end` the distance to the AUC is z standard errors, by bisection.
fn bound(auc: f64, end: f64, hits: f64, misses: f64) -> f64 {
    let (mut inside, mut outside) = (auc, end);
    loop {
        let middle = f64::midpoint(inside, outside);
        if middle <= inside.min(outside) || middle >= inside.max(outside) {
            return outside;
        }
        let distance = auc - middle;
        if distance * distance < Z * Z * variance(middle, hits, misses) {
            inside = middle;
        } else {
            outside = middle;
        }
    }
}

/// Hanley and `McNeil`'s variance of an AUC, given its true value.
fn variance(auc: f64, hits: f64, misses: f64) -> f64 {
    let square = auc * auc;
    let two_hits = auc / (2.0 - auc) - square;
    let two_misses = 2.0 * square / (1.0 + auc) - square;
    (auc * (1.0 - auc) + (hits - 1.0) * two_hits + (misses - 1.0) * two_misses) / (hits * misses)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::ranking::testing::{columns, counted, rows};
    use super::*;
    use crate::common::testing::{check_group_state, plain_result};

    #[test]
    fn matches_the_roots_of_another_solver() {
        // scipy.optimize.brentq on (auc − a)² − z² · v(a), with v(a) as Hanley and McNeil print it.
        for (auc, hits, misses, low, high) in [
            (
                0.75,
                2.0,
                2.0,
                0.227_187_470_703_131_28,
                0.966_781_569_845_539_4,
            ),
            (
                0.8,
                30.0,
                70.0,
                0.680_395_578_764_305,
                0.882_948_765_879_278_8,
            ),
            (
                0.55,
                400.0,
                600.0,
                0.513_410_827_238_118_7,
                0.586_286_507_137_884_4,
            ),
            (1.0, 5.0, 5.0, 0.642_702_823_931_046_6, 1.0),
            (
                0.3,
                10.0,
                200.0,
                0.194_062_577_054_010_2,
                0.481_578_919_411_269_35,
            ),
        ] {
            let got = (bound(auc, 0.0, hits, misses), bound(auc, 1.0, hits, misses));
            assert!(
                (got.0 - low).abs() < 1e-9 && (got.1 - high).abs() < 1e-9,
                "{got:?} {low} {high}"
            );
        }
    }

    #[test]
    fn a_perfect_ranking_of_few_rows_is_not_certain() {
        let perfect = [(1.0, false), (2.0, false), (3.0, true), (4.0, true)];
        let [auc, low, high] = interval(&perfect).unwrap();
        assert!(auc > 0.999 && high > 0.999 && low < 0.5, "{low}");
        assert!(interval(&perfect[..2]).is_none());
        assert!(interval(&[]).is_none());
    }

    proptest! {
        #[test]
        fn every_way_to_aggregate_gives_the_same(rows in rows(), seed: u64) {
            check_group_state(&Ranking::new(&MEASURE), &columns(&rows, None), seed)?;
        }

        #[test]
        fn the_bounds_enclose_the_auc(rows in rows()) {
            plain_result(&Ranking::new(&MEASURE), &columns(&rows, None));
            let mut rows = counted(&rows);
            rows.sort_by(|a, b| a.0.total_cmp(&b.0));
            if let Some([auc, low, high]) = interval(&rows) {
                prop_assert!(0.0 <= low && low <= auc && auc <= high && high <= 1.0);
                prop_assert!(high - low > 0.01);
            }
        }
    }
}
