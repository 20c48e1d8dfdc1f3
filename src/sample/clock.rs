//! The calendar of the sample: microseconds since 1970 and days since the first day.

/// A second in microseconds.
pub(super) const SECOND: i64 = 1_000_000;
/// A day in microseconds.
pub(super) const DAY: i64 = 86_400 * SECOND;
/// 2026-01-01, the first instant of the sample.
pub(super) const START: i64 = 20_454 * DAY;
/// The days of the sample: January to June.
pub(super) const DAYS: u32 = 181;
/// 2026-07-01, the first instant after the sample.
pub(super) const END: i64 = START + DAYS as i64 * DAY;

/// The days of the week that matter to a campaign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Weekday {
    /// The weekly newsletter.
    Tuesday,
    /// Text messages, every other week.
    Wednesday,
    /// The offer of the week.
    Thursday,
    /// The weekend offer.
    Saturday,
    /// A Sunday.
    Sunday,
    /// Monday and Friday.
    Other,
}

impl Weekday {
    /// The weekday of a day of the sample, which begins on a Thursday.
    pub(super) fn of(day: u32) -> Self {
        match day % 7 {
            0 => Self::Thursday,
            2 => Self::Saturday,
            3 => Self::Sunday,
            5 => Self::Tuesday,
            6 => Self::Wednesday,
            _ => Self::Other,
        }
    }

    /// Whether people are at home.
    pub(super) fn is_weekend(self) -> bool {
        matches!(self, Self::Saturday | Self::Sunday)
    }
}

/// The instant `seconds` into a day of the sample.
pub(super) fn instant(day: u32, seconds: i64) -> i64 {
    START + i64::from(day) * DAY + seconds * SECOND
}

/// The ISO week of a day of the sample: 2026-01-01 is in week 1, which ends on Sunday the 4th.
pub(super) fn week(day: u32) -> u32 {
    (day + 3) / 7 + 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::arrow::temporal_conversions::timestamp_us_to_datetime;

    #[test]
    fn the_calendar_is_right() {
        let text = |time| {
            timestamp_us_to_datetime(time)
                .unwrap()
                .format("%F %a %V")
                .to_string()
        };
        assert_eq!(text(START), "2026-01-01 Thu 01");
        assert_eq!(text(END), "2026-07-01 Wed 27");
        for day in 0..DAYS {
            let text = text(instant(day, 0));
            let name = match Weekday::of(day) {
                Weekday::Tuesday => "Tue",
                Weekday::Wednesday => "Wed",
                Weekday::Thursday => "Thu",
                Weekday::Saturday => "Sat",
                Weekday::Sunday => "Sun",
                Weekday::Other => {
                    assert!(text.contains("Mon") || text.contains("Fri"), "{text}");
                    continue;
                }
            };
            assert!(text.contains(name), "{text}");
            assert!(text.ends_with(&format!("{:02}", week(day))), "{text}");
        }
    }
}
