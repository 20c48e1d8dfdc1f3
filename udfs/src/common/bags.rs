//! Rows of lists and maps as sorted bags, and their overlap.
//!
//! Elements of any type are encoded once a batch as bytes that compare like the values; after that one merge of
//! two sorted bags serves every set similarity.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{DataType, Field, Float64Type};
use arrow::row::{RowConverter, Rows, SortField};
use datafusion_common::{Result, ScalarValue, plan_datafusion_err};
use datafusion_expr::type_coercion::binary::type_union_resolution;
use datafusion_expr::{ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs};

use super::arguments::{Arguments, plain};
use super::numbers::finite_result;

/// Σ min and Σ max over all elements of two bags.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Overlap {
    pub(crate) shared: f64,
    pub(crate) total: f64,
}

/// The common type of two lists, whatever their layout and encoding.
pub(crate) fn coerce_lists(arguments: &Arguments, given: &[DataType]) -> Result<Vec<DataType>> {
    arguments.check_types(given)?;
    let element = common_type(arguments, given, |list| match plain(list) {
        DataType::List(field)
        | DataType::LargeList(field)
        | DataType::FixedSizeList(field, _)
        | DataType::ListView(field)
        | DataType::LargeListView(field) => field.data_type().clone(),
        _ => DataType::Null,
    })?;
    Ok(vec![DataType::new_list(element, true); given.len()])
}

/// The types of two maps with a common key type and DOUBLE values.
pub(crate) fn coerce_maps(arguments: &Arguments, given: &[DataType]) -> Result<Vec<DataType>> {
    arguments.check_types(given)?;
    let key = common_type(arguments, given, |map| {
        map_entry(map).map_or(DataType::Null, |(key, _)| key.data_type().clone())
    })?;
    given
        .iter()
        .map(|map| {
            let sorted = matches!(plain(map), DataType::Map(_, true));
            if let Some((_, value)) = map_entry(map)
                && !(value.data_type().is_numeric() || value.data_type().is_null())
            {
                let function = arguments.function;
                let value = value.data_type();
                return Err(plan_datafusion_err!(
                    "{function}: the values of a MAP must be numbers, got {value}"
                ));
            }
            let entries = vec![
                Field::new("key", key.clone(), false),
                Field::new("value", DataType::Float64, true),
            ];
            let entries = Field::new("entries", DataType::Struct(entries.into()), false);
            Ok(DataType::Map(Arc::new(entries), sorted))
        })
        .collect()
}

/// Evaluates shared ÷ total of two bags for each row; NULL where one of them is NULL or the total is 0.
///
/// `read` is [`Bags::from_lists`] or [`Bags::from_maps`] with the position of the argument.
pub(crate) fn evaluate(
    arguments: &Arguments,
    args: &ScalarFunctionArgs,
    read: impl Fn(usize, &ArrayRef) -> Result<Bags>,
) -> Result<ColumnarValue> {
    evaluate_with(arguments, args, read, |overlap, _| overlap.total)
}

/// Like [`evaluate`] with another whole than the total: `whole` gets the overlap and the numbers of elements of
/// both bags.
pub(crate) fn evaluate_with(
    arguments: &Arguments,
    args: &ScalarFunctionArgs,
    read: impl Fn(usize, &ArrayRef) -> Result<Bags>,
    whole: impl Fn(Overlap, [usize; 2]) -> f64,
) -> Result<ColumnarValue> {
    // A constant is encoded once, not once a row.
    let side = |position: usize| -> Result<(Bags, bool)> {
        let value = &args.args[position];
        let constant = matches!(value, ColumnarValue::Scalar(_));
        let array = value.to_array(if constant { 1 } else { args.number_rows })?;
        Ok((read(position, &array)?, constant))
    };
    let (left, left_constant) = side(0)?;
    let (right, right_constant) = side(1)?;
    let row_result = |row: usize| {
        let left_row = if left_constant { 0 } else { row };
        let right_row = if right_constant { 0 } else { row };
        let Some(overlap) = overlap(&left, left_row, &right, right_row) else {
            return Ok(None);
        };
        let whole = whole(overlap, [left.len(left_row), right.len(right_row)]);
        if whole == 0.0 {
            return Ok(None);
        }
        finite_result(arguments, whole).map(|whole| Some(overlap.shared / whole))
    };
    if left_constant && right_constant {
        return Ok(ColumnarValue::Scalar(ScalarValue::Float64(row_result(0)?)));
    }
    let results = (0..args.number_rows)
        .map(row_result)
        .collect::<Result<Float64Array>>()?;
    Ok(ColumnarValue::Array(Arc::new(results)))
}

