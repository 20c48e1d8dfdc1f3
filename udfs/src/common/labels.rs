//! Yes or no: booleans, or the numbers 1 and 0.

use arrow::array::{ArrayRef, AsArray, BooleanArray};
use arrow::datatypes::Int64Type;
use datafusion_common::Result;

use super::arguments::Arguments;

/// A label column: booleans, or integers that are 0 or 1.
pub(crate) enum Labels<'a> {
    Booleans(&'a BooleanArray),
    Integers(&'a [i64]),
}

impl<'a> Labels<'a> {
    pub(crate) fn new(label: &'a ArrayRef) -> Self {
        match label.as_boolean_opt() {
            Some(labels) => Self::Booleans(labels),
            None => Self::Integers(label.as_primitive::<Int64Type>().values()),
        }
    }

    /// Whether the row, which is not NULL, says yes; a number other than 0 and 1 is an error of argument number
    /// `position`.
    pub(crate) fn get(&self, arguments: &Arguments, position: usize, row: usize) -> Result<bool> {
        match self {
            Self::Booleans(labels) => Ok(labels.value(row)),
            Self::Integers(labels) => match labels[row] {
                0 => Ok(false),
                1 => Ok(true),
                other => Err(arguments.invalid(position, "BOOLEAN, 0 or 1", other)),
            },
        }
    }
}
