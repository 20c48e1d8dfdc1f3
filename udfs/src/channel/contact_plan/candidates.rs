//! The candidates of a plan: who can be contacted how, at what cost, for what value.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Decimal128Array, Float64Array, RecordBatch};
use arrow::datatypes::{DataType, Decimal128Type, Float64Type, Int64Type, Schema, SchemaRef};
use datafusion_common::{Result, exec_err, plan_err};

use super::kernel::{BARRED, Choice, Market};
use crate::common::kinds::{Kind, plain};
use crate::relation::ids::{Ids, NO_CODE};
use crate::relation::inputs::{Column, Columns, Input, Picked, by_name};
use crate::relation::options::Options;
use crate::relation::work::{Held, Work, bytes_with, hold};

pub(crate) static INPUTS: [Input; 1] = [Input {
    name: "candidates",
    columns: Columns::Named(&COLUMNS),
}];

static COLUMNS: [Column; 6] = [
    Column::new("person_id", Kind::Id),
    Column::new("channel", Kind::Text),
    Column::new("cost", Kind::Money),
    Column::new("value", Kind::Money),
    Column::optional("consented", Kind::Label),
    Column::optional("allowed", Kind::Label),
];

/// The largest DECIMAL(18,6), in micro-euros.
pub(crate) const LARGEST: i128 = 999_999_999_999_999_999;

/// Sums of larger values might not be finite.
const MOST_VALUE: f64 = 1e200;

/// The columns that are read; a decimal `value` keeps its type.
pub(crate) fn columns(function: &str, schema: &Schema) -> Result<Vec<Picked>> {
    let mut picked = by_name(function, "candidates", &COLUMNS, schema)?;
    for column in picked.iter_mut().filter(|column| column.name == "value") {
        let given = plain(schema.field(column.index).data_type());
        if matches!(given, DataType::Decimal128(_, _)) {
            column.data_type = given.clone();
        }
    }
    Ok(picked)
}

/// Checks an amount that is an option.
pub(crate) fn check_amount(function: &str, option: &str, micros: i128) -> Result<()> {
    if micros > LARGEST {
        return plan_err!(
            "{function}: argument '{option}' must be at most 999999999999.999999 euros"
        );
    }
    Ok(())
}

/// The candidates as they come in.
pub(crate) struct Candidates {
    function: &'static str,
    schema: SchemaRef,
    pub(crate) persons: Ids,
    pub(crate) channels: Ids,
    /// The code of the person of each.
    pub(crate) person: Vec<u32>,
    choices: Vec<Choice>,
    /// The values as they were, when they are decimals.
    pub(crate) exact: Vec<i128>,
    quota: Vec<(String, u64)>,
    held: Option<Held>,
    held_choices: Option<Held>,
}

impl Candidates {
    pub(crate) fn new(function: &'static str, schema: &SchemaRef, options: &Options) -> Self {
        Self {
            function,
            persons: Ids::new(schema.field(0).data_type()),
            channels: Ids::new(schema.field(1).data_type()),
            schema: Arc::clone(schema),
            person: Vec::new(),
            choices: Vec::new(),
            exact: Vec::new(),
            quota: options.quota("quota").unwrap_or_default(),
            held: None,
            held_choices: None,
        }
    }

    pub(crate) fn push(&mut self, batch: &RecordBatch, work: &Work) -> Result<()> {
        let count = batch.num_rows();
        let bytes = self.persons.bytes_with(count)
            + self.channels.bytes_with(count)
            + bytes_with(&self.person, count)
            + bytes_with(&self.exact, count);
        hold(&mut self.held, bytes, work)
            .and_then(|()| {
                let bytes = bytes_with(&self.choices, count);
                hold(&mut self.held_choices, bytes, work)
            })
            .map_err(|halt| halt.into_error(self.function))?;
        let (mut persons, mut channels) = (Vec::with_capacity(count), Vec::with_capacity(count));
        self.persons.encode(batch.column(0), &mut persons)?;
        self.channels.encode(batch.column(1), &mut channels)?;
        if self.person.len() + count >= NO_CODE as usize {
            return exec_err!("{}: more than 4 billion candidates", self.function);
        }
        let costs = Costs::new(batch.column(2));
        let values = Values::new(batch.column(3));
        let flags = ["consented", "allowed"].map(|name| {
            let found = self.schema.index_of(name).ok();
            found.map(|index| batch.column(index))
        });
        let whole = !persons.contains(&NO_CODE)
            && !channels.contains(&NO_CODE)
            && flags.iter().all(Option::is_none);
        if whole && let (Some(costs), Some(values)) = (costs.all(), values.all()) {
            let first = self.person.len() as u32;
            let rows = costs.zip(values).zip(channels).zip(first..);
            self.choices
                .extend(rows.map(|(((cost, value), channel), row)| Choice {
                    cost,
                    value,
                    channel,
                    row,
                }));
            self.person.append(&mut persons);
            return Ok(());
        }
        for row in 0..count {
            if persons[row] == NO_CODE || channels[row] == NO_CODE {
                continue;
            }
            let barred = flags.iter().flatten().any(|flag| !is_true(flag, row));
            let cost = costs.get(self.function, row)?;
            let value = values.get(self.function, row)?;
            let (cost, value) = match (cost, value) {
                (Some(cost), Some(value)) if !barred => (cost, value),
                _ => (BARRED, 0.0),
            };
            self.choices.push(Choice {
                cost,
                value,
                channel: channels[row],
                row: self.person.len() as u32,
            });
            self.person.push(persons[row]);
            if let Values::Exact(exact, _) = values {
                self.exact.push(exact.value(row));
            }
        }
        Ok(())
    }

    /// Groups the candidates by person, once all have come.
    pub(crate) fn market(&mut self, work: &Work) -> Result<Market> {
        let function = self.function;
        let halted = |halt: crate::relation::work::Halt| halt.into_error(function);
        let bytes = (self.persons.len() + self.channels.len()) * 8;
        let _held = work.reserve(bytes).map_err(halted)?;
        let codes: Vec<u32> = (0..self.channels.len() as u32).collect();
        let mut quotas = vec![None; codes.len()];
        for (channel, quota) in &self.quota {
            let shown = format!("'{channel}'");
            let code = codes.iter().find(|&&c| self.channels.show(c) == shown);
            match code {
                Some(&code) => quotas[code as usize] = Some(*quota),
                // Nobody can be contacted at all: no quota can be wrong.
                None if codes.is_empty() => {}
                None => {
                    let mut known: Vec<_> = codes.iter().map(|&c| self.channels.show(c)).collect();
                    known.sort_unstable();
                    return exec_err!(
                        "{}: argument 'quota' must name channels of the candidates ({}), got {shown}",
                        self.function,
                        known.join(", ")
                    );
                }
            }
        }
        let (persons, channels) = (self.persons.ranks(), self.channels.ranks());
        let choices = (std::mem::take(&mut self.choices), self.held_choices.take());
        let market = Market::new(&self.person, choices, &persons, &channels, quotas, work);
        let market = market.map_err(halted)?;
        market.or_else(|(person, channel)| {
            exec_err!(
                "{}: 'candidates' must have one row a person and channel, got two for {} and {}; \
                 hint: GROUP BY person_id, channel",
                self.function,
                self.persons.show(person),
                self.channels.show(channel)
            )
        })
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
