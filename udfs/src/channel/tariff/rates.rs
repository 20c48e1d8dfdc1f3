//! What a channel costs: `60 per segment, 55 above 10000`.

use std::fmt::{self, Display};

/// The prices of one channel.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Rates {
    pub(super) unit: Unit,
    /// The first starts at 0, each other one above the one before it.
    pub(super) tiers: Vec<Tier>,
}

/// What is counted and paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Unit {
    Message,
    /// The parts that a long SMS is sent in.
    Segment,
}

/// The price of the messages beyond a number of them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Tier {
    pub(super) above: i64,
    /// Micro-euros for a thousand.
    pub(super) price: i64,
}

/// The largest price, in micro-euros: what a DECIMAL(18,6) holds.
const LARGEST: i64 = 10_i64.pow(18) - 1;

impl Rates {
    /// One price for any number of messages.
    pub(super) fn flat(price: i64, unit: Unit) -> Self {
        Self {
            unit,
            tiers: vec![Tier { above: 0, price }],
        }
    }

    /// Reads prices as people write them; `unit` holds unless the text has one. An error says of what (`the price`)
    /// what was expected and what came.
    pub(super) fn parse(text: &str, unit: Unit) -> Result<Self, (&'static str, String)> {
        let mut parts = text.split(',');
        let first = parts.next().unwrap_or_default();
        let (first, unit) = match first.split_once(" per ") {
            Some((first, name)) => (first, Unit::named(name.trim())?),
            None => (first, unit),
        };
        let mut rates = Self::flat(parse_price(first)?, unit);
        let mut last = 0;
        for part in parts {
            let tier = part.split_once(" above ").and_then(|(price, above)| {
                let above = above.trim();
                let digits = above.bytes().all(|byte| byte.is_ascii_digit());
                Some((price, above.parse::<i64>().ok().filter(|_| digits)?))
            });
            let Some((price, above)) = tier else {
                let expected = "must be written as '55 above 10000'";
                return Err(("a tier", format!("{expected}, got '{}'", part.trim())));
            };
            if above <= last {
                let expected = "must start above rising numbers of messages";
                return Err(("the tiers", format!("{expected}, got {above} after {last}")));
            }
            last = above;
            let price = parse_price(price)?;
            rates.tiers.push(Tier { above, price });
        }
        Ok(rates)
    }

    /// Micro-euros for so many messages, which must not be negative: each tier has its price for the messages beyond
    /// its start up to that of the next one. Rounded once, half up.
    pub(super) fn cost(&self, messages: i64) -> i128 {
        let ends = self.tiers.iter().skip(1).map(|next| next.above);
        let parts = self.tiers.iter().zip(ends.chain([i64::MAX]));
        let thousandfold: i128 = parts
            .map(|(tier, end)| {
                i128::from(tier.price) * i128::from((messages.min(end) - tier.above).max(0))
            })
            .sum();
        (thousandfold + 500).div_euclid(1000)
    }

    /// Micro-euros for a thousand messages of the first tier.
    pub(super) fn first_price(&self) -> i64 {
        self.tiers.first().map_or(0, |tier| tier.price)
    }
}

impl Unit {
    fn named(name: &str) -> Result<Self, (&'static str, String)> {
        match name {
            "message" => Ok(Self::Message),
            "segment" => Ok(Self::Segment),
            _ => Err((
                "the price",
                format!("must be per message or per segment, got 'per {name}'"),
            )),
        }
    }
}

impl Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Message => "message",
            Self::Segment => "segment",
        })
    }
}

/// As [`Rates::parse`] reads it.
impl Display for Rates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} per {}", euros(self.first_price()), self.unit)?;
        let mut others = self.tiers.iter().skip(1);
        others.try_for_each(|tier| write!(f, ", {} above {}", euros(tier.price), tier.above))
    }
}

fn parse_price(text: &str) -> Result<i64, (&'static str, String)> {
    let text = text.trim();
    let wrong = |expected: &str| {
        let expected = format!("must be a number of euros, {expected}");
        ("the price", format!("{expected}, got '{text}'"))
    };
    let micros =
        parse_micros(text).ok_or_else(|| wrong("zero or positive, with at most 6 decimals"))?;
    (micros <= LARGEST)
        .then_some(micros)
        .ok_or_else(|| wrong("less than a million millions"))
}

