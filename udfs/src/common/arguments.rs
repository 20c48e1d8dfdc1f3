//! The argument table of a function: names, types, ranges.
//!
//! Type coercion, the check of literals at planning and the check of values at run time all read this one
//! table, which is why their error texts agree.

use std::fmt::Display;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion_common::{DataFusionError, Result, ScalarValue, exec_datafusion_err, plan_err};
use datafusion_expr::ReturnFieldArgs;

use super::kinds::is_text;
pub(crate) use super::kinds::{HALF_LIFE, Kind, MOMENT, MONEY, Range, plain};

/// The arguments of one function.
#[derive(Debug)]
pub(crate) struct Arguments {
    /// SQL name of the function.
    pub(crate) function: &'static str,
    /// How many arguments a call may have, ascending; the first is the number of required ones.
    pub(crate) counts: &'static [usize],
    /// All arguments, the optional ones last.
    pub(crate) list: &'static [Argument],
}

/// One argument: its name and what it accepts.
#[derive(Debug)]
pub(crate) struct Argument {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
}

impl Argument {
    pub(crate) const fn new(name: &'static str, kind: Kind) -> Self {
        Self { name, kind }
    }
}

impl Arguments {
    /// The types that the arguments are cast to.
    ///
    /// Never fails: the planner would bury an error from here under two of its own. A wrong type is passed
    /// through, and [`Self::check_types`] reports it when the return type is asked for.
    pub(crate) fn coerce(&self, given: &[DataType]) -> Vec<DataType> {
        self.check_types(given).unwrap_or_else(|_| given.to_vec())
    }

