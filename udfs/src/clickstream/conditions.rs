//! Calls that end in any number of conditions: forms, types, texts, and rows as sets of conditions.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, UInt8Array, UInt64Array};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{DataType, UInt8Type, UInt64Type};
use datafusion_common::{Result, ScalarValue, exec_datafusion_err, plan_err};
use datafusion_expr::ColumnarValue;
use datafusion_expr::function::AccumulatorArgs;
use datafusion_functions_aggregate_common::aggregate::groups_accumulator::nulls::filter_to_nulls;

use crate::common::arguments::{Arguments, Kind, at_planning, plain};
use crate::common::literals::Call;

/// A set of conditions has one bit for each.
pub(crate) const MOST_CONDITIONS: usize = 64;

/// The arguments of a function whose last ones are conditions.
#[derive(Debug)]
pub(crate) struct Conditions {
    /// SQL name of the function.
    pub(crate) function: &'static str,
    /// How the arguments are written, for the error of a wrong number.
    pub(crate) written: &'static str,
    /// The arguments before the conditions: without the optional text and, where there is one, with it.
    pub(crate) forms: &'static [Arguments],
    /// Conditions are named by this and their number.
    pub(crate) condition: &'static str,
    /// Checks the one argument that is text, at this position, for so many conditions.
    pub(crate) check_text: fn(&Arguments, usize, &str, usize) -> Result<()>,
}

impl Call for Conditions {
    fn function(&self) -> &'static str {
        self.function
    }

    #[cfg(test)]
    fn names(&self) -> Vec<&'static str> {
        let form = self.forms.last().unwrap();
        let names = form.list.iter().map(|argument| argument.name);
        names.chain([self.condition]).collect()
    }

    fn check(&self, literals: &[Option<&ScalarValue>]) -> Result<()> {
        let types: Vec<_> = literals
            .iter()
            .map(|literal| literal.map(ScalarValue::data_type))
            .collect();
        let form = self.form(&types);
        let before = form.list.len();
        if literals.len() <= before {
            // `check_types` has the better error.
            return Ok(());
        }
        let fixed = &literals[..before];
        form.check_literals(fixed.iter().copied())?;
        for (position, literal) in fixed.iter().enumerate() {
            if form.list[position].kind == Kind::Text
                && let Some(Some(Some(text))) = literal.map(ScalarValue::try_as_str)
            {
                let conditions = literals.len() - before;
                (self.check_text)(form, position, text, conditions).map_err(at_planning)?;
            }
        }
        Ok(())
    }
}

impl Conditions {
    /// The types that the arguments are cast to; a wrong one is left for [`Self::check_types`].
    pub(crate) fn coerce(&self, given: &[DataType]) -> Vec<DataType> {
        self.check_types(given).unwrap_or_else(|_| given.to_vec())
    }

    /// The types that the arguments are cast to, or the error for a wrong number or a wrong type.
    pub(crate) fn check_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        let form = self.form_of(given);
        let before = form.list.len();
        let (function, got) = (self.function, given.len());
        if got <= before {
            let least = self.forms.first().map_or(0, |form| form.list.len()) + 1;
            let written = self.written;
            return plan_err!(
                "{function}: expected at least {least} arguments ({written}), got {got}"
            );
        }
        let (fixed, conditions) = given.split_at(before);
        if conditions.len() > MOST_CONDITIONS {
            let got = conditions.len();
            return plan_err!(
                "{function}: expected at most {MOST_CONDITIONS} conditions, got {got}"
            );
        }
        let mut types = form.check_types(fixed)?;
        for (index, given) in conditions.iter().enumerate() {
            if !matches!(plain(given), DataType::Boolean | DataType::Null) {
                let name = format!("{}{}", self.condition, index + 1);
                return Err(at_planning(exec_datafusion_err!(
                    "{function}: argument '{name}' must be a BOOLEAN, got {given}; hint: compare it, e.g. {name} > 0"
                )));
            }
            types.push(DataType::Boolean);
        }
        Ok(types)
    }

    /// The form of a call with arguments of these types.
    pub(crate) fn form_of(&self, given: &[DataType]) -> &'static Arguments {
        let given: Vec<_> = given.iter().cloned().map(Some).collect();
        self.form(&given)
    }

    /// The optional text is there when the place of the time holds text, and something else than a condition follows.
    fn form(&self, given: &[Option<DataType>]) -> &'static Arguments {
        let is_text = |kind: &DataType| {
            matches!(
                plain(kind),
                DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View
            )
        };
        match (self.forms, given) {
            ([_, with_text], [_, Some(second), third, ..])
                if is_text(second) && third.as_ref() != Some(&DataType::Boolean) =>
            {
                with_text
            }
            ([_, with_text], [_, Some(DataType::Null), Some(third), ..])
                if matches!(
                    plain(third),
                    DataType::Timestamp(_, _) | DataType::Date32 | DataType::Date64
                ) =>
            {
                with_text
            }
            (forms, _) => &forms[0],
        }
    }
}

/// The value of an argument that must not depend on the row.
pub(crate) fn constant(
    form: &Arguments,
    args: &AccumulatorArgs<'_>,
    position: usize,
) -> Result<ScalarValue> {
    let no_rows = RecordBatch::new_empty(Arc::new(args.schema.clone()));
    match args.exprs[position].evaluate(&no_rows)? {
        ColumnarValue::Scalar(value) => Ok(value),
        ColumnarValue::Array(_) => Err(form.invalid(position, "a constant", "a column")),
    }
}

