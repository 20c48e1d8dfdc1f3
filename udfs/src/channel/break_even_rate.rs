//! `break_even_rate(channel, margin)`: the response rate at which a contact pays for itself.

use std::sync::Arc;

use arrow::array::{Array, AsArray, Float64Array};
use arrow::datatypes::{DataType, FieldRef};
use datafusion_common::config::ConfigOptions;
use datafusion_common::{Result, ScalarValue, internal_err};
use datafusion_expr::{
    ColumnarValue, Documentation, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature, Volatility,
};
use datafusion_macros::user_doc;

use super::tariff::Tariff;
use crate::common::arguments::{Argument, Arguments, Kind, Range};
use crate::common::numbers::{Column, finite_result};

static ARGUMENTS: Arguments = Arguments {
    function: "break_even_rate",
    counts: &[2],
    list: &[
        Argument::new("channel", Kind::Text),
        Argument::new("margin", Kind::Number(Range::Finite)),
    ],
};

#[user_doc(
    doc_section(label = "Channels"),
    description = "Response rate at which one message pays for itself: its price by the session's tariff (by \
the first tier, as for the first message) ÷ margin. \
A rate above 1 can never be reached; a margin that is 0 or negative has no such rate, NULL. An unknown channel is \
an error that lists the known ones.",
    syntax_example = "break_even_rate(channel, margin)",
    sql_example = r"```sql
SELECT break_even_rate('email', 20) AS mail, break_even_rate('sms', 20) AS texts;
+----------+-------+
| mail     | texts |
+----------+-------+
| 0.000025 | 0.003 |
+----------+-------+
```",
    argument(name = "channel", description = "Text, as spelled in the tariff."),
    argument(name = "margin", description = "Euros that a response brings.")
)]
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct BreakEvenRate {
    signature: Signature,
    /// The session's when the call is planned, against which literals are checked.
    tariff: Tariff,
}

impl BreakEvenRate {
    pub(crate) fn new(options: &ConfigOptions) -> Self {
        Self {
            // Stable: the result changes with the session's tariff, not within a query.
            signature: Signature::user_defined(Volatility::Stable),
            tariff: Tariff::of(options).into_owned(),
        }
    }
}

impl ScalarUDFImpl for BreakEvenRate {
    fn name(&self) -> &str {
        ARGUMENTS.function
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        Ok(ARGUMENTS.coerce(given))
    }

    fn return_type(&self, _given: &[DataType]) -> Result<DataType> {
        internal_err!("return_field_from_args is used instead")
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        self.tariff
            .check_literal(&ARGUMENTS, args.scalar_arguments)?;
        ARGUMENTS.return_field(&args, DataType::Float64)
    }

    fn with_updated_config(&self, options: &ConfigOptions) -> Option<ScalarUDF> {
        Some(Self::new(options).into())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [channel, margin] = args.args.as_slice() else {
            return internal_err!("break_even_rate: expected 2 arguments");
        };
        let tariff = Tariff::of(&args.config_options);
        let constants = args
            .args
            .iter()
            .all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let rows = if constants { 1 } else { args.number_rows };
        let channels = channel.to_array(rows)?;
        let channels = channels.as_string_view();
        let margins = Column::new(margin)?;
        let rates = (0..rows).map(|row| {
            let channel = channels.is_valid(row).then(|| channels.value(row));
            match (channel, margins.get(row)) {
                (Some(channel), Some(margin)) => rate(&tariff, channel, margin),
                _ => Ok(None),
            }
        });
        let rates = rates.collect::<Result<Float64Array>>()?;
        if constants {
            return ScalarValue::try_from_array(&rates, 0).map(ColumnarValue::Scalar);
        }
        Ok(ColumnarValue::Array(Arc::new(rates)))
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}

fn rate(tariff: &Tariff, channel: &str, margin: f64) -> Result<Option<f64>> {
    let price = tariff.first_price(&ARGUMENTS, channel)?;
    ARGUMENTS.check_number(1, margin)?;
    if margin <= 0.0 {
        return Ok(None);
    }
    // Micro-euros for a thousand messages to euros for one: one division, so rounded once.
    let cost = price as f64 / 1e9;
    finite_result(&ARGUMENTS, cost / margin).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rates_of_the_two_channels_at_a_margin_of_twenty_euros() {
        let tariff = Tariff::default();
        assert_eq!(rate(&tariff, "email", 20.0).unwrap(), Some(0.000_025));
        assert_eq!(rate(&tariff, "sms", 20.0).unwrap(), Some(0.003));
        assert_eq!(rate(&tariff, "sms", 0.01).unwrap(), Some(6.0));
        for margin in [0.0, -1.0] {
            assert_eq!(rate(&tariff, "sms", margin).unwrap(), None);
        }
    }

    #[test]
    fn wrong_arguments_are_named() {
        let error = |channel, margin| {
            rate(&Tariff::default(), channel, margin)
                .unwrap_err()
                .strip_backtrace()
        };
        assert_eq!(
            error("fax", 1.0),
            "Execution error: break_even_rate: argument 'channel' must be one of 'email', 'sms', got 'fax'"
        );
        assert_eq!(
            error("sms", f64::NAN),
            "Execution error: break_even_rate: argument 'margin' must be a finite number, got NaN"
        );
    }
}
