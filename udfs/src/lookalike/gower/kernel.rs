//! Types and values of `gower`.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, StructArray};
use arrow::datatypes::{DataType, Field, Fields};
use arrow::row::{RowConverter, SortField};
use datafusion_common::{Result, plan_err};
use datafusion_expr::type_coercion::binary::type_union_resolution;

use super::ARGUMENTS;
use crate::common::arguments::plain;
use crate::common::numbers::doubles;

/// The types of both records, where fields of one name have one type, and of the ranges, which are numbers.
pub(super) fn coerce_records(given: &[DataType]) -> Result<Vec<DataType>> {
    let types = ARGUMENTS.check_types(given)?;
    let ranges = types.get(2).map(fields);
    let (mut left, mut right) = (fields(&types[0]), fields(&types[1]));
    let records = types[..2].iter().all(|side| !side.is_null());
    let mut common = 0;
    for field in &mut left {
        let Some(other) = right.iter_mut().find(|other| other.name() == field.name()) else {
            continue;
        };
        common += 1;
        let name = field.name().clone();
        let both = [field.data_type(), other.data_type()].map(|side| plain(side).clone());
        let Some(mut shared) = type_union_resolution(&both) else {
            let [a, b] = both;
            return plan_err!(
                "gower: the field '{name}' must be of one type on both sides, got {a} and {b}"
            );
        };
        if shared.is_numeric() {
            let range = ranges.iter().flatten().find(|range| *range.name() == name);
            if range.is_none() {
                return plan_err!(
                    "gower: the number '{name}' needs a range; hint: give the ranges of numbers as a third \
                     argument, e.g. {{'{name}': 60}}"
                );
            }
            shared = DataType::Float64;
        }
        *field = field
            .clone()
            .with_data_type(shared.clone())
            .with_nullable(true);
        *other = other.clone().with_data_type(shared).with_nullable(true);
    }
    if records && common == 0 {
        return plan_err!("gower: the two records have no field in common");
    }
    let mut coerced = vec![record(&types[0], left), record(&types[1], right)];
    if let Some(ranges) = ranges {
        for range in &ranges {
            let given = range.data_type();
            if !(given.is_numeric() || given.is_null()) {
                let name = range.name();
                return plan_err!("gower: the range of '{name}' must be a number, got {given}");
            }
        }
        let ranges = ranges
            .into_iter()
            .map(|range| range.with_data_type(DataType::Float64).with_nullable(true));
        coerced.push(record(&types[2], ranges.collect()));
    }
    Ok(coerced)
}

/// The likeness of each row; `columns` are (a, b [, ranges]), cast as [`coerce_records`] says.
pub(super) fn likeness(columns: &[ArrayRef]) -> Result<Float64Array> {
    let [left, right, ranges @ ..] = columns else {
        return Ok(Float64Array::new_null(0));
    };
    let rows = left.len();
    let (Some(left), Some(right)) = (left.as_struct_opt(), right.as_struct_opt()) else {
        return Ok(Float64Array::new_null(rows));
    };
    let ranges = ranges.first().and_then(|ranges| ranges.as_struct_opt());
    let mut scores = vec![Score::default(); rows];
    for (position, field) in left.fields().iter().enumerate() {
        let Some(other) = right.column_by_name(field.name()) else {
            continue;
        };
        let pair = [left.column(position), other];
        let known = |row: usize| {
            left.is_valid(row) && right.is_valid(row) && pair.iter().all(|side| is_known(side, row))
        };
        if field.data_type() == &DataType::Float64 {
            let range = |row| range(ranges, field.name(), row);
            add_numbers(&mut scores, pair.map(doubles), known, range)?;
        } else {
            add_equal(&mut scores, pair, known)?;
        }
    }
    Ok(scores.iter().map(Score::mean).collect())
}

/// What the fields so far say of one row.
#[derive(Debug, Clone, Copy, Default)]
struct Score {
    alike: f64,
    fields: u32,
}

impl Score {
    fn add(&mut self, alike: f64) {
        self.alike += alike;
        self.fields += 1;
    }

    fn mean(&self) -> Option<f64> {
        (self.fields > 0).then(|| self.alike / f64::from(self.fields))
    }
}

fn add_numbers(
    scores: &mut [Score],
    [left, right]: [&Float64Array; 2],
    known: impl Fn(usize) -> bool,
    range: impl Fn(usize) -> Result<Option<f64>>,
) -> Result<()> {
    for (row, score) in scores.iter_mut().enumerate() {
        if !known(row) {
            continue;
        }
        let values = [left.value(row), right.value(row)];
        for (position, value) in values.into_iter().enumerate() {
            if !value.is_finite() {
                return Err(ARGUMENTS.invalid(position, "a STRUCT of finite numbers", value));
            }
        }
        let distance = (values[0] - values[1]).abs();
        match range(row)? {
            None => {}
            Some(range) if distance >= range => score.add(f64::from(u8::from(distance == 0.0))),
            Some(range) => score.add(1.0 - distance / range),
        }
    }
    Ok(())
}

