//! The prices of the channels: a session setting, `SET tariff.sms = '55'`.

use std::any::Any;
use std::borrow::Cow;
use std::collections::BTreeMap;

use datafusion_common::config::{ConfigEntry, ConfigExtension, ConfigOptions, ExtensionOptions};
use datafusion_common::{Result, ScalarValue, config_err};

use crate::common::arguments::{Arguments, at_planning};

/// The price of a thousand messages of each channel, in euros with up to six decimals.
///
/// A session extension: put it into `ConfigOptions::extensions`, then `SET tariff.<channel> = '<price>'`
/// changes a price or adds a channel. By default `email` costs 0.50 € and `sms` 60 € per thousand.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Tariff {
    /// Micro-euros for a thousand messages.
    prices: BTreeMap<String, i64>,
}

impl Tariff {
    /// Sets the price of a thousand messages: a decimal number of euros such as `0.50`.
    pub fn set_price(&mut self, channel: &str, price: &str) -> Result<()> {
        let Some(micros) = parse_micros(price) else {
            return config_err!(
                "tariff: the price of '{channel}' must be a number of euros, zero or positive, \
                 with at most 6 decimals, got '{price}'"
            );
        };
        self.prices.insert(channel.to_owned(), micros);
        Ok(())
    }

    /// Micro-euros for a thousand messages, `None` for an unknown channel.
    pub fn micros_per_thousand(&self, channel: &str) -> Option<i64> {
        self.prices.get(channel).copied()
    }

    /// The tariff of the session, or the default one.
    pub(crate) fn of(options: &ConfigOptions) -> Cow<'_, Self> {
        let session = options.extensions.get::<Self>();
        session.map_or_else(|| Cow::Owned(Self::default()), Cow::Borrowed)
    }

    /// Micro-euros for a thousand messages; an unknown channel is an error of the first argument.
    pub(crate) fn price(&self, arguments: &Arguments, channel: &str) -> Result<i64> {
        self.micros_per_thousand(channel).ok_or_else(|| {
            let known: Vec<_> = self.channels().map(|known| format!("'{known}'")).collect();
            let expected = format!("one of {}", known.join(", "));
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
                .price(arguments, channel)
                .map(|_| ())
                .map_err(at_planning),
            None => Ok(()),
        }
    }

    /// The known channels in alphabetical order.
    pub fn channels(&self) -> impl Iterator<Item = &str> {
        self.prices.keys().map(String::as_str)
    }
}

impl Default for Tariff {
    fn default() -> Self {
        let prices = [("email", 500_000), ("sms", 60_000_000)];
        Self {
            prices: prices
                .map(|(channel, micros)| (channel.to_owned(), micros))
                .into(),
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
        let prices = self.prices.iter();
        prices
            .map(|(channel, &micros)| ConfigEntry {
                key: format!("{}.{channel}", Self::PREFIX),
                value: Some(format_micros(micros)),
                description: "Price of a thousand messages, in euros",
            })
            .collect()
    }
}

/// `0.5` → 500000; `None` for anything but digits with at most six decimals that fit.
fn parse_micros(price: &str) -> Option<i64> {
    let price = price.trim();
    let (whole, decimals) = price.split_once('.').unwrap_or((price, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(decimals) || decimals.len() > 6 {
        return None;
    }
    let decimals: i64 = format!("{decimals:0<6}").parse().ok()?;
    whole
        .parse::<i64>()
        .ok()?
        .checked_mul(1_000_000)?
        .checked_add(decimals)
}

fn format_micros(micros: i64) -> String {
    let (whole, decimals) = (micros / 1_000_000, micros % 1_000_000);
    let decimals = format!("{decimals:06}");
    let decimals = decimals.trim_end_matches('0');
    format!("{whole}.{decimals:0<2}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn prices_are_exact_decimals() {
        for (text, micros) in [
            ("55", 55_000_000),
            ("0.50", 500_000),
            ("0.000001", 1),
            (" 7.5 ", 7_500_000),
        ] {
            assert_eq!(parse_micros(text), Some(micros), "{text}");
        }
        for text in [
            "",
            ".",
            "-1",
            "+1",
            "1e3",
            "1.",
            ".5",
            "0.0000001",
            "NaN",
            "9999999999999999999",
            "1,5",
        ] {
            assert_eq!(parse_micros(text), None, "{text}");
        }
    }

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
    fn channels_can_be_added() {
        let mut tariff = Tariff::default();
        tariff.set("post", "820").unwrap();
        assert_eq!(
            tariff.channels().collect::<Vec<_>>(),
            ["email", "post", "sms"]
        );
        let entries = tariff.entries();
        let shown: Vec<_> = entries
            .iter()
            .map(|entry| (entry.key.as_str(), entry.value.as_deref()))
            .collect();
        assert_eq!(
            shown,
            [
                ("tariff.email", Some("0.50")),
                ("tariff.post", Some("820.00")),
                ("tariff.sms", Some("60.00"))
            ]
        );
    }

    proptest! {
        #[test]
        fn what_is_shown_can_be_set(micros in 0..=i64::MAX) {
            prop_assert_eq!(parse_micros(&format_micros(micros)), Some(micros));
        }
    }
}
