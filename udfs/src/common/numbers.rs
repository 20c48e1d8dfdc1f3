//! Scalar functions of numbers: NULL in any argument gives NULL, ranges are checked, constants stay constants.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array};
use arrow::datatypes::{DataType, FieldRef, Float64Type};
use datafusion_common::{Result, ScalarValue, exec_err};
use datafusion_expr::{ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs};

use super::arguments::{Arguments, at_planning};

/// Evaluates a function of `N` numbers row by row; `defaults` stand in for the optional arguments of a call.
pub(crate) fn evaluate<const N: usize>(
    arguments: &Arguments,
    defaults: [f64; N],
    args: &ScalarFunctionArgs,
    mut kernel: impl FnMut([f64; N]) -> Result<Option<f64>>,
) -> Result<ColumnarValue> {
    let columns = args
        .args
        .iter()
        .map(Column::new)
        .collect::<Result<Vec<_>>>()?;
    let mut row_result = |row: usize| -> Result<Option<f64>> {
        let mut values = defaults;
        for (value, column) in values.iter_mut().zip(&columns) {
            match column.get(row) {
                Some(known) => *value = known,
                None => return Ok(None),
            }
        }
        checked(arguments, values, &mut kernel)
    };
    if columns
        .iter()
        .all(|column| matches!(column, Column::Constant(_)))
    {
        return Ok(ColumnarValue::Scalar(ScalarValue::Float64(row_result(0)?)));
    }
    let results = (0..args.number_rows)
        .map(row_result)
        .collect::<Result<Float64Array>>()?;
    Ok(ColumnarValue::Array(Arc::new(results)))
}

/// The return field of such a function. Literals are checked, together too when all arguments are literals.
pub(crate) fn return_field<const N: usize>(
    arguments: &Arguments,
    defaults: [f64; N],
    args: &ReturnFieldArgs<'_>,
    mut kernel: impl FnMut([f64; N]) -> Result<Option<f64>>,
) -> Result<FieldRef> {
    let field = arguments.return_field(args, DataType::Float64)?;
    let mut values = defaults;
    for (value, literal) in values.iter_mut().zip(args.scalar_arguments) {
        match literal.map(|literal| literal.cast_to(&DataType::Float64)) {
            Some(Ok(ScalarValue::Float64(Some(known)))) => *value = known,
            _ => return Ok(field),
        }
    }
    checked(arguments, values, &mut kernel).map_err(at_planning)?;
    Ok(field)
}

/// One number argument of a scalar function: a constant or a column.
#[derive(Debug)]
pub(crate) enum Column<'a> {
    Constant(Option<f64>),
    Values(&'a Float64Array),
}

impl<'a> Column<'a> {
    pub(crate) fn new(value: &'a ColumnarValue) -> Result<Self> {
        match value {
            ColumnarValue::Scalar(ScalarValue::Float64(constant)) => Ok(Self::Constant(*constant)),
            ColumnarValue::Array(array) if array.data_type() == &DataType::Float64 => {
                Ok(Self::Values(array.as_primitive::<Float64Type>()))
            }
            other => exec_err!("expected a DOUBLE, got {}", other.data_type()),
        }
    }

    #[inline]
    pub(crate) fn get(&self, row: usize) -> Option<f64> {
        match self {
            Self::Constant(constant) => *constant,
            Self::Values(values) => values.is_valid(row).then(|| values.value(row)),
        }
    }
}

/// Fails when a result overflows.
pub(crate) fn finite_result(arguments: &Arguments, value: f64) -> Result<f64> {
    if value.is_finite() {
        Ok(value)
    } else {
        exec_err!(
            "{}: the result is too large for a DOUBLE",
            arguments.function
        )
    }
}

/// A column of doubles.
pub(crate) fn doubles(array: &ArrayRef) -> &Float64Array {
    array.as_primitive::<Float64Type>()
}

#[inline]
fn checked<const N: usize>(
    arguments: &Arguments,
    values: [f64; N],
    kernel: &mut impl FnMut([f64; N]) -> Result<Option<f64>>,
) -> Result<Option<f64>> {
    for (position, &value) in values.iter().enumerate() {
        arguments.check_number(position, value)?;
    }
    kernel(values)
}
