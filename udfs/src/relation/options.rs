//! Options of relation functions: `k => 10`.

use std::fmt;

use arrow::array::{Array, AsArray, Decimal128Array};
use arrow::datatypes::{
    DataType, Decimal128Type, Field, Int64Type, IntervalMonthDayNano, IntervalMonthDayNanoType,
};
use arrow::util::display::array_value_to_string;
use datafusion_common::{DataFusionError, Result, ScalarValue, plan_datafusion_err, plan_err};

use crate::common::kinds::{HALF_LIFE, Kind, MOMENT, MONEY, Range, is_text};

/// One option: its name, what it accepts, and its value when it is left out.
#[derive(Debug)]
pub(crate) struct OptionSpec {
    pub(crate) name: &'static str,
    pub(crate) kind: OptionKind,
    /// The value when it is left out; without one the option must be given. A default of NULL makes NULL acceptable.
    pub(crate) default: Option<fn() -> ScalarValue>,
}

/// What an option accepts.
#[derive(Debug, Clone, Copy)]
pub(crate) enum OptionKind {
    /// An integer that is at least this.
    Integer(i64),
    /// A number in a range.
    Number(Range),
    /// One of these words.
    Choice(&'static [&'static str]),
    /// Text.
    Name,
    /// A list of texts, or one text.
    Names,
    /// An interval above zero, or NULL for no decay.
    HalfLife,
    /// A TIMESTAMP or DATE, or text that reads as one.
    Moment,
    /// TRUE or FALSE.
    Flag,
    /// An exact amount of euros, zero or above.
    Money,
    /// A list of such amounts.
    Moneys,
    /// A map from text to an integer, zero or above.
    Quota,
}

impl OptionSpec {
    pub(crate) const fn new(
        name: &'static str,
        kind: OptionKind,
        default: fn() -> ScalarValue,
    ) -> Self {
        Self {
            name,
            kind,
            default: Some(default),
        }
    }

    pub(crate) const fn required(name: &'static str, kind: OptionKind) -> Self {
        Self {
            name,
            kind,
            default: None,
        }
    }
}

/// The value of every option of one call, in the order of the declaration. Plain data: it can be shipped.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Options(Vec<(&'static str, ScalarValue)>);

impl Options {
    /// Checks the given values and fills the rest with the defaults.
    pub(crate) fn new(
        function: &str,
        specs: &'static [OptionSpec],
        given: Vec<(String, ScalarValue)>,
    ) -> Result<Self> {
        for (position, (name, _)) in given.iter().enumerate() {
            if !specs.iter().any(|spec| spec.name == name) {
                return Err(unknown(function, specs, name));
            }
            if given[..position].iter().any(|(before, _)| before == name) {
                return plan_err!("{function}: option '{name}' is given twice");
            }
        }
        let mut given = given;
        let values = specs.iter().map(|spec| {
            let position = given.iter().position(|(name, _)| name == spec.name);
            let value = match (position, spec.default) {
                (Some(position), _) => {
                    let (_, value) = given.swap_remove(position);
                    accept(spec, &value).ok_or_else(|| {
                        plan_datafusion_err!(
                            "{function}: argument '{}' must be {}, got {}",
                            spec.name,
                            spec.kind,
                            shown(&value)
                        )
                    })?
                }
                (None, Some(default)) => default(),
                (None, None) => {
                    let name = spec.name;
                    return plan_err!(
                        "{function}: option '{name}' is missing; hint: write {name} => …"
                    );
                }
            };
            Ok((spec.name, value))
        });
        values.collect::<Result<_>>().map(Self)
    }

    fn get(&self, name: &str) -> &ScalarValue {
        let found = self.0.iter().find(|(known, _)| *known == name);
        found.map_or(&ScalarValue::Null, |(_, value)| value)
    }

    /// An integer that is at least 0.
    pub(crate) fn count(&self, name: &str) -> usize {
        match self.get(name) {
            ScalarValue::Int64(Some(value)) => usize::try_from(*value).unwrap_or(0),
            _ => 0,
        }
    }

    /// A number; `None` for NULL.
    pub(crate) fn number(&self, name: &str) -> Option<f64> {
        match self.get(name) {
            ScalarValue::Float64(value) => *value,
            _ => None,
        }
    }

