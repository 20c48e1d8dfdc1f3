//! What an argument accepts: its type and its range.

use arrow::datatypes::{DataType, IntervalUnit, TimeUnit};

/// The type of a half-life once it is coerced.
pub(crate) const HALF_LIFE: DataType = DataType::Interval(IntervalUnit::MonthDayNano);
/// The type of a point in time that was given as text or as NULL.
pub(crate) const MOMENT: DataType = DataType::Timestamp(TimeUnit::Microsecond, None);

/// The type of exact money inside an aggregate, before it is known to fit DECIMAL(18,6).
pub(crate) const MONEY: DataType = DataType::Decimal128(38, 6);

/// What an argument accepts. An untyped NULL is accepted everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Any type, kept as it is.
    Any,
    /// Any integer or text, kept as it is but for a dictionary encoding, which is undone.
    Id,
    /// Any integer, decimal or float; becomes DOUBLE.
    Number(Range),
    /// Any number of euros; a float stays DOUBLE, all others become DECIMAL(38,6).
    Money,
    /// Any integer that is not negative; becomes BIGINT.
    Count,
    /// A BOOLEAN, or an integer that is 0 or 1.
    Label,
    /// Text in any encoding; becomes a string view.
    Text,
    /// TIMESTAMP of any unit and zone, or DATE; keeps its type.
    Time,
    /// Like `Time`, and text that reads as a timestamp.
    Moment,
    /// INTERVAL or DURATION above zero, or text that reads as an interval.
    HalfLife,
    /// A list of any layout; the function unifies the element types.
    List,
    /// A map; the function unifies the key types.
    Map,
    /// A struct; the function unifies the types of the fields.
    Struct,
}

/// The values that a number may take. NaN and infinities are never among them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Range {
    Finite,
    NonNegative,
    Positive,
    /// 0 ≤ x ≤ 1
    Probability,
    /// 0 < x < 1
    Confidence,
    /// 0 < x ≤ 1
    Share,
    /// 1, 2, 3 …
    Whole,
}

impl Kind {
    /// The type that a value of type `given` is cast to, or `None` when it is not accepted.
    pub(crate) fn accept(self, given: &DataType) -> Option<DataType> {
        let plain = plain(given);
        match (self, plain) {
            (Self::Any, _) => Some(given.clone()),
            (Self::Id, DataType::Null) => Some(DataType::Int64),
            (Self::Id, t) if t.is_integer() || is_text(t) => Some(t.clone()),
            (Self::Number(_), t) if t.is_numeric() || t.is_null() => Some(DataType::Float64),
            (Self::Money, t) if t.is_floating() => Some(DataType::Float64),
            (Self::Money, t) if t.is_numeric() || t.is_null() => Some(MONEY),
            (Self::Count, t) if t.is_integer() || t.is_null() => Some(DataType::Int64),
            (Self::Label, DataType::Boolean | DataType::Null) => Some(DataType::Boolean),
            (Self::Label, t) if t.is_integer() => Some(DataType::Int64),
            (Self::Text, t) if is_text(t) || t.is_null() => Some(DataType::Utf8View),
            (Self::Time | Self::Moment, DataType::Null) => Some(MOMENT),
            (Self::Moment, t) if is_text(t) => Some(MOMENT),
            (Self::HalfLife, DataType::Interval(_) | DataType::Duration(_) | DataType::Null) => {
                Some(HALF_LIFE)
            }
            (Self::HalfLife, t) if is_text(t) => Some(HALF_LIFE),
            (
                Self::Time | Self::Moment,
                DataType::Timestamp(_, _) | DataType::Date32 | DataType::Date64,
            )
            | (
                Self::List,
                DataType::List(_)
                | DataType::LargeList(_)
                | DataType::FixedSizeList(_, _)
                | DataType::ListView(_)
                | DataType::LargeListView(_)
                | DataType::Null,
            )
            | (Self::Map, DataType::Map(_, _) | DataType::Null)
            | (Self::Struct, DataType::Struct(_) | DataType::Null) => Some(plain.clone()),
            _ => None,
        }
    }

    /// What the argument must be, and a hint in which `$` stands for its name.
    pub(crate) fn expected(self) -> (&'static str, &'static str) {
        match self {
            Self::Any => ("a value", ""),
            Self::Id => (
                "an integer or text",
                "; hint: cast it, e.g. $::BIGINT or $::TEXT",
            ),
            Self::Number(_) | Self::Money => ("a number", "; hint: cast it, e.g. $::DOUBLE"),
            Self::Count => ("an integer", "; hint: cast it, e.g. $::BIGINT"),
            Self::Label => (
                "a BOOLEAN or an integer 0 or 1",
                "; hint: compare it, e.g. $ > 0",
            ),
            Self::Text => ("text", "; hint: cast it, e.g. $::TEXT"),
            Self::Time | Self::Moment => {
                ("a TIMESTAMP or DATE", "; hint: cast it, e.g. $::TIMESTAMP")
            }
            Self::HalfLife => ("an INTERVAL", "; hint: write it as INTERVAL '14 days'"),
            Self::List => ("a LIST", "; hint: build it with array_agg($)"),
            Self::Struct => ("a STRUCT", "; hint: write it as {'age': 30}"),
            Self::Map => ("a MAP", "; hint: write it as MAP {'key': 1.0}"),
        }
    }
}

impl Range {
    pub(crate) fn contains(self, value: f64) -> bool {
        value.is_finite()
            && match self {
                Self::Finite => true,
                Self::NonNegative => value >= 0.0,
                Self::Positive => value > 0.0,
                Self::Probability => (0.0..=1.0).contains(&value),
                Self::Confidence => value > 0.0 && value < 1.0,
                Self::Share => value > 0.0 && value <= 1.0,
                Self::Whole => value >= 1.0 && value.fract() == 0.0,
            }
    }

    pub(crate) fn expected(self) -> &'static str {
        match self {
            Self::Finite => "a finite number",
            Self::NonNegative => "zero or a positive number",
            Self::Positive => "a positive number",
            Self::Probability => "between 0 and 1",
            Self::Confidence => "between 0 and 1, both excluded",
            Self::Share => "above 0 and at most 1",
            Self::Whole => "a positive integer",
        }
    }
}

/// The type behind a dictionary encoding.
pub(crate) fn plain(data_type: &DataType) -> &DataType {
    match data_type {
        DataType::Dictionary(_, values) => values,
        other => other,
    }
}

/// Whether it is text, in any encoding.
pub(crate) fn is_text(data_type: &DataType) -> bool {
    matches!(
        plain(data_type),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View
    )
}
