//! The columns of candidates: how each row is read and checked.

use arrow::array::{Array, ArrayRef, AsArray, Decimal128Array, Float64Array, RecordBatch};
use arrow::datatypes::{DataType, Decimal128Type, Float64Type, Int64Type, Schema};
use datafusion_common::{Result, exec_err};

use super::candidates::LARGEST;
use super::kernel::BARRED;
use crate::relation::ids::{Ids, NO_CODE};

/// Sums of larger values might not be finite.
const MOST_VALUE: f64 = 1e200;

/// A batch of candidates.
pub(super) struct Batch<'a> {
    function: &'static str,
    pub(super) persons: &'a ArrayRef,
    /// The codes of the channels.
    pub(super) channels: Vec<u32>,
    costs: Costs<'a>,
    values: Values<'a>,
    /// Rows where one of these is not true must not be used.
    flags: Vec<&'a ArrayRef>,
}

impl<'a> Batch<'a> {
    pub(super) fn new(
        function: &'static str,
        schema: &Schema,
        batch: &'a RecordBatch,
        channels: &mut Ids,
    ) -> Result<Self> {
        let mut codes = Vec::with_capacity(batch.num_rows());
        channels.encode(batch.column(1), &mut codes)?;
        let flags = ["consented", "allowed"].into_iter();
        let flags = flags.filter_map(|name| schema.index_of(name).ok());
        Ok(Self {
            function,
            persons: batch.column(0),
            channels: codes,
            costs: Costs::new(batch.column(2)),
            values: Values::new(batch.column(3)),
            flags: flags.map(|index| batch.column(index)).collect(),
        })
    }

    pub(super) fn len(&self) -> usize {
        self.channels.len()
    }

    /// The values as they are, when they are decimals.
    pub(super) fn exact(&self) -> Option<&'a Decimal128Array> {
        match self.values {
            Values::Exact(exact, _) => Some(exact),
            Values::Float(_) => None,
        }
    }

    /// Cost and value of all rows, when all are usual: known, in range, exact as to cost and not as to value.
    pub(super) fn whole(&self) -> Option<impl Iterator<Item = (i64, f64)>> {
        let whole = self.flags.is_empty()
            && self.persons.null_count() == 0
            && !self.channels.contains(&NO_CODE);
        let columns = whole.then(|| self.costs.all().zip(self.values.all()));
        columns.flatten().map(|(costs, values)| costs.zip(values))
    }

    /// Tells row, cost and value of each candidate; the cost is [`BARRED`] when it must not be used.
    pub(super) fn each(&self, mut each: impl FnMut(usize, i64, f64)) -> Result<()> {
        for row in 0..self.len() {
            if self.persons.is_null(row) || self.channels[row] == NO_CODE {
                continue;
            }
            let barred = self.flags.iter().any(|flag| !is_true(flag, row));
            let cost = self.costs.get(self.function, row)?;
            let value = self.values.get(self.function, row)?;
            match (cost, value) {
                (Some(cost), Some(value)) if !barred => each(row, cost, value),
                _ => each(row, BARRED, 0.0),
            }
        }
        Ok(())
    }
}

/// NULL is false: unknown consent is no consent.
fn is_true(flag: &ArrayRef, row: usize) -> bool {
    flag.is_valid(row)
        && match flag.data_type() {
            DataType::Boolean => flag.as_boolean().value(row),
            _ => flag.as_primitive::<Int64Type>().value(row) == 1,
        }
}

enum Costs<'a> {
    Exact(&'a Decimal128Array),
    Float(&'a Float64Array),
}

impl<'a> Costs<'a> {
    fn new(column: &'a ArrayRef) -> Self {
        match column.data_type() {
            DataType::Float64 => Self::Float(column.as_primitive::<Float64Type>()),
            _ => Self::Exact(column.as_primitive::<Decimal128Type>()),
        }
    }

    /// The micro-euros of all rows, when they are the usual: decimals that are known and in range.
    fn all(&self) -> Option<impl Iterator<Item = i64>> {
        let Self::Exact(column) = self else {
            return None;
        };
        let usual = column.null_count() == 0
            && column
                .values()
                .iter()
                .all(|micros| (0..=LARGEST).contains(micros));
        usual.then(|| column.values().iter().map(|&micros| micros as i64))
    }

    /// Micro-euros; a DOUBLE is rounded to them.
    fn get(&self, function: &str, row: usize) -> Result<Option<i64>> {
        let micros = match self {
            Self::Exact(column) if column.is_valid(row) => column.value(row),
            Self::Float(column) if column.is_valid(row) => {
                let euros = column.value(row);
                if euros.is_finite() {
                    (euros * 1e6).round() as i128
                } else {
                    i128::MAX
                }
            }
            _ => return Ok(None),
        };
        if !(0..=LARGEST).contains(&micros) {
            let got = match self {
                Self::Exact(column) => column.value_as_string(row),
                Self::Float(column) => column.value(row).to_string(),
            };
            return exec_err!(
                "{function}: column 'cost' must be zero or a positive number of euros below a trillion, got {got}"
            );
        }
        Ok(Some(micros as i64))
    }
}

enum Values<'a> {
    Exact(&'a Decimal128Array, f64),
    Float(&'a Float64Array),
}

impl<'a> Values<'a> {
    fn new(column: &'a ArrayRef) -> Self {
        match column.data_type() {
            DataType::Decimal128(_, scale) => {
                let unit = 10_f64.powi(i32::from(*scale));
                Self::Exact(column.as_primitive::<Decimal128Type>(), unit)
            }
            _ => Self::Float(column.as_primitive::<Float64Type>()),
        }
    }

    /// The values of all rows, when they are the usual: doubles that are known and in range.
    fn all(&self) -> Option<impl Iterator<Item = f64>> {
        let Self::Float(column) = self else {
            return None;
        };
        let usual = column.null_count() == 0
            && column
                .values()
                .iter()
                .all(|value| value.abs() <= MOST_VALUE);
        usual.then(|| column.values().iter().copied())
    }

    fn get(&self, function: &str, row: usize) -> Result<Option<f64>> {
        match self {
            Self::Exact(column, unit) => {
                let value = column
                    .is_valid(row)
                    .then(|| column.value(row) as f64 / unit);
                Ok(value)
            }
            Self::Float(column) => {
                let value = column.is_valid(row).then(|| column.value(row));
                match value {
                    Some(value) if value.is_nan() || value.abs() > MOST_VALUE => {
                        exec_err!("{function}: column 'value' must be a finite number, got {value}")
                    }
                    value => Ok(value),
                }
            }
        }
    }
}