    /// A text; `None` for NULL.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.get(name).try_as_str().flatten()
    }

    /// A list of texts.
    pub(crate) fn texts(&self, name: &str) -> Vec<String> {
        let ScalarValue::List(list) = self.get(name) else {
            return Vec::new();
        };
        let texts = list.values().as_string::<i32>();
        texts.iter().flatten().map(str::to_owned).collect()
    }

    /// An interval; `None` for NULL.
    pub(crate) fn interval(&self, name: &str) -> Option<IntervalMonthDayNano> {
        match self.get(name) {
            ScalarValue::IntervalMonthDayNano(value) => *value,
            _ => None,
        }
    }

    /// A TIMESTAMP or DATE; `None` for NULL.
    pub(crate) fn moment(&self, name: &str) -> Option<&ScalarValue> {
        Some(self.get(name)).filter(|value| !value.is_null())
    }

    /// TRUE or FALSE.
    pub(crate) fn flag(&self, name: &str) -> bool {
        matches!(self.get(name), ScalarValue::Boolean(Some(true)))
    }

    /// Micro-euros; `None` for NULL.
    pub(crate) fn money(&self, name: &str) -> Option<i128> {
        match self.get(name) {
            ScalarValue::Decimal128(value, _, _) => *value,
            _ => None,
        }
    }

    /// A list of micro-euros.
    pub(crate) fn moneys(&self, name: &str) -> Vec<i128> {
        match self.get(name) {
            ScalarValue::List(list) => {
                let values = list.values().as_primitive::<Decimal128Type>();
                values.iter().flatten().collect()
            }
            _ => Vec::new(),
        }
    }

    /// The entries of a map of integers; `None` for NULL.
    pub(crate) fn quota(&self, name: &str) -> Option<Vec<(String, u64)>> {
        let ScalarValue::Map(map) = self.get(name) else {
            return None;
        };
        let texts = map.keys().as_string::<i32>().iter();
        let numbers = map.values().as_primitive::<Int64Type>().iter();
        let entries = texts
            .zip(numbers)
            .filter_map(|(text, number)| Some((text?.to_owned(), u64::try_from(number?).ok()?)));
        Some(entries.collect())
    }
}

/// `k => 10, measure => 'cosine'`
impl fmt::Display for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, (name, value)) in self.0.iter().enumerate() {
            let comma = if position == 0 { "" } else { ", " };
            write!(f, "{comma}{name} => {}", shown(value))?;
        }
        Ok(())
    }
}

/// What it must be.
impl fmt::Display for OptionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Integer(1) => f.write_str("a positive integer"),
            Self::Integer(0) => f.write_str("zero or a positive integer"),
            Self::Integer(least) => write!(f, "an integer of at least {least}"),
            Self::Number(range) => f.write_str(range.expected()),
            Self::Choice(words) => write!(f, "one of '{}'", words.join("', '")),
            Self::Name => f.write_str("text"),
            Self::Names => f.write_str("a list of column names such as ['sex', 'age_band']"),
            Self::HalfLife => f.write_str("an INTERVAL above zero such as INTERVAL '14 days'"),
            Self::Moment => f.write_str("a TIMESTAMP or DATE"),
            Self::Flag => f.write_str("true or false"),
            Self::Money => f.write_str("an amount of euros, zero or above, such as 1500.0"),
            Self::Moneys => f.write_str("a list of amounts of euros such as [500, 1000]"),
            Self::Quota => f.write_str("a map of whole numbers such as MAP {'sms': 2000}"),
        }
    }
}