fn add_equal(
    scores: &mut [Score],
    pair: [&ArrayRef; 2],
    known: impl Fn(usize) -> bool,
) -> Result<()> {
    let converter = RowConverter::new(vec![SortField::new(pair[0].data_type().clone())])?;
    let left = converter.convert_columns(&[Arc::clone(pair[0])])?;
    let right = converter.convert_columns(&[Arc::clone(pair[1])])?;
    for (row, score) in scores.iter_mut().enumerate() {
        if known(row) {
            score.add(f64::from(u8::from(left.row(row) == right.row(row))));
        }
    }
    Ok(())
}

/// The range of a number in a row, NULL when it is not known.
fn range(ranges: Option<&StructArray>, name: &str, row: usize) -> Result<Option<f64>> {
    let Some(ranges) = ranges.filter(|ranges| ranges.is_valid(row)) else {
        return Ok(None);
    };
    let column = ranges.column_by_name(name).map(doubles);
    let Some(range) = column.filter(|column| column.is_valid(row)) else {
        return Ok(None);
    };
    let range = range.value(row);
    if range.is_finite() && range >= 0.0 {
        Ok(Some(range))
    } else {
        Err(ARGUMENTS.invalid(2, "a STRUCT of zero or positive numbers", range))
    }
}

fn is_known(column: &ArrayRef, row: usize) -> bool {
    column.is_valid(row) && !column.data_type().is_null()
}

fn fields(record: &DataType) -> Vec<Field> {
    match record {
        DataType::Struct(fields) => fields.iter().map(|field| field.as_ref().clone()).collect(),
        _ => Vec::new(),
    }
}

fn record(given: &DataType, fields: Vec<Field>) -> DataType {
    if given.is_null() {
        DataType::Null
    } else {
        DataType::Struct(Fields::from(fields))
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::StringArray;
    use proptest::prelude::*;

    use super::*;

    type Row = (Option<f64>, Option<String>, bool);

    fn records(rows: &[Row]) -> ArrayRef {
        let fields = Fields::from(vec![
            Field::new("age", DataType::Float64, true),
            Field::new("city", DataType::Utf8, true),
        ]);
        let columns: Vec<ArrayRef> = vec![
            Arc::new(rows.iter().map(|row| row.0).collect::<Float64Array>()),
            Arc::new(
                rows.iter()
                    .map(|row| row.1.clone())
                    .collect::<StringArray>(),
            ),
        ];
        let nulls = rows.iter().map(|row| row.2).collect();
        Arc::new(StructArray::new(fields, columns, Some(nulls)))
    }

    fn ranges(range: f64, rows: usize) -> ArrayRef {
        let field = Arc::new(Field::new("age", DataType::Float64, true));
        let column: ArrayRef = Arc::new(Float64Array::from_value(range, rows));
        Arc::new(StructArray::from(vec![(field, column)]))
    }

    fn row() -> impl Strategy<Value = Row> {
        (
            proptest::option::weighted(0.8, (0_u8..100).prop_map(f64::from)),
            proptest::option::weighted(0.8, "[ab]"),
            proptest::bool::weighted(0.9),
        )
    }

    proptest! {
        #[test]
        fn is_the_mean_over_what_both_know(pairs in proptest::collection::vec((row(), row()), 0..20), range in 0_u8..80) {
            let range = f64::from(range);
            let (left, right): (Vec<_>, Vec<_>) = pairs.iter().cloned().unzip();
            let columns = [records(&left), records(&right), ranges(range, pairs.len())];
            let got = likeness(&columns).unwrap();
            let swapped = likeness(&[Arc::clone(&columns[1]), Arc::clone(&columns[0]), Arc::clone(&columns[2])]);
            prop_assert_eq!(&got, &swapped.unwrap());
            for (row, (a, b)) in pairs.iter().enumerate() {
                let mut parts = Vec::new();
                if a.2 && b.2 {
                    parts.extend(a.0.zip(b.0).map(|(x, y)| match (x - y).abs() {
                        0.0 => 1.0,
                        distance if distance > range => 0.0,
                        distance => 1.0 - distance / range,
                    }));
                    parts.extend(a.1.as_ref().zip(b.1.as_ref()).map(|(x, y)| f64::from(u8::from(x == y))));
                }
                let expected = (!parts.is_empty()).then(|| parts.iter().sum::<f64>() / parts.len() as f64);
                prop_assert_eq!(got.is_valid(row).then(|| got.value(row)), expected);
            }
        }
    }
}
