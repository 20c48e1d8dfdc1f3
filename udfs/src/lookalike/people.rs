//! Tables of people: the first column is the id, the others are features.

use arrow::compute::can_cast_types;
use arrow::datatypes::{DataType, Schema};
use datafusion_common::{DataFusionError, Result, exec_datafusion_err, plan_err};

use crate::common::kinds::{Kind, is_text, plain};
use crate::relation::inputs::{Column, Picked, pick_one};

/// Picks the id and the features of a table, under their own names. A column that cannot be a feature is an error when
/// `all` are wanted, and left out otherwise.
pub(super) fn pick(function: &str, input: &str, schema: &Schema, all: bool) -> Result<Vec<Picked>> {
    let mut picked: Vec<Picked> = Vec::with_capacity(schema.fields().len());
    for (index, field) in schema.fields().iter().enumerate() {
        let name = field.name().clone();
        if schema.fields()[..index]
            .iter()
            .any(|before| *before.name() == name)
        {
            return plan_err!("{function}: '{input}' has two columns '{name}'");
        }
        if index == 0 {
            let id = Column::new("id", Kind::Id);
            let id = pick_one(function, input, &id, 0, schema)?;
            picked.push(Picked { name, ..id });
            continue;
        }
        match feature_type(field.data_type()) {
            Some(data_type) => picked.push(Picked {
                index,
                name,
                data_type,
            }),
            None if all => {
                let (got, hint) = (field.data_type(), hint(field.data_type(), &name));
                return plan_err!(
                    "{function}: column '{name}' of '{input}' must be text, a number, a BOOLEAN or a LIST of them, \
                     got {got}; hint: {hint}"
                );
            }
            None => {}
        }
    }
    Ok(picked)
}

/// The type that a feature is cast to: text, a number, or a list of texts.
fn feature_type(given: &DataType) -> Option<DataType> {
    match plain(given) {
        DataType::Null | DataType::Boolean => Some(DataType::Utf8View),
        text if is_text(text) => Some(DataType::Utf8View),
        number if number.is_numeric() => Some(DataType::Float64),
        DataType::List(element)
        | DataType::LargeList(element)
        | DataType::FixedSizeList(element, _)
        | DataType::ListView(element)
        | DataType::LargeListView(element) => {
            let list = DataType::new_list(DataType::Utf8View, true);
            let scalar =
                !element.data_type().is_nested() && feature_type(element.data_type()).is_some();
            (scalar && can_cast_types(given, &list)).then_some(list)
        }
        _ => None,
    }
}

fn hint(given: &DataType, name: &str) -> String {
    match given {
        DataType::Map(_, _) => format!("take its keys, map_keys({name})"),
        DataType::Struct(_) => format!("take its fields, {name}['…']"),
        given if given.is_temporal() => {
            format!("take a number, such as its age in days, or text, {name}::TEXT")
        }
        _ => format!("leave it out, or cast it, {name}::TEXT"),
    }
}

/// The error for a number that is NaN or infinite.
pub(super) fn not_finite(function: &str, input: &str, column: &str, got: f64) -> DataFusionError {
    exec_datafusion_err!(
        "{function}: column '{column}' of '{input}' must be a finite number, got {got}; hint: make what is not known NULL"
    )
}