    /// The types that the arguments are cast to, or the error for a wrong number or a wrong type.
    pub(crate) fn check_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        if !self.counts.contains(&given.len()) {
            return plan_err!("{}", self.wrong_count(given.len()));
        }
        let arguments = self.list.iter().zip(given);
        arguments
            .map(|(argument, given)| {
                argument
                    .kind
                    .accept(given)
                    .ok_or_else(|| self.wrong_type(argument, given))
            })
            .collect()
    }

    /// Checks those arguments that are literals, so that a wrong one fails before any data is read.
    pub(crate) fn check_literals<'a>(
        &self,
        literals: impl IntoIterator<Item = Option<&'a ScalarValue>>,
    ) -> Result<()> {
        let literals: Vec<_> = literals.into_iter().collect();
        if !self.counts.contains(&literals.len()) {
            // `check_types` has the better error.
            return Ok(());
        }
        for (position, literal) in literals.into_iter().enumerate() {
            if let (Some(argument), Some(literal)) = (self.list.get(position), literal)
                && !literal.is_null()
            {
                self.check_literal(position, argument, literal)
                    .map_err(at_planning)?;
            }
        }
        Ok(())
    }

    /// The return field of a scalar function, once types and literals are found to be right.
    pub(crate) fn return_field(
        &self,
        args: &ReturnFieldArgs<'_>,
        data_type: DataType,
    ) -> Result<FieldRef> {
        let given: Vec<_> = args
            .arg_fields
            .iter()
            .map(|field| field.data_type().clone())
            .collect();
        self.check_types(&given)?;
        self.check_literals(args.scalar_arguments.iter().copied())?;
        Ok(Arc::new(Field::new(self.function, data_type, true)))
    }

    /// The error for argument number `position`: what it must be, and what it is.
    pub(crate) fn invalid(
        &self,
        position: usize,
        expected: &str,
        got: impl Display,
    ) -> DataFusionError {
        let function = self.function;
        let name = self
            .list
            .get(position)
            .map_or("?", |argument| argument.name);
        exec_datafusion_err!("{function}: argument '{name}' must be {expected}, got {got}")
    }

    /// Fails when a number is outside the range of argument number `position`.
    pub(crate) fn check_number(&self, position: usize, value: f64) -> Result<()> {
        let range = match self.list.get(position).map(|argument| argument.kind) {
            Some(Kind::Number(range)) => range,
            _ => Range::Finite,
        };
        if range.contains(value) {
            return Ok(());
        }
        Err(self.invalid(position, range.expected(), value))
    }

    fn check_literal(
        &self,
        position: usize,
        argument: &Argument,
        literal: &ScalarValue,
    ) -> Result<()> {
        match argument.kind {
            Kind::Number(_) | Kind::Money if literal.data_type().is_numeric() => {
                match literal.cast_to(&DataType::Float64)? {
                    ScalarValue::Float64(Some(value)) => self.check_number(position, value),
                    _ => Ok(()),
                }
            }
            Kind::Count if literal.data_type().is_signed_integer() => {
                match literal.cast_to(&DataType::Int64)? {
                    ScalarValue::Int64(Some(value)) => self.check_count(position, value),
                    _ => Ok(()),
                }
            }
            Kind::Label if literal.data_type().is_integer() => {
                match literal.cast_to(&DataType::Int64)? {
                    ScalarValue::Int64(Some(value @ (..0 | 2..))) => {
                        Err(self.invalid(position, "BOOLEAN, 0 or 1", value))
                    }
                    _ => Ok(()),
                }
            }
            Kind::HalfLife if argument.kind.accept(&literal.data_type()).is_some() => match literal
                .cast_to(&HALF_LIFE)
            {
                Ok(ScalarValue::IntervalMonthDayNano(Some(value))) => {
                    super::time::half_life_nanos(self, position, value).map(|_| ())
                }
                Ok(_) => Ok(()),
                Err(_) => {
                    Err(self.invalid(position, "an INTERVAL such as '14 days'", quoted(literal)))
                }
            },
            Kind::Moment if is_text(&literal.data_type()) && literal.cast_to(&MOMENT).is_err() => {
                Err(self.invalid(position, "a TIMESTAMP or DATE", quoted(literal)))
            }
            _ => Ok(()),
        }
    }

    /// Fails when a count is negative.
    pub(crate) fn check_count(&self, position: usize, value: i64) -> Result<()> {
        if value < 0 {
            return Err(self.invalid(position, "zero or a positive integer", value));
        }
        Ok(())
    }

    fn wrong_count(&self, got: usize) -> String {
        let function = self.function;
        let numbers: Vec<_> = self.counts.iter().map(usize::to_string).collect();
        let numbers = numbers.join(" or ");
        let plural = if self.counts == [1] { "" } else { "s" };
        format!(
            "{function}: expected {numbers} argument{plural} ({}), got {got}",
            self.names()
        )
    }

    /// `successes, trials [, confidence]`
    fn names(&self) -> String {
        let required = self.counts.first().copied().unwrap_or(0);
        let names: Vec<_> = self.list.iter().map(|argument| argument.name).collect();
        let (required, optional) = names.split_at(required.min(names.len()));
        match optional {
            [] => required.join(", "),
            optional => format!("{} [, {}]", required.join(", "), optional.join(", ")),
        }
    }

    fn wrong_type(&self, argument: &Argument, given: &DataType) -> DataFusionError {
        let function = self.function;
        let name = argument.name;
        let (expected, hint) = argument.kind.expected();
        let hint = hint.replace('$', name);
        at_planning(exec_datafusion_err!(
            "{function}: argument '{name}' must be {expected}, got {given}{hint}"
        ))
    }
}

/// The same error, as one of planning.
pub(crate) fn at_planning(error: DataFusionError) -> DataFusionError {
    match error {
        DataFusionError::Execution(text) => DataFusionError::Plan(text),
        other => other,
    }
}

fn quoted(literal: &ScalarValue) -> String {
    format!("'{literal}'")
}

#[cfg(test)]
mod tests {
    use super::*;