/// For each row the set of conditions that are true in it; NULL is false. A [`condition_column`] of them will do, too.
pub(crate) fn condition_sets(conditions: &[ArrayRef], rows: usize) -> Vec<u64> {
    if let [sets] = conditions {
        match sets.data_type() {
            DataType::UInt8 => {
                let sets = sets.as_primitive::<UInt8Type>().values();
                return sets.iter().map(|&set| u64::from(set)).collect();
            }
            DataType::UInt64 => return sets.as_primitive::<UInt64Type>().values().to_vec(),
            _ => {}
        }
    }
    let mut sets = vec![0; rows];
    collect(conditions, &mut sets, |set, met, index| {
        *set |= u64::from(met) << index;
    });
    sets
}

/// The sets of conditions that are true in each row as a column, which is moved more easily than the conditions.
pub(crate) fn condition_column(conditions: &[ArrayRef], rows: usize) -> ArrayRef {
    if set_type(conditions.len()) == DataType::UInt64 {
        return Arc::new(UInt64Array::from(condition_sets(conditions, rows)));
    }
    let mut sets = vec![0; rows];
    collect(conditions, &mut sets, |set, met, index| {
        *set |= u8::from(met) << index;
    });
    Arc::new(UInt8Array::from(sets))
}

/// The type of a [`condition_column`] of so many conditions.
pub(crate) fn set_type(conditions: usize) -> DataType {
    if conditions <= 8 {
        DataType::UInt8
    } else {
        DataType::UInt64
    }
}

/// Calls `add` with the set of each row, whether a condition is true there, and its number.
fn collect<T>(conditions: &[ArrayRef], sets: &mut [T], add: impl Fn(&mut T, bool, usize)) {
    for (index, condition) in conditions.iter().enumerate() {
        let condition = condition.as_boolean();
        let met = match condition.nulls() {
            Some(known) => condition.values() & known.inner(),
            None => condition.values().clone(),
        };
        let words = met.bit_chunks();
        for (sets, word) in sets.chunks_mut(64).zip(words.iter_padded()) {
            for (bit, set) in sets.iter_mut().enumerate() {
                add(set, word >> bit & 1 == 1, index);
            }
        }
    }
}

/// The rows that count: the filter is true and the column, where there is one, is not NULL.
pub(crate) fn counted(
    filter: Option<&BooleanArray>,
    known: Option<&ArrayRef>,
) -> Option<NullBuffer> {
    let filter = filter.map(filter_to_nulls);
    let known = known.and_then(|column| column.nulls());
    NullBuffer::union(filter.as_ref(), known)
}

#[cfg(test)]
pub(crate) mod tests {
    use arrow::array::TimestampSecondArray;
    use proptest::prelude::*;

    use super::*;

    /// A time, and three conditions.
    pub(crate) type Row = (Option<i64>, [Option<bool>; 3]);

    /// Some events, a few of them without a time, many at one time, some that meet no condition.
    pub(crate) fn rows() -> impl Strategy<Value = Vec<Row>> {
        let condition = || proptest::option::weighted(0.9, proptest::bool::weighted(0.4));
        let row = (
            proptest::option::weighted(0.9, 0_i64..15),
            [condition(), condition(), condition()],
        );
        proptest::collection::vec(row, 0..30)
    }

    /// (`event_time`, c1, c2, c3) in seconds.
    pub(crate) fn columns(rows: &[Row]) -> Vec<ArrayRef> {
        let times = rows
            .iter()
            .map(|row| row.0)
            .collect::<TimestampSecondArray>();
        let mut columns: Vec<ArrayRef> = vec![Arc::new(times)];
        for index in 0..3 {
            let condition = rows.iter().map(|row| row.1[index]);
            columns.push(Arc::new(condition.collect::<BooleanArray>()));
        }
        columns
    }

    #[test]
    fn null_is_false() {
        let rows = [
            (None, [Some(true), None, Some(true)]),
            (None, [Some(false), Some(true), None]),
        ];
        assert_eq!(condition_sets(&columns(&rows)[1..], 2), [0b101, 0b010]);
        assert_eq!(condition_sets(&[], 2), [0, 0]);
    }

    proptest! {
        #[test]
        fn a_column_of_sets_stands_for_its_conditions(
            rows in proptest::collection::vec(proptest::array::uniform10(proptest::option::of(any::<bool>())), 0..200),
            width in 1_usize..=10,
            start in 0_usize..70,
        ) {
            let conditions = (0..width).map(|index| {
                let column: ArrayRef = Arc::new(rows.iter().map(|row| row[index]).collect::<BooleanArray>());
                let start = start.min(rows.len());
                column.slice(start, rows.len() - start)
            });
            let conditions: Vec<_> = conditions.collect();
            let kept = &rows[start.min(rows.len())..];
            let expected = kept.iter().map(|row| {
                let met = (0..width).filter(|&index| row[index] == Some(true));
                met.map(|index| 1_u64 << index).sum()
            });
            let expected: Vec<u64> = expected.collect();
            prop_assert_eq!(&condition_sets(&conditions, kept.len()), &expected);
            let column = condition_column(&conditions, kept.len());
            prop_assert_eq!(column.data_type(), &set_type(width));
            prop_assert_eq!(&condition_sets(&[column], kept.len()), &expected);
        }
    }
}
