//! Ids of one kind of thing that stand in columns of several inputs.

use std::borrow::Cow;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::{CastOptions, cast, cast_with_options};
use arrow::datatypes::{DataType, SchemaRef};
use datafusion_common::{Result, exec_datafusion_err, plan_err};

use super::Relation;
use super::ids::Ids;
use crate::common::kinds::is_text;

/// The ids and their codes: the same id has the same code, whichever text encoding or integer type its column has.
#[derive(Debug)]
pub(crate) struct SharedIds {
    function: &'static str,
    ids: Ids,
    /// Integers of different types are compared as signed ones.
    signed: bool,
}

/// A column, as the numbers of its input and of its place there.
pub(crate) type Place = (usize, usize);

/// Fails unless the columns at these places are all text, or all integers.
pub(crate) fn one_kind(
    function: &dyn Relation,
    schemas: &[SchemaRef],
    places: &[Place],
) -> Result<()> {
    let fields = places.iter().map(|&(input, column)| {
        let field = schemas[input].field(column);
        (
            function.inputs()[input].name,
            field.name(),
            kind(field.data_type()),
        )
    });
    let fields: Vec<_> = fields.collect();
    for pair in fields.windows(2) {
        let [(input, column, kind), (other_input, other_column, other)] = pair else {
            continue;
        };
        if kind != other {
            return plan_err!(
                "{}: column '{column}' of '{input}' and column '{other_column}' of '{other_input}' must be of one kind, \
                 got {kind} and {other}; hint: cast one of them",
                function.name()
            );
        }
    }
    Ok(())
}

fn kind(data_type: &DataType) -> &'static str {
    if is_text(data_type) {
        "text"
    } else {
        "an integer"
    }
}

impl SharedIds {
    /// For the columns at these places, which are of one kind.
    pub(crate) fn new(function: &'static str, schemas: &[SchemaRef], places: &[Place]) -> Self {
        let mut types = places
            .iter()
            .map(|&(input, column)| schemas[input].field(column).data_type());
        let first = types.next().unwrap_or(&DataType::Int64);
        let signed = !is_text(first) && types.any(|other| other != first);
        let data_type = if signed { &DataType::Int64 } else { first };
        Self {
            function,
            ids: Ids::new(data_type),
            signed,
        }
    }

    /// The ids themselves.
    pub(crate) fn ids(&self) -> &Ids {
        &self.ids
    }

    /// Appends the code of every row; unknown ids get new codes.
    pub(crate) fn encode(
        &mut self,
        batch: &RecordBatch,
        column: usize,
        codes: &mut Vec<u32>,
    ) -> Result<()> {
        let column = self.comparable(batch.column(column))?;
        self.ids.encode(&column, codes)
    }

    /// Appends the code of every row; unknown ids get that of a NULL.
    pub(crate) fn find(
        &mut self,
        batch: &RecordBatch,
        column: usize,
        codes: &mut Vec<u32>,
    ) -> Result<()> {
        let column = self.comparable(batch.column(column))?;
        self.ids.find(&column, codes)
    }

    /// The ids of these codes, in the type of a column that had them.
    pub(crate) fn decode(&self, codes: &[u32], data_type: &DataType) -> Result<ArrayRef> {
        Ok(cast(&self.ids.decode(codes)?, data_type)?)
    }

    fn comparable<'a>(&self, column: &'a ArrayRef) -> Result<Cow<'a, ArrayRef>> {
        if !self.signed || column.data_type() != &DataType::UInt64 {
            return Ok(Cow::Borrowed(column));
        }
        let strict = CastOptions {
            safe: false,
            ..CastOptions::default()
        };
        let signed = cast_with_options(column, &DataType::Int64, &strict);
        signed.map(Cow::Owned).map_err(|error| {
            exec_datafusion_err!(
                "{}: {error}; hint: cast the ids of both inputs to one type",
                self.function
            )
        })
    }
}