/// A column of bags: for each row the elements, ascending and distinct, with their weights.
#[derive(Debug)]
pub(crate) struct Bags {
    encoded: Rows,
    /// Positions in `encoded`, row after row.
    elements: Vec<u32>,
    weights: Vec<f64>,
    /// Row i has the elements from `bounds[i]` to `bounds[i + 1]`.
    bounds: Vec<usize>,
    known: Option<NullBuffer>,
}

impl Bags {
    /// The distinct known elements of each list, each with weight 1.
    pub(crate) fn from_lists(lists: &ArrayRef) -> Result<Self> {
        let lists = lists.as_list::<i32>();
        Self::build(
            lists.offsets(),
            lists.values(),
            lists.nulls(),
            |_| Ok(Some(1.0)),
            |_, _| 1.0,
        )
    }

    /// The keys of each map with the sum of their known values; a value that is negative, NaN or infinite is
    /// an error of argument number `position`.
    pub(crate) fn from_maps(
        arguments: &Arguments,
        position: usize,
        maps: &ArrayRef,
    ) -> Result<Self> {
        let maps = maps.as_map();
        let values = maps.values().as_primitive::<Float64Type>();
        let weight = |index: usize| {
            if values.is_null(index) {
                return Ok(None);
            }
            let weight = values.value(index);
            if weight.is_finite() && weight >= 0.0 {
                Ok(Some(weight))
            } else {
                let expected = "a MAP of weights that are zero or positive numbers";
                Err(arguments.invalid(position, expected, weight))
            }
        };
        Self::build(maps.offsets(), maps.keys(), maps.nulls(), weight, |a, b| {
            a + b
        })
    }

    fn build(
        offsets: &[i32],
        values: &ArrayRef,
        known: Option<&NullBuffer>,
        weight: impl Fn(usize) -> Result<Option<f64>>,
        unite: impl Fn(f64, f64) -> f64,
    ) -> Result<Self> {
        // Of a sliced array only its own part of the children is encoded.
        let first = offsets.first().map_or(0, |&offset| offset as usize);
        let last = offsets.last().map_or(0, |&offset| offset as usize);
        let values = values.slice(first, last - first);
        let nulls = values.logical_nulls();
        let converter = RowConverter::new(vec![SortField::new(values.data_type().clone())])?;
        let encoded = converter.convert_columns(&[values])?;

        let rows = offsets.len().saturating_sub(1);
        let mut bags = Self {
            elements: Vec::with_capacity(encoded.num_rows()),
            weights: Vec::with_capacity(encoded.num_rows()),
            bounds: Vec::with_capacity(rows + 1),
            known: known.cloned(),
            encoded,
        };
        bags.bounds.push(0);
        let mut row: Vec<(u32, f64)> = Vec::new();
        for (index, bounds) in offsets.windows(2).enumerate() {
            row.clear();
            if bags.is_known(index) {
                for element in bounds[0] as usize..bounds[1] as usize {
                    if nulls
                        .as_ref()
                        .is_none_or(|nulls| nulls.is_valid(element - first))
                        && let Some(weight) = weight(element)?
                    {
                        row.push(((element - first) as u32, weight));
                    }
                }
            }
            bags.push(&mut row, &unite);
        }
        Ok(bags)
    }