/// The value in the type of the option, when it is one of those that are accepted.
fn accept(spec: &OptionSpec, value: &ScalarValue) -> Option<ScalarValue> {
    if value.is_null() {
        let default = spec.default.map(|default| default());
        let accepted = matches!(spec.kind, OptionKind::HalfLife)
            || default.is_some_and(|value| value.is_null());
        return accepted.then_some(ScalarValue::Null);
    }
    let data_type = value.data_type();
    let cast = |to: &DataType| value.cast_to(to).ok().filter(|value| !value.is_null());
    match spec.kind {
        OptionKind::Integer(least) if data_type.is_integer() => cast(&DataType::Int64)
            .filter(|value| matches!(value, ScalarValue::Int64(Some(value)) if *value >= least)),
        OptionKind::Number(range) if data_type.is_numeric() => cast(&DataType::Float64).filter(
            |value| matches!(value, ScalarValue::Float64(Some(value)) if range.contains(*value)),
        ),
        OptionKind::Choice(words) => {
            let word = value.try_as_str().flatten()?.to_ascii_lowercase();
            let known = words.contains(&word.as_str());
            known.then(|| ScalarValue::Utf8(Some(word)))
        }
        OptionKind::Name if is_text(&data_type) => cast(&DataType::Utf8),
        OptionKind::Names if is_text(&data_type) => {
            let text = cast(&DataType::Utf8)?;
            Some(ScalarValue::List(ScalarValue::new_list_nullable(
                &[text],
                &DataType::Utf8,
            )))
        }
        OptionKind::Names if data_type.is_list() => {
            cast(&list_of(DataType::Utf8)).filter(without_null)
        }
        OptionKind::HalfLife => {
            Kind::HalfLife.accept(&data_type)?;
            cast(&HALF_LIFE).filter(above_zero)
        }
        OptionKind::Moment if is_text(&data_type) => cast(&MOMENT),
        OptionKind::Moment => Kind::Moment.accept(&data_type).and_then(|to| cast(&to)),
        OptionKind::Flag if data_type == DataType::Boolean => Some(value.clone()),
        OptionKind::Money if data_type.is_numeric() => {
            cast(&MONEY).filter(|value| matches!(value, ScalarValue::Decimal128(Some(0..), _, _)))
        }
        OptionKind::Moneys => cast(&list_of(MONEY)).filter(without_null).filter(|value| {
            matches!(value, ScalarValue::List(list)
                if !list.values().is_empty() && not_negative(list.values().as_primitive()))
        }),
        OptionKind::Quota => match &data_type {
            DataType::Map(_, _) => cast(&quota_type()).filter(|value| {
                let ScalarValue::Map(map) = value else {
                    return false;
                };
                let numbers = map.values().as_primitive::<Int64Type>();
                numbers.null_count() == 0 && numbers.values().iter().all(|number| *number >= 0)
            }),
            _ => None,
        },
        _ => None,
    }
}

fn list_of(data_type: DataType) -> DataType {
    DataType::new_list(data_type, true)
}

fn quota_type() -> DataType {
    let entries = vec![
        Field::new("key", DataType::Utf8, false),
        Field::new("value", DataType::Int64, true),
    ];
    let entries = Field::new("entries", DataType::Struct(entries.into()), false);
    DataType::Map(entries.into(), false)
}

fn without_null(value: &ScalarValue) -> bool {
    matches!(value, ScalarValue::List(list) if list.values().null_count() == 0)
}

fn not_negative(values: &Decimal128Array) -> bool {
    values.values().iter().all(|value| *value >= 0)
}

fn above_zero(value: &ScalarValue) -> bool {
    // Months and days count as in `common::time`: only the sign matters here.
    matches!(value, ScalarValue::IntervalMonthDayNano(Some(interval)) if {
        let (months, days, nanos) = IntervalMonthDayNanoType::to_parts(*interval);
        let day = 86_400_000_000_000_i128;
        (i128::from(months) * 30 + i128::from(days)) * day + i128::from(nanos) > 0
    })
}

/// A value as it is written in SQL.
fn shown(value: &ScalarValue) -> String {
    match value {
        ScalarValue::List(list) => {
            let items = (0..list.values().len()).map(|item| {
                ScalarValue::try_from_array(list.values(), item)
                    .map_or_else(|_| "?".to_owned(), |item| shown(&item))
            });
            format!("[{}]", items.collect::<Vec<_>>().join(", "))
        }
        text if is_text(&text.data_type()) && !text.is_null() => format!("'{text}'"),
        ScalarValue::IntervalMonthDayNano(Some(_)) => format!("INTERVAL '{}'", printed(value)),
        ScalarValue::Date32(Some(_)) => format!("DATE '{}'", printed(value)),
        time if time.data_type().is_temporal() && !time.is_null() => {
            format!("TIMESTAMP '{}'", printed(value))
        }
        other => other.to_string(),
    }
}

fn printed(value: &ScalarValue) -> String {
    let array = value.to_array();
    let text = array.and_then(|array| Ok(array_value_to_string(&array, 0)?));
    text.unwrap_or_else(|_| value.to_string())
}

fn unknown(function: &str, specs: &[OptionSpec], name: &str) -> DataFusionError {
    let names: Vec<_> = specs.iter().map(|spec| spec.name).collect();
    let distance = |known: &&&str| strsim::damerau_levenshtein(name, known);
    let close = names
        .iter()
        .min_by_key(distance)
        .filter(|known| distance(known) <= 2);
    let hint = match close {
        Some(close) => format!("did you mean '{close}'?"),
        None if names.is_empty() => "it has none".to_owned(),
        None => format!("there are {}", names.join(", ")),
    };
    plan_datafusion_err!("{function}: unknown option '{name}'; hint: {hint}")
}
