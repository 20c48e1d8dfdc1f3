//! The prices of the channels: a session setting, `SET tariff.sms = '55'`, and a table.

mod rates;

use std::any::Any;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, Decimal128Array, Int64Array, RecordBatch, StringArray};
use datafusion_common::config::{ConfigEntry, ConfigExtension, ConfigOptions, ExtensionOptions};
use datafusion_common::{Result, ScalarValue, config_err};

use crate::common::arguments::{Arguments, at_planning};
use rates::{Rates, Unit};

/// What a thousand messages of each channel cost, in euros with up to six decimals.
///
/// A session extension: put it into `ConfigOptions::extensions`, then `SET tariff.<channel> = '<price>'`
/// changes a price or adds a channel. By default `email` costs 0.50 € and `sms` 60 € per thousand.
///
/// `60 per segment, 55 above 10000` is a price in tiers: what is beyond the first 10,000 costs 55 € per thousand.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Tariff {
    channels: BTreeMap<String, Rates>,
}

impl Tariff {
    /// Sets the price of a thousand messages: a decimal number of euros such as `0.50`, perhaps with tiers.
    /// Without `per message` or `per segment` a channel keeps its unit; a new one is paid by message.
    pub fn set_price(&mut self, channel: &str, price: &str) -> Result<()> {
        let unit = self.channels.get(channel).map_or(Unit::Message, |r| r.unit);
        match Rates::parse(price, unit) {
            Ok(rates) => self.channels.insert(channel.to_owned(), rates),
            Err((what, wrong)) => return config_err!("tariff: {what} of '{channel}' {wrong}"),
        };
        Ok(())
    }

    /// The tariff as a table, a row for each tier: `channel`, `unit` (`message` or `segment`), `above` (the tier
    /// prices what is beyond this number), `price_per_thousand` (DECIMAL(18,6)).
    pub fn table(&self) -> Result<RecordBatch> {
        let rows: Vec<_> = self
            .channels
            .iter()
            .flat_map(|(channel, rates)| rates.tiers.iter().map(move |tier| (channel, rates, tier)))
            .collect();
        let channels: StringArray = rows.iter().map(|(channel, ..)| Some(channel)).collect();
        let units = rows
            .iter()
            .map(|(_, rates, _)| Some(rates.unit.to_string()));
        let above = rows.iter().map(|(.., tier)| tier.above);
        let prices = rows.iter().map(|(.., tier)| i128::from(tier.price));
        let prices = Decimal128Array::from_iter_values(prices).with_precision_and_scale(18, 6)?;
        let columns: [(&str, ArrayRef, bool); 4] = [
            ("channel", Arc::new(channels), false),
            ("unit", Arc::new(units.collect::<StringArray>()), false),
            ("above", Arc::new(above.collect::<Int64Array>()), false),
            ("price_per_thousand", Arc::new(prices), false),
        ];
        Ok(RecordBatch::try_from_iter_with_nullable(columns)?)
    }

    /// The tariff of the session, or the default one.
    pub fn of(options: &ConfigOptions) -> Cow<'_, Self> {
        let session = options.extensions.get::<Self>();
        session.map_or_else(|| Cow::Owned(Self::default()), Cow::Borrowed)
    }

    /// Micro-euros for so many messages, which must not be negative. An unknown channel is an error of the first
    /// argument.
    pub(crate) fn cost(&self, arguments: &Arguments, channel: &str, messages: i64) -> Result<i128> {
        Ok(self.rates(arguments, channel)?.cost(messages))
    }

    /// Micro-euros for a thousand messages, by the first tier. An unknown channel is an error of the first argument.
    pub(crate) fn first_price(&self, arguments: &Arguments, channel: &str) -> Result<i64> {
        Ok(self.rates(arguments, channel)?.first_price())
    }

    fn rates(&self, arguments: &Arguments, channel: &str) -> Result<&Rates> {
        self.channels.get(channel).ok_or_else(|| {
            let known = self.channels.keys().map(|known| format!("'{known}'"));
            let expected = format!("one of {}", known.collect::<Vec<_>>().join(", "));
            arguments.invalid(0, &expected, format!("'{channel}'"))
        })
    }

    /// Fails at planning when the first argument is text that is no known channel.
    pub(crate) fn check_literal(
        &self,
        arguments: &Arguments,
        literals: &[Option<&ScalarValue>],
    ) -> Result<()> {
        let channel = literals
            .first()
            .copied()
            .flatten()
            .map(ScalarValue::try_as_str);
        match channel.flatten().flatten() {
            Some(channel) => self
                .rates(arguments, channel)
                .map(|_| ())
                .map_err(at_planning),
            None => Ok(()),
        }
    }
}

impl Default for Tariff {
    fn default() -> Self {
        let email = Rates::flat(500_000, Unit::Message);
        let sms = Rates::flat(60_000_000, Unit::Segment);
        Self {
            channels: [("email".to_owned(), email), ("sms".to_owned(), sms)].into(),
        }
    }
}

impl ConfigExtension for Tariff {
    const PREFIX: &'static str = "tariff";
}

impl ExtensionOptions for Tariff {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }

    fn cloned(&self) -> Box<dyn ExtensionOptions> {
        Box::new(self.clone())
    }

    fn set(&mut self, key: &str, value: &str) -> Result<()> {
        self.set_price(key, value)
    }

    fn entries(&self) -> Vec<ConfigEntry> {
        let channels = self.channels.iter();
        channels
            .map(|(channel, rates)| ConfigEntry {
                key: format!("{}.{channel}", Self::PREFIX),
                value: Some(rates.to_string()),
                description: "Price of a thousand messages, in euros",
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use arrow::util::pretty::pretty_format_batches;

    use super::*;

    #[test]
    fn a_wrong_price_names_the_channel_and_changes_nothing() {
        let mut tariff = Tariff::default();
        let error = tariff.set("sms", "cheap").unwrap_err().strip_backtrace();
        assert!(
            error.contains("tariff: the price of 'sms' must be") && error.ends_with("got 'cheap'"),
            "{error}"
        );
        assert_eq!(tariff, Tariff::default());
    }

    #[test]
    fn a_channel_keeps_its_unit_and_new_ones_are_paid_by_message() {
        let mut tariff = Tariff::default();
        tariff.set("post", "820, 700.5 above 5000").unwrap();
        tariff.set("sms", "55").unwrap();
        let entries = tariff.entries();
        let shown: Vec<_> = entries
            .iter()
            .map(|entry| (entry.key.as_str(), entry.value.as_deref()))
            .collect();
        assert_eq!(
            shown,
            [
                ("tariff.email", Some("0.50 per message")),
                ("tariff.post", Some("820.00 per message, 700.50 above 5000")),
                ("tariff.sms", Some("55.00 per segment"))
            ]
        );
        let table = pretty_format_batches(&[tariff.table().unwrap()]).unwrap();
        assert_eq!(
            table.to_string().lines().skip(1).collect::<Vec<_>>(),
            [
                "| channel | unit    | above | price_per_thousand |",
                "+---------+---------+-------+--------------------+",
                "| email   | message | 0     | 0.500000           |",
                "| post    | message | 0     | 820.000000         |",
                "| post    | message | 5000  | 700.500000         |",
                "| sms     | segment | 0     | 55.000000          |",
                "+---------+---------+-------+--------------------+"
            ]
        );
    }
}
