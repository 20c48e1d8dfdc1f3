//! A table of weights, and the score of people by it.

use std::collections::{BTreeMap, HashMap};

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Float64Type, Int64Type, SchemaRef};
use datafusion_common::{Result, exec_err};

use super::super::lookalike_weights::{INTERCEPT, SLOPE};
use super::super::people::not_finite;
use crate::common::kinds::Kind;
use crate::common::kinds::Range;
use crate::common::sum::DoubleDouble;
use crate::relation::ids::{Ids, NO_CODE};
use crate::relation::inputs::{Column, Columns, Input};

/// The inputs of both functions that score.
pub(crate) static INPUTS: [Input; 2] = [
    Input {
        name: "people",
        columns: Columns::Chosen,
    },
    Input {
        name: "weights",
        columns: Columns::Named(&WEIGHTS),
    },
];

/// The columns of the weights.
pub(crate) static WEIGHTS: [Column; 6] = [
    Column::new("feature", Kind::Text),
    Column::new("value", Kind::Text),
    Column::new("weight", Kind::Number(Range::Finite)),
    Column::optional("low", Kind::Number(Range::Finite)),
    Column::optional("high", Kind::Number(Range::Finite)),
    Column::optional("seed_n", Kind::Count),
];

/// The weights, read row by row.
#[derive(Debug, Default)]
pub(crate) struct Model {
    features: BTreeMap<String, Feature>,
    intercept: Option<f64>,
    slope: Option<f64>,
    /// How many people the seed had, when the weights tell.
    pub(crate) seed_n: Option<i64>,
}

/// The weights of one feature.
#[derive(Debug, Default)]
struct Feature {
    values: HashMap<String, f64>,
    /// From, below, weight.
    bins: Vec<(f64, f64, f64)>,
    unknown: Option<f64>,
}

impl Model {
    /// Takes rows of the weights.
    pub(crate) fn push(&mut self, function: &str, batch: &RecordBatch) -> Result<()> {
        let column = |name: &str| batch.column_by_name(name);
        let text = |name: &str| column(name).and_then(|column| column.as_string_view_opt());
        let number = |name: &str| column(name).map(AsArray::as_primitive::<Float64Type>);
        let (Some(features), Some(values), Some(weights)) =
            (text("feature"), text("value"), number("weight"))
        else {
            return exec_err!("{function}: 'weights' lacks a column");
        };
        let bounds = [number("low"), number("high")];
        let seed_n = column("seed_n").map(AsArray::as_primitive::<Int64Type>);
        for row in 0..batch.num_rows() {
            if features.is_null(row) {
                continue;
            }
            let name = features.value(row);
            let seed_n = seed_n.filter(|seed_n| seed_n.is_valid(row));
            if name == INTERCEPT {
                self.seed_n = seed_n.map(|seed_n| seed_n.value(row));
            }
            if weights.is_null(row) {
                continue;
            }
            let weight = weights.value(row);
            if !weight.is_finite() {
                return Err(not_finite(function, "weights", "weight", weight));
            }
            let bound = |bound: usize| {
                let bounds = bounds[bound].filter(|bounds| bounds.is_valid(row));
                bounds.map(|bounds| bounds.value(row))
            };
            let value = values.is_valid(row).then(|| values.value(row));
            let before = match (name, value, bound(0), bound(1)) {
                (INTERCEPT, ..) => self.intercept.replace(weight),
                (SLOPE, ..) => self.slope.replace(weight),
                (_, None, None, None) => self.feature(name).unknown.replace(weight),
                (_, Some(value), None, None) => {
                    let values = &mut self.feature(name).values;
                    values.insert(value.to_owned(), weight)
                }
                (_, _, low, high) => {
                    let (low, high) = (
                        low.unwrap_or(f64::NEG_INFINITY),
                        high.unwrap_or(f64::INFINITY),
                    );
                    if low.is_nan() || high.is_nan() || low >= high {
                        return exec_err!(
                            "{function}: column 'low' of 'weights' must be below 'high', got {low} and {high}"
                        );
                    }
                    self.feature(name).bins.push((low, high, weight));
                    None
                }
            };
            if before.is_some() {
                let value =
                    value.map_or_else(|| "unknown".to_owned(), |value| format!("'{value}'"));
                return exec_err!(
                    "{function}: 'weights' must have one row a value, got '{name}' {value} twice; hint: score with one \
                     set of weights at a time"
                );
            }
        }
        Ok(())
    }

    fn feature(&mut self, name: &str) -> &mut Feature {
        self.features.entry(name.to_owned()).or_default()
    }

    /// The probability that belongs to a score.
    pub(crate) fn probability(&self, score: f64) -> Option<f64> {
        let z = self.intercept? + self.slope.unwrap_or(1.0) * score;
        Some(1.0 / (1.0 + (-z).exp()))
    }

    /// Finds the features among the columns of the people.
    pub(crate) fn scorer(&self, function: &'static str, people: &SchemaRef) -> Result<Scorer> {
        let mut columns = Vec::with_capacity(self.features.len());
        for (name, feature) in &self.features {
            let fields = people.fields().iter().enumerate().skip(1);
            let Some((place, field)) = fields.into_iter().find(|(_, f)| f.name() == name) else {
                let there: Vec<_> = people.fields()[1..]
                    .iter()
                    .map(|f| f.name().as_str())
                    .collect();
                return exec_err!(
                    "{function}: 'people' has no column '{name}' that could be the feature of 'weights'; hint: it has {}",
                    there.join(", ")
                );
            };
            let lookup = if field.data_type() == &DataType::Float64 {
                feature.numbers(function, name)?
            } else if feature.bins.is_empty() {
                feature.texts()?
            } else {
                return exec_err!(
                    "{function}: column '{name}' of 'people' must be a number, as its weights have 'low' and 'high', got text"
                );
            };
            columns.push(Scored {
                name: name.clone(),
                place,
                unknown: feature.unknown,
                lookup,
            });
        }
        Ok(Scorer { function, columns })
    }
}

