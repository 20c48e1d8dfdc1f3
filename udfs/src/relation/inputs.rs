//! Inputs of relation functions: which columns they have, and which are read.

use arrow::datatypes::{DataType, Schema};
use datafusion_common::{DataFusionError, Result, plan_datafusion_err, plan_err};

use crate::common::kinds::Kind;

/// One table that a function takes.
#[derive(Debug)]
pub(crate) struct Input {
    pub(crate) name: &'static str,
    pub(crate) columns: Columns,
}

/// How the columns of an input are found.
#[derive(Debug)]
pub(crate) enum Columns {
    /// By position: exactly these, the optional ones last.
    Positional(&'static [Column]),
    /// By name; others are ignored.
    Named(&'static [Column]),
    /// The function picks them itself.
    Chosen,
}

/// A column of an input.
#[derive(Debug)]
pub(crate) struct Column {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) optional: bool,
}

impl Column {
    pub(crate) const fn new(name: &'static str, kind: Kind) -> Self {
        Self {
            name,
            kind,
            optional: false,
        }
    }

    pub(crate) const fn optional(name: &'static str, kind: Kind) -> Self {
        Self {
            name,
            kind,
            optional: true,
        }
    }
}

/// A column that is read: where it stands, what the function calls it, and the type that it is cast to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Picked {
    pub(crate) index: usize,
    pub(crate) name: String,
    pub(crate) data_type: DataType,
}

/// Picks the columns of input number `input` as it is declared.
pub(super) fn pick(
    function: &str,
    inputs: &[Input],
    input: usize,
    schema: &Schema,
) -> Result<Vec<Picked>> {
    let Some(Input { name, columns }) = inputs.get(input) else {
        return plan_err!("{function}: there is no input number {input}");
    };
    match columns {
        Columns::Positional(columns) => by_position(function, name, columns, schema),
        Columns::Named(columns) => by_name(function, name, columns, schema),
        Columns::Chosen => plan_err!("{function}: the columns of '{name}' are not declared"),
    }
}

/// Picks one column, or says what it must be.
pub(crate) fn pick_one(
    function: &str,
    input: &str,
    column: &Column,
    index: usize,
    schema: &Schema,
) -> Result<Picked> {
    let given = schema.field(index);
    let data_type = column.kind.accept(given.data_type());
    Ok(Picked {
        index,
        name: column.name.to_owned(),
        data_type: data_type.ok_or_else(|| {
            let (expected, hint) = column.kind.expected();
            let hint = hint.replace('$', given.name());
            let (name, got) = (column.name, given.data_type());
            plan_datafusion_err!(
                "{function}: column '{name}' of '{input}' must be {expected}, got {got}{hint}"
            )
        })?,
    })
}

/// The error for a column that an input has not.
pub(crate) fn missing(function: &str, input: &str, name: &str, schema: &Schema) -> DataFusionError {
    let there = names(schema);
    plan_datafusion_err!("{function}: '{input}' has no column '{name}'; hint: it has {there}")
}

fn by_position(
    function: &str,
    input: &str,
    columns: &[Column],
    schema: &Schema,
) -> Result<Vec<Picked>> {
    let given = schema.fields().len();
    let required = columns.iter().filter(|column| !column.optional).count();
    if !(required..=columns.len()).contains(&given) {
        let wanted = columns.iter().map(|column| {
            if column.optional {
                format!("[{}]", column.name)
            } else {
                column.name.to_owned()
            }
        });
        let wanted = wanted.collect::<Vec<_>>().join(", ");
        let expected = if required == columns.len() {
            required.to_string()
        } else {
            format!("{required} to {}", columns.len())
        };
        return plan_err!(
            "{function}: '{input}' must have {expected} columns ({wanted}), got {given} ({}); \
             hint: choose them, (SELECT … FROM …)",
            names(schema)
        );
    }
    let columns = columns.iter().take(given).enumerate();
    columns
        .map(|(index, column)| pick_one(function, input, column, index, schema))
        .collect()
}

/// Picks these columns by their names.
pub(crate) fn by_name(
    function: &str,
    input: &str,
    columns: &[Column],
    schema: &Schema,
) -> Result<Vec<Picked>> {
    let mut picked = Vec::with_capacity(columns.len());
    for column in columns {
        match schema.index_of(column.name) {
            Ok(index) => picked.push(pick_one(function, input, column, index, schema)?),
            Err(_) if column.optional => {}
            Err(_) => return Err(missing(function, input, column.name, schema)),
        }
    }
    Ok(picked)
}

fn names(schema: &Schema) -> String {
    let names: Vec<_> = schema
        .fields()
        .iter()
        .map(|field| field.name().as_str())
        .collect();
    names.join(", ")
}