    static AFFINITY: Arguments = Arguments {
        function: "affinity",
        counts: &[4],
        list: &[
            Argument::new("weight", Kind::Number(Range::Finite)),
            Argument::new("event_time", Kind::Time),
            Argument::new("half_life", Kind::HalfLife),
            Argument::new("as_of", Kind::Moment),
        ],
    };
    static WILSON: Arguments = Arguments {
        function: "wilson_lower",
        counts: &[2, 3],
        list: &[
            Argument::new("successes", Kind::Number(Range::NonNegative)),
            Argument::new("trials", Kind::Number(Range::NonNegative)),
            Argument::new("confidence", Kind::Number(Range::Confidence)),
        ],
    };

    fn error<T: std::fmt::Debug>(result: Result<T>) -> String {
        result.unwrap_err().strip_backtrace()
    }

    #[test]
    fn the_count_error_lists_the_arguments() {
        assert_eq!(
            error(AFFINITY.check_types(&vec![DataType::Null; 3])),
            "Error during planning: affinity: expected 4 arguments (weight, event_time, half_life, as_of), got 3"
        );
        assert_eq!(
            error(WILSON.check_types(&[DataType::Int64])),
            "Error during planning: wilson_lower: expected 2 or 3 arguments (successes, trials [, confidence]), got 1"
        );
    }

    #[test]
    fn the_type_error_names_function_argument_type_and_cast() {
        let types = [DataType::Int32, DataType::Utf8, HALF_LIFE, DataType::Date32];
        assert_eq!(
            error(AFFINITY.check_types(&types)),
            "Error during planning: affinity: argument 'event_time' must be a TIMESTAMP or DATE, got Utf8; \
             hint: cast it, e.g. event_time::TIMESTAMP"
        );
        assert_eq!(
            AFFINITY.coerce(&types),
            types,
            "a wrong type is left for check_types"
        );
    }

    #[test]
    fn types_are_coerced_through_dictionaries_and_nulls() {
        let key = Box::new(DataType::Int32);
        let coerced = AFFINITY.check_types(&[
            DataType::Decimal128(10, 2),
            DataType::Dictionary(key.clone(), Box::new(DataType::Date32)),
            DataType::Dictionary(key, Box::new(DataType::Utf8)),
            DataType::Null,
        ]);
        assert_eq!(
            coerced.unwrap(),
            [DataType::Float64, DataType::Date32, HALF_LIFE, MOMENT]
        );
    }

    #[test]
    fn literals_are_checked_whatever_their_type() {
        let check = |values: [ScalarValue; 3]| WILSON.check_literals(values.iter().map(Some));
        assert!(check([1_i64.into(), 2_i32.into(), 0.95.into()]).is_ok());
        assert_eq!(
            error(check([1.into(), (-2).into(), 0.95.into()])),
            "Error during planning: wilson_lower: argument 'trials' must be zero or a positive number, got -2"
        );
        assert_eq!(
            error(check([
                1.into(),
                2.into(),
                ScalarValue::new_negative_one(&DataType::Int8).unwrap()
            ])),
            "Error during planning: wilson_lower: argument 'confidence' must be between 0 and 1, both excluded, got -1"
        );
        assert_eq!(
            error(check([f64::NAN.into(), 2.into(), 0.5.into()])),
            "Error during planning: wilson_lower: argument 'successes' must be zero or a positive number, got NaN"
        );
    }

    #[test]
    fn texts_that_are_no_interval_or_time_fail_at_planning() {
        let check = |half_life: &str, as_of: &str| {
            let literals = [None, None, Some(half_life.into()), Some(as_of.into())];
            AFFINITY.check_literals(literals.iter().map(Option::<ScalarValue>::as_ref))
        };
        assert!(check("14 days", "2026-01-01").is_ok());
        assert_eq!(
            error(check("two weeks", "2026-01-01")),
            "Error during planning: affinity: argument 'half_life' must be an INTERVAL such as '14 days', \
             got 'two weeks'"
        );
        assert_eq!(
            error(check("14 days", "tomorrow")),
            "Error during planning: affinity: argument 'as_of' must be a TIMESTAMP or DATE, got 'tomorrow'"
        );
        assert_eq!(
            error(check("-14 days", "2026-01-01")),
            "Error during planning: affinity: argument 'half_life' must be an interval above zero, got -14 days"
        );
    }
}