impl Feature {
    fn numbers(&self, function: &str, name: &str) -> Result<Lookup> {
        let parsed = self.values.iter();
        let parsed =
            parsed.filter_map(|(value, weight)| Some((value.trim().parse().ok()?, *weight)));
        let mut values: Vec<(f64, f64)> =
            parsed.filter(|(value, _)| !f64::is_nan(*value)).collect();
        values.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        let mut bins = self.bins.clone();
        bins.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        if let Some(pair) = bins.windows(2).find(|pair| pair[0].1 > pair[1].0) {
            let (high, low) = (pair[0].1, pair[1].0);
            return exec_err!(
                "{function}: the bins of '{name}' in 'weights' must not overlap, got one below {high} and one from {low}; \
                 hint: score with one set of weights at a time"
            );
        }
        Ok(Lookup::Numbers { values, bins })
    }

    fn texts(&self) -> Result<Lookup> {
        let mut ids = Ids::new(&DataType::Utf8);
        let (texts, weights): (Vec<_>, Vec<_>) =
            self.values.iter().map(|(t, w)| (t.as_str(), *w)).unzip();
        let texts: ArrayRef = std::sync::Arc::new(arrow::array::StringArray::from(texts));
        ids.encode(&texts, &mut Vec::new())?;
        Ok(Lookup::Texts { ids, weights })
    }
}

/// The weights, ready for the columns of the people.
pub(crate) struct Scorer {
    function: &'static str,
    columns: Vec<Scored>,
}

struct Scored {
    name: String,
    place: usize,
    unknown: Option<f64>,
    lookup: Lookup,
}

enum Lookup {
    /// Both ascending.
    Numbers {
        values: Vec<(f64, f64)>,
        bins: Vec<(f64, f64, f64)>,
    },
    Texts {
        ids: Ids,
        weights: Vec<f64>,
    },
}

/// What is added up of a person's weights. The sum is the same in any order.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sum {
    sum: DoubleDouble,
    /// How many values have a weight.
    pub(crate) matched: u32,
}

impl Sum {
    /// `None` when nothing matched.
    pub(crate) fn score(self) -> Option<f64> {
        self.sum.value()
    }

    #[inline]
    fn add(&mut self, weight: Option<f64>) {
        if let Some(weight) = weight {
            self.sum.add(weight);
            self.matched += 1;
        }
    }
}

impl Scorer {
    /// The sums of the people of a batch.
    pub(crate) fn score(&mut self, batch: &RecordBatch) -> Result<Vec<Sum>> {
        let nothing = Sum {
            sum: DoubleDouble::NONE,
            matched: 0,
        };
        let mut sums = vec![nothing; batch.num_rows()];
        let mut codes = Vec::new();
        for column in &mut self.columns {
            let array = batch.column(column.place);
            codes.clear();
            match &mut column.lookup {
                Lookup::Numbers { values, bins } => {
                    for (sum, number) in sums.iter_mut().zip(array.as_primitive::<Float64Type>()) {
                        sum.add(match number {
                            None => column.unknown,
                            Some(number) if number.is_finite() => weight_of(values, bins, number),
                            Some(number) => {
                                return Err(not_finite(
                                    self.function,
                                    "people",
                                    &column.name,
                                    number,
                                ));
                            }
                        });
                    }
                }
                Lookup::Texts { ids, weights } => {
                    let weight = |code: u32| weights.get(code as usize).copied();
                    if let Some(lists) = array.as_list_opt::<i32>() {
                        ids.find(lists.values(), &mut codes)?;
                        let offsets = lists.value_offsets();
                        for (row, sum) in sums.iter_mut().enumerate() {
                            if lists.is_null(row) {
                                sum.add(column.unknown);
                                continue;
                            }
                            let set = &mut codes[offsets[row] as usize..offsets[row + 1] as usize];
                            set.sort_unstable();
                            let mut last = NO_CODE;
                            for code in set.iter().copied().filter(|code| *code != NO_CODE) {
                                if code != last {
                                    sum.add(weight(code));
                                }
                                last = code;
                            }
                        }
                    } else {
                        ids.find(array, &mut codes)?;
                        for (row, (sum, code)) in sums.iter_mut().zip(&codes).enumerate() {
                            sum.add(if array.is_null(row) {
                                column.unknown
                            } else {
                                weight(*code)
                            });
                        }
                    }
                }
            }
        }
        Ok(sums)
    }
}

fn weight_of(values: &[(f64, f64)], bins: &[(f64, f64, f64)], number: f64) -> Option<f64> {
    let after = bins.partition_point(|(low, _, _)| *low <= number);
    let bin = after.checked_sub(1).map(|at| bins[at]);
    if let Some((_, high, weight)) = bin
        && number < high
    {
        return Some(weight);
    }
    let at = values.partition_point(|(value, _)| *value < number);
    values
        .get(at)
        .filter(|(value, _)| *value <= number)
        .map(|(_, weight)| *weight)
}