    fn push(&mut self, row: &mut [(u32, f64)], unite: impl Fn(f64, f64) -> f64) {
        let encoded = &self.encoded;
        let start = self.elements.len();
        row.sort_by(|(a, _), (b, _)| encoded.row(*a as usize).cmp(&encoded.row(*b as usize)));
        for &(element, weight) in row.iter() {
            match self.elements[start..].last() {
                Some(&last) if encoded.row(last as usize) == encoded.row(element as usize) => {
                    if let Some(sum) = self.weights.last_mut() {
                        *sum = unite(*sum, weight);
                    }
                }
                _ => {
                    self.elements.push(element);
                    self.weights.push(weight);
                }
            }
        }
        self.bounds.push(self.elements.len());
    }

    fn len(&self, row: usize) -> usize {
        self.bounds[row + 1] - self.bounds[row]
    }

    fn is_known(&self, row: usize) -> bool {
        self.known.as_ref().is_none_or(|known| known.is_valid(row))
    }
}

/// The overlap of one bag of each column, `None` when one of them is NULL.
fn overlap(left: &Bags, left_row: usize, right: &Bags, right_row: usize) -> Option<Overlap> {
    if !left.is_known(left_row) || !right.is_known(right_row) {
        return None;
    }
    let (mut i, left_end) = (left.bounds[left_row], left.bounds[left_row + 1]);
    let (mut j, right_end) = (right.bounds[right_row], right.bounds[right_row + 1]);
    let (mut shared, mut total) = (0.0, 0.0);
    while i < left_end && j < right_end {
        let left_key = left.encoded.row(left.elements[i] as usize);
        let right_key = right.encoded.row(right.elements[j] as usize);
        match left_key.as_ref().cmp(right_key.as_ref()) {
            Ordering::Less => {
                total += left.weights[i];
                i += 1;
            }
            Ordering::Greater => {
                total += right.weights[j];
                j += 1;
            }
            Ordering::Equal => {
                shared += left.weights[i].min(right.weights[j]);
                total += left.weights[i].max(right.weights[j]);
                i += 1;
                j += 1;
            }
        }
    }
    total += left.weights[i..left_end].iter().sum::<f64>();
    total += right.weights[j..right_end].iter().sum::<f64>();
    Some(Overlap { shared, total })
}

fn common_type(
    arguments: &Arguments,
    given: &[DataType],
    element: impl Fn(&DataType) -> DataType,
) -> Result<DataType> {
    let elements: Vec<_> = given
        .iter()
        .map(|given| plain(&element(given)).clone())
        .collect();
    type_union_resolution(&elements).ok_or_else(|| {
        let function = arguments.function;
        let types: Vec<_> = elements.iter().map(ToString::to_string).collect();
        let types = types.join(" and ");
        plan_datafusion_err!(
            "{function}: the elements of both sides must be of one type, got {types}"
        )
    })
}

fn map_entry(map: &DataType) -> Option<(&Field, &Field)> {
    let DataType::Map(entries, _) = plain(map) else {
        return None;
    };
    match entries.data_type() {
        DataType::Struct(fields) => match fields.as_ref() {
            [key, value] => Some((key, value)),
            _ => None,
        },
        _ => None,
    }
}

