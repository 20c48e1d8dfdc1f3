//! The columns by which people are compared: which types they may have, and what they are cast to.

use std::sync::Arc;

use arrow::datatypes::{DataType, FieldRef, Schema};
use datafusion_common::{Result, plan_err};

use super::FUNCTION;
use super::people::element;
use crate::common::kinds::{is_text, plain};
use crate::relation::inputs::{Picked, missing};

/// Adds a column by its name, once.
pub(super) fn pick(
    picked: &mut Vec<Picked>,
    input: &str,
    name: &str,
    schema: &Schema,
    accept: impl Fn(&DataType) -> Option<DataType>,
    expected: &str,
) -> Result<()> {
    let Ok(index) = schema.index_of(name) else {
        return Err(missing(FUNCTION, input, name, schema));
    };
    let got = schema.field(index).data_type();
    let Some(data_type) = accept(got) else {
        let hint = match got {
            DataType::Struct(_) | DataType::Map(_, _) | DataType::List(_) => {
                "take one of its fields".to_owned()
            }
            _ if expected.starts_with("a LIST") => format!("build it with array_agg({name})"),
            _ => format!("cast it, e.g. {name}::TEXT"),
        };
        return plan_err!(
            "{FUNCTION}: column '{name}' of '{input}' must be {expected}, got {got}; hint: {hint}"
        );
    };
    match picked.iter_mut().find(|known| known.index == index) {
        Some(known) if known.data_type == data_type => {}
        Some(known) if known.index == 0 => known.data_type = data_type,
        Some(_) => {
            return plan_err!(
                "{FUNCTION}: column '{name}' of '{input}' cannot be both block and features"
            );
        }
        None => picked.push(Picked {
            index,
            name: name.to_owned(),
            data_type,
        }),
    }
    Ok(())
}

/// The type that values to compare are cast to.
pub(super) fn block_type(given: &DataType) -> Option<DataType> {
    match plain(given) {
        integer if integer.is_integer() => Some(DataType::Int64),
        text if is_text(text) => Some(DataType::Utf8View),
        DataType::Null | DataType::Boolean | DataType::Date32 | DataType::Date64 => {
            Some(DataType::Utf8View)
        }
        _ => None,
    }
}

/// The type that features are cast to.
pub(super) fn features_type(given: &DataType) -> Option<DataType> {
    match plain(given) {
        DataType::List(of)
        | DataType::LargeList(of)
        | DataType::FixedSizeList(of, _)
        | DataType::ListView(of)
        | DataType::LargeListView(of) => {
            Some(DataType::new_list(block_type(of.data_type())?, true))
        }
        DataType::Map(entries, sorted) => {
            let DataType::Struct(fields) = entries.data_type() else {
                return None;
            };
            let number = fields[1].data_type();
            let numbers = number.is_numeric() || number.is_null();
            let retyped = |field: &FieldRef, to| field.as_ref().clone().with_data_type(to);
            let fields = vec![
                retyped(&fields[0], block_type(fields[0].data_type())?),
                retyped(&fields[1], DataType::Float64),
            ];
            let entries = retyped(entries, DataType::Struct(fields.into()));
            numbers.then_some(DataType::Map(Arc::new(entries), *sorted))
        }
        _ => None,
    }
}

/// What a column is to a reader.
pub(super) fn shape(column: &DataType) -> String {
    let of = if is_text(element(column)) {
        "text"
    } else {
        "integers"
    };
    match column {
        DataType::List(_) => format!("a LIST of {of}"),
        DataType::Map(_, _) => format!("a MAP of {of}"),
        _ => of.to_owned(),
    }
}
