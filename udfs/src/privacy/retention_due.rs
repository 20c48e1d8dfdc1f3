//! `retention_due(last_sign_of_life, as_of [, keep])`: whether the data of a person must go.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Datum, IntervalMonthDayNanoArray};
use arrow::compute::{cast, kernels::numeric};
use arrow::datatypes::{
    DataType, FieldRef, IntervalMonthDayNano, IntervalMonthDayNanoType, TimeUnit,
};
use datafusion_common::{Result, ScalarValue, internal_err};
use datafusion_expr::{
    ColumnarValue, Documentation, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature,
    Volatility,
};
use datafusion_macros::user_doc;

use crate::common::arguments::{Argument, Arguments, Kind};
use crate::common::time::{Cutoffs, half_life_nanos, ticks};

static ARGUMENTS: Arguments = Arguments {
    function: "retention_due",
    counts: &[2, 3],
    list: &[
        Argument::new("last_sign_of_life", Kind::Time),
        Argument::new("as_of", Kind::Moment),
        Argument::new("keep", Kind::HalfLife),
    ],
};

/// Three years.
const KEEP: IntervalMonthDayNano = IntervalMonthDayNano::new(36, 0, 0);

#[user_doc(
    doc_section(label = "Privacy"),
    description = "Whether the time to keep the data of a prospect is over: true from `last_sign_of_life` + `keep` \
on, in calendar years, months and days. Three years after the last contact that came from the person is what the \
French CNIL recommends. A sign of life after `as_of` makes it false; NULL when an argument is NULL: without any \
sign of life, count from the day of collection, e.g. `coalesce(last_click, collected_at)`.",
    syntax_example = "retention_due(last_sign_of_life, as_of [, keep])",
    sql_example = r"```sql
SELECT person, retention_due(last_click, DATE '2026-06-15') AS due
FROM (VALUES ('ann', DATE '2023-06-15'), ('bob', DATE '2023-06-16')) AS t(person, last_click) ORDER BY person;
+--------+-------+
| person | due   |
+--------+-------+
| ann    | true  |
| bob    | false |
+--------+-------+
```",
    argument(
        name = "last_sign_of_life",
        description = "TIMESTAMP of any unit and zone, or DATE (its first instant)."
    ),
    argument(
        name = "as_of",
        description = "TIMESTAMP, DATE (its first instant) or text."
    ),
    argument(
        name = "keep",
        description = "INTERVAL above zero, or text such as '13 months'; 3 years by default."
    )
)]
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct RetentionDue {
    signature: Signature,
}

impl RetentionDue {
    pub(crate) fn new() -> Self {
        Self {
            signature: Signature::user_defined(Volatility::Immutable),
        }
    }
}

impl ScalarUDFImpl for RetentionDue {
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
        ARGUMENTS.return_field(&args, DataType::Boolean)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let constants = args
            .args
            .iter()
            .all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let rows = if constants { 1 } else { args.number_rows };
        let columns = args.args.iter().map(|arg| arg.to_array(rows));
        let due = due(&columns.collect::<Result<Vec<_>>>()?)?;
        if constants {
            return ScalarValue::try_from_array(&due, 0).map(ColumnarValue::Scalar);
        }
        Ok(ColumnarValue::Array(Arc::new(due)))
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}

fn due(columns: &[ArrayRef]) -> Result<BooleanArray> {
    let [last_sign, as_of, keep @ ..] = columns else {
        return internal_err!("retention_due: expected 2 or 3 arguments");
    };
    let default = IntervalMonthDayNanoArray::new_scalar(KEEP);
    let (keep, always): (&dyn Datum, Option<&IntervalMonthDayNanoArray>) = match keep.first() {
        Some(keep) => (keep, Some(keep.as_primitive::<IntervalMonthDayNanoType>())),
        None => (&default, None),
    };
    for keep in always.iter().flat_map(|keep| keep.iter()).flatten() {
        half_life_nanos(&ARGUMENTS, 2, keep)?;
    }
    // A finer unit than days and seconds, so that hours and less of `keep` are not cut off.
    let fine = match last_sign.data_type() {
        fine @ DataType::Timestamp(TimeUnit::Nanosecond, _) => fine.clone(),
        DataType::Timestamp(_, zone) => DataType::Timestamp(TimeUnit::Microsecond, zone.clone()),
        _ => DataType::Timestamp(TimeUnit::Microsecond, None),
    };
    let end = numeric::add(&cast(last_sign, &fine)?, keep)?;
    let ends = ticks(&end)?;
    let moments = ticks(as_of)?;
    let mut cutoffs = Cutoffs::new(end.data_type(), as_of.data_type())?;
    Ok((0..end.len())
        .map(|row| {
            (end.is_valid(row) && as_of.is_valid(row)).then(|| {
                let last = cutoffs.at(moments[row]).last_tick;
                last.is_some_and(|last| ends[row] <= last)
            })
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use arrow::array::{Date32Array, TimestampSecondArray};

    use super::*;

    #[test]
    fn years_are_those_of_the_calendar() {
        // 29 February 2024 plus three years is 28 February 2027, day 20877 since 1970.
        let leap_day: ArrayRef = Arc::new(Date32Array::from(vec![19_782; 3]));
        let as_of: ArrayRef = Arc::new(Date32Array::from(vec![Some(20_876), Some(20_877), None]));
        assert_eq!(
            due(&[leap_day, as_of]).unwrap(),
            BooleanArray::from(vec![Some(false), Some(true), None])
        );
    }

    #[test]
    fn short_times_are_not_rounded_to_the_unit_of_the_column() {
        let sign: ArrayRef = Arc::new(Date32Array::from(vec![0, 0]));
        let as_of: ArrayRef = Arc::new(TimestampSecondArray::from(vec![3599, 3600]));
        let hour = IntervalMonthDayNano::new(0, 0, 3_600_000_000_000);
        let keep: ArrayRef = Arc::new(IntervalMonthDayNanoArray::from_value(hour, 2));
        let got = due(&[sign, as_of, keep]).unwrap();
        assert_eq!(got, BooleanArray::from(vec![false, true]));
    }
}