/// `0.5` → 500000; `None` for anything but digits with at most six decimals. Too many digits are `i64::MAX`.
fn parse_micros(price: &str) -> Option<i64> {
    let (whole, decimals) = price.split_once('.').unwrap_or((price, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(decimals) || decimals.len() > 6 {
        return None;
    }
    let decimals: i64 = format!("{decimals:0<6}").parse().ok()?;
    let whole = whole.parse().unwrap_or(i64::MAX);
    Some(whole.saturating_mul(1_000_000).saturating_add(decimals))
}

fn euros(micros: i64) -> String {
    let (whole, decimals) = (micros / 1_000_000, micros % 1_000_000);
    let decimals = format!("{decimals:06}");
    let decimals = decimals.trim_end_matches('0');
    format!("{whole}.{decimals:0<2}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Rates {
        Rates::parse(text, Unit::Message).unwrap()
    }

    fn refused(text: &str) -> String {
        let (what, wrong) = Rates::parse(text, Unit::Message).unwrap_err();
        format!("{what} {wrong}")
    }

    #[test]
    fn prices_are_exact_decimals() {
        for (text, micros) in [
            ("55", 55_000_000),
            ("0.50", 500_000),
            ("0.000001", 1),
            (" 7.5 ", 7_500_000),
            ("999999999999.999999", LARGEST),
        ] {
            assert_eq!(read(text), Rates::flat(micros, Unit::Message), "{text}");
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
            "60 above 5",
        ] {
            assert!(refused(text).contains("zero or positive, with at most 6 decimals"));
        }
        for text in ["1000000000000", "99999999999999999999"] {
            assert!(refused(text).contains("less than a million millions"));
        }
    }

    #[test]
    fn tiers_rise() {
        let rates = read("60 per segment, 55 above 10000 ,48.5 above 100000");
        assert_eq!(
            rates.to_string(),
            "60.00 per segment, 55.00 above 10000, 48.50 above 100000"
        );
        for (text, wrong) in [
            ("1,5", "a tier must be written as '55 above 10000', got '5'"),
            (
                "60, 55 above +5",
                "a tier must be written as '55 above 10000', got '55 above +5'",
            ),
            (
                "60, 55 above 0",
                "the tiers must start above rising numbers of messages, got 0 after 0",
            ),
            (
                "60, 55 above 20, 50 above 20",
                "the tiers must start above rising numbers of messages, got 20 after 20",
            ),
            (
                "60, -5 above 20",
                "the price must be a number of euros, zero or positive, with at most 6 decimals, got '-5'",
            ),
            (
                "60 per call",
                "the price must be per message or per segment, got 'per call'",
            ),
        ] {
            assert_eq!(refused(text), wrong);
        }
    }

    #[test]
    fn a_tier_prices_only_what_is_beyond_its_start() {
        let rates = read("60, 50 above 1000, 0 above 3000");
        let costs = [0, 1, 1000, 1001, 3000, 9000].map(|messages| rates.cost(messages));
        let expected = [0, 60_000, 60_000_000, 60_050_000, 160_000_000, 160_000_000];
        assert_eq!(costs, expected);
        // Half a micro-euro in each tier: rounded once.
        assert_eq!(read("0.0005, 0.0005 above 1").cost(2), 1);
    }

    fn any_rates() -> impl Strategy<Value = Rates> {
        let unit = prop_oneof![Just(Unit::Message), Just(Unit::Segment)];
        let tiers = prop::collection::btree_map(1..=i64::MAX, 0..=LARGEST, 0..4);
        (unit, 0..=LARGEST, tiers).prop_map(|(unit, price, tiers)| {
            let mut rates = Rates::flat(price, unit);
            let tiers = tiers.into_iter();
            rates
                .tiers
                .extend(tiers.map(|(above, price)| Tier { above, price }));
            rates
        })
    }

    proptest! {
        #[test]
        fn what_is_shown_can_be_set(rates in any_rates()) {
            prop_assert_eq!(Rates::parse(&rates.to_string(), Unit::Message), Ok(rates));
        }

        #[test]
        fn a_message_more_never_costs_less(rates in any_rates(), messages in 0..i64::MAX) {
            prop_assert!(rates.cost(messages) <= rates.cost(messages + 1));
        }

        #[test]
        fn tiers_cost_what_the_messages_cost_one_by_one(
            prices in prop::collection::vec(0..=1_000_000_i64, 1..4), messages in 0..60_i64
        ) {
            let tiers = prices.iter().zip(0..);
            let tiers = tiers.map(|(&price, at)| Tier { above: 13 * at, price }).collect();
            let rates = Rates { unit: Unit::Message, tiers };
            let one_by_one: i64 = (0..messages)
                .map(|before| prices[usize::try_from(before / 13).unwrap().min(prices.len() - 1)])
                .sum();
            prop_assert_eq!(rates.cost(messages), i128::from((one_by_one + 500) / 1000));
        }
    }
}
