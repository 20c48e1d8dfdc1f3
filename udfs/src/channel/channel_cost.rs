//! `channel_cost(channel, messages)`: euros for messages, by the tariff of the session.

use std::sync::Arc;

use arrow::array::{AsArray, Decimal128Array};
use arrow::datatypes::{DataType, FieldRef, Int64Type};
use datafusion_common::config::ConfigOptions;
use datafusion_common::{Result, ScalarValue, exec_err, internal_err};
use datafusion_expr::{
    ColumnarValue, Documentation, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature, Volatility,
};
use datafusion_macros::user_doc;

use super::tariff::Tariff;
use crate::common::arguments::{Argument, Arguments, Kind};

static ARGUMENTS: Arguments = Arguments {
    function: "channel_cost",
    counts: &[2],
    list: &[
        Argument::new("channel", Kind::Text),
        Argument::new("messages", Kind::Count),
    ],
};

const PRECISION: u8 = 18;
const SCALE: i8 = 6;
/// The largest DECIMAL(18,6), in micro-euros.
const LARGEST: i128 = 10_i128.pow(PRECISION as u32) - 1;

#[user_doc(
    doc_section(label = "Channels"),
    description = "Cost of messages in euros, as an exact DECIMAL(18,6), by the session's tariff: `email` 0.50 € \
and `sms` 60 € per thousand unless `jumeau.toml` or `SET tariff.sms = '55'` says otherwise, which can also add a \
channel. With tiers, as in `SET tariff.sms = '60, 55 above 10000'`, each price is for the messages beyond its start: \
10,001 cost the first 10,000 at 60 € and one at 55 €. The table `tariff` shows all prices. An unknown channel is an \
error that lists the known ones; NULL gives NULL. What does not divide is rounded half up to a millionth of a euro.",
    syntax_example = "channel_cost(channel, messages)",
    sql_example = r"```sql
SELECT channel_cost('email', 3) AS mail, channel_cost('sms', 1000) AS texts;
+----------+-----------+
| mail     | texts     |
+----------+-----------+
| 0.001500 | 60.000000 |
+----------+-----------+
```",
    argument(name = "channel", description = "Text, as spelled in the tariff."),
    argument(
        name = "messages",
        description = "Integer, not negative: how many, in the channel's `unit`. An SMS is paid by segment: \
`channel_cost('sms', people * sms_segments(text))`."
    )
)]
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct ChannelCost {
    signature: Signature,
    /// The session's when the call is planned, against which literals are checked.
    tariff: Tariff,
}

impl ChannelCost {
    pub(crate) fn new(options: &ConfigOptions) -> Self {
        Self {
            // Stable: the result changes with the session's tariff, not within a query.
            signature: Signature::user_defined(Volatility::Stable),
            tariff: Tariff::of(options).into_owned(),
        }
    }
}

impl ScalarUDFImpl for ChannelCost {
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
        ARGUMENTS.return_field(&args, DataType::Decimal128(PRECISION, SCALE))
    }

    fn with_updated_config(&self, options: &ConfigOptions) -> Option<ScalarUDF> {
        Some(Self::new(options).into())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [channel, messages] = args.args.as_slice() else {
            return internal_err!("channel_cost: expected 2 arguments");
        };
        let tariff = Tariff::of(&args.config_options);
        let constants = args
            .args
            .iter()
            .all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let rows = if constants { 1 } else { args.number_rows };
        let (channel, messages) = (channel.to_array(rows)?, messages.to_array(rows)?);
        let (channel, messages) = (
            channel.as_string_view(),
            messages.as_primitive::<Int64Type>(),
        );
        let costs = channel.iter().zip(messages).map(|row| match row {
            (Some(channel), Some(messages)) => cost(&tariff, channel, messages).map(Some),
            _ => Ok(None),
        });
        let costs = costs.collect::<Result<Decimal128Array>>()?;
        let costs = costs.with_precision_and_scale(PRECISION, SCALE)?;
        if constants {
            return ScalarValue::try_from_array(&costs, 0).map(ColumnarValue::Scalar);
        }
        Ok(ColumnarValue::Array(Arc::new(costs)))
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}

/// Micro-euros for so many messages.
fn cost(tariff: &Tariff, channel: &str, messages: i64) -> Result<i128> {
    ARGUMENTS.check_count(1, messages)?;
    let micros = tariff.cost(&ARGUMENTS, channel, messages)?;
    if micros > LARGEST {
        return exec_err!(
            "channel_cost: {messages} messages by '{channel}' cost more than a DECIMAL(18,6) holds"
        );
    }
    Ok(micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(result: Result<i128>) -> String {
        result.unwrap_err().strip_backtrace()
    }

    #[test]
    fn costs_are_exact_and_round_half_up() {
        let mut tariff = Tariff::default();
        assert_eq!(cost(&tariff, "email", 3).unwrap(), 1_500);
        assert_eq!(cost(&tariff, "sms", 0).unwrap(), 0);
        tariff.set_price("fax", "0.000001").unwrap();
        let fax = [499, 500, 1499, 1500].map(|messages| cost(&tariff, "fax", messages).unwrap());
        assert_eq!(fax, [0, 1, 1, 2]);
        tariff.set_price("sms", "60, 55 above 10000").unwrap();
        assert_eq!(cost(&tariff, "sms", 10_001).unwrap(), 600_055_000);
    }

    #[test]
    fn wrong_arguments_are_named() {
        let tariff = Tariff::default();
        assert_eq!(
            error(cost(&tariff, "pigeon", 1)),
            "Execution error: channel_cost: argument 'channel' must be one of 'email', 'sms', got 'pigeon'"
        );
        assert_eq!(
            error(cost(&tariff, "sms", -1)),
            "Execution error: channel_cost: argument 'messages' must be zero or a positive integer, got -1"
        );
    }

    #[test]
    fn the_decimal_is_filled_to_its_last_unit_and_not_beyond() {
        let mut tariff = Tariff::default();
        tariff.set_price("satellite", "1000").unwrap();
        assert_eq!(
            cost(&tariff, "satellite", 999_999_999_999).unwrap(),
            LARGEST - 999_999
        );
        assert!(
            error(cost(&tariff, "satellite", 1_000_000_000_000))
                .contains("more than a DECIMAL(18,6)")
        );
        assert!(cost(&tariff, "satellite", i64::MAX).is_err());
    }
}