/// The types of the arguments of a call.
pub(crate) fn field_types(args: &ReturnFieldArgs<'_>) -> Vec<DataType> {
    args.arg_fields
        .iter()
        .map(|field| field.data_type().clone())
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use arrow::array::{Float64Builder, ListBuilder, MapBuilder, StringBuilder};
    use proptest::prelude::*;

    use super::*;
    use crate::common::arguments::{Argument, Kind};

    static ARGUMENTS: Arguments = Arguments {
        function: "f",
        counts: &[2],
        list: &[Argument::new("a", Kind::Map), Argument::new("b", Kind::Map)],
    };

    type List = Option<Vec<Option<String>>>;
    type Map = Option<Vec<(String, Option<f64>)>>;

    fn lists(rows: &[List]) -> ArrayRef {
        let mut builder = ListBuilder::new(StringBuilder::new());
        for row in rows {
            builder.append_option(row.clone());
        }
        Arc::new(builder.finish())
    }

    fn maps(rows: &[Map]) -> ArrayRef {
        let mut builder = MapBuilder::new(None, StringBuilder::new(), Float64Builder::new());
        for row in rows {
            for (key, value) in row.iter().flatten() {
                builder.keys().append_value(key);
                builder.values().append_option(*value);
            }
            builder.append(row.is_some()).unwrap();
        }
        Arc::new(builder.finish())
    }

    fn list() -> impl Strategy<Value = List> {
        let element = proptest::option::weighted(0.9, "[a-f]");
        proptest::option::weighted(0.9, proptest::collection::vec(element, 0..8))
    }

    fn map() -> impl Strategy<Value = Map> {
        let weight = proptest::option::weighted(0.9, (0_u8..4).prop_map(f64::from));
        proptest::option::weighted(0.9, proptest::collection::vec(("[a-f]", weight), 0..8))
    }

    #[test]
    fn a_wrong_weight_is_an_error_of_its_argument() {
        let bad = maps(&[Some(vec![("k".to_owned(), Some(-1.0))])]);
        assert_eq!(
            Bags::from_maps(&ARGUMENTS, 1, &bad)
                .unwrap_err()
                .strip_backtrace(),
            "Execution error: f: argument 'b' must be a MAP of weights that are zero or positive numbers, got -1"
        );
    }

    proptest! {
        #[test]
        fn lists_overlap_like_sets(rows in proptest::collection::vec((list(), list()), 1..20), from in 0_usize..20) {
            // A slice must not read the elements of rows before it.
            let from = from.min(rows.len() - 1);
            let (left, right): (Vec<_>, Vec<_>) = rows.iter().cloned().unzip();
            let side = |rows: &[List]| Bags::from_lists(&lists(rows).slice(from, rows.len() - from)).unwrap();
            let (left, right) = (side(&left), side(&right));
            for (row, (a, b)) in rows[from..].iter().enumerate() {
                let set = |list: &List| -> Option<BTreeSet<String>> {
                    list.as_ref().map(|list| list.iter().flatten().cloned().collect())
                };
                let expected = set(a).zip(set(b)).map(|(a, b)| Overlap {
                    shared: a.intersection(&b).count() as f64,
                    total: a.union(&b).count() as f64,
                });
                prop_assert_eq!(overlap(&left, row, &right, row), expected);
                prop_assert_eq!(overlap(&right, row, &left, row), expected);
            }
        }

        #[test]
        fn maps_overlap_like_bags(rows in proptest::collection::vec((map(), map()), 1..20)) {
            let (left, right): (Vec<_>, Vec<_>) = rows.iter().cloned().unzip();
            let side = |rows: &[Map]| Bags::from_maps(&ARGUMENTS, 0, &maps(rows)).unwrap();
            let (left, right) = (side(&left), side(&right));
            for (row, (a, b)) in rows.iter().enumerate() {
                let bag = |map: &Map| map.as_ref().map(|map| {
                    let mut bag = BTreeMap::<String, f64>::new();
                    for (key, value) in map {
                        *bag.entry(key.clone()).or_default() += value.unwrap_or(0.0);
                    }
                    bag
                });
                let expected = bag(a).zip(bag(b)).map(|(a, b)| {
                    let keys: BTreeSet<_> = a.keys().chain(b.keys()).collect();
                    let weight = |bag: &BTreeMap<String, f64>, key| bag.get(key).copied().unwrap_or(0.0);
                    Overlap {
                        shared: keys.iter().map(|key| weight(&a, *key).min(weight(&b, *key))).sum::<f64>() + 0.0,
                        total: keys.iter().map(|key| weight(&a, *key).max(weight(&b, *key))).sum::<f64>() + 0.0,
                    }
                });
                prop_assert_eq!(overlap(&left, row, &right, row), expected);
            }
        }
    }
}
