//! The pattern language of sequences: `(?1).*(?t<=1800)(?2)`.

const SECOND: i128 = 1_000_000_000;

/// A pattern: its events in order, at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern {
    pub(crate) parts: Vec<Part>,
}

/// One event of a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    /// How far it may be from the event of the part before; without meaning in the first part.
    pub(crate) gap: Gap,
    /// The condition that it meets, from 0; `None` for any event.
    pub(crate) condition: Option<u32>,
}

/// What may lie between two events of a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gap {
    /// Nothing.
    Next,
    /// Any number of events, and a time between these bounds, both included: in nanoseconds or in ticks.
    Later { least: i128, most: i128 },
}

impl Gap {
    /// Both this gap and a time between these bounds.
    fn within(self, least: i128, most: i128) -> Self {
        match self {
            Self::Next => Self::Later { least, most },
            Self::Later { least: l, most: m } => Self::Later {
                least: least.max(l),
                most: most.min(m),
            },
        }
    }
}

impl Pattern {
    /// Reads a pattern for so many conditions, or says what is wrong with it.
    pub(crate) fn parse(text: &str, conditions: usize) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut gap = Gap::Next;
        let mut timed = false;
        let mut rest = text;
        while !rest.is_empty() {
            let at = text.len() - rest.len() + 1;
            if let Some(after) = rest.strip_prefix("(?t") {
                if parts.is_empty() {
                    return Err(format!(
                        "the time at position {at} needs an event before it"
                    ));
                }
                let (least, most, after) =
                    time(after).ok_or_else(|| format!("there is no time at position {at}"))?;
                gap = gap.within(least, most);
                timed = true;
                rest = closed(text, after)?;
                continue;
            }
            if let Some(after) = rest.strip_prefix(".*") {
                gap = gap.within(0, i128::MAX);
                rest = after;
                continue;
            }
            let condition = if let Some(after) = rest.strip_prefix("(?") {
                let (number, after) = number(after)
                    .ok_or_else(|| format!("there is no condition at position {at}"))?;
                let known = usize::try_from(number).is_ok_and(|n| (1..=conditions).contains(&n));
                if !known {
                    return Err(format!("there is no condition {number}"));
                }
                rest = closed(text, after)?;
                Some(number as u32 - 1)
            } else if let Some(after) = rest.strip_prefix('.') {
                rest = after;
                None
            } else {
                return Err(format!("unknown sign at position {at}"));
            };
            parts.push(Part { gap, condition });
            gap = Gap::Next;
            timed = false;
        }
        if timed {
            return Err("the time at the end needs an event after it".to_owned());
        }
        if parts.is_empty() {
            return Err("there is no event in it".to_owned());
        }
        Ok(Self { parts })
    }
}

/// `<=1800`: the bounds in nanoseconds, and what follows.
fn time(text: &str) -> Option<(i128, i128, &str)> {
    let operators = ["<=", "<", ">=", ">", "=="];
    let operator = operators
        .into_iter()
        .find(|operator| text.starts_with(operator))?;
    let (seconds, after) = number(&text[operator.len()..])?;
    let nanos = i128::from(seconds) * SECOND;
    let (least, most) = match operator {
        "<=" => (0, nanos),
        "<" => (0, nanos - 1),
        ">=" => (nanos, i128::MAX),
        ">" => (nanos + 1, i128::MAX),
        _ => (nanos, nanos),
    };
    Some((least, most, after))
}

/// The digits at the start as a number, and what follows.
fn number(text: &str) -> Option<(u64, &str)> {
    let end = text
        .find(|sign: char| !sign.is_ascii_digit())
        .unwrap_or(text.len());
    let (digits, after) = text.split_at(end);
    Some((digits.parse().ok()?, after))
}

fn closed<'a>(text: &str, rest: &'a str) -> Result<&'a str, String> {
    rest.strip_prefix(')').ok_or_else(|| {
        let at = text.len() - rest.len() + 1;
        format!("there is no ')' at position {at}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Vec<Part>, String> {
        Pattern::parse(text, 3).map(|pattern| pattern.parts)
    }

    fn part(gap: Gap, condition: Option<u32>) -> Part {
        Part { gap, condition }
    }

    const ANY: Gap = Gap::Later {
        least: 0,
        most: i128::MAX,
    };

    #[test]
    fn every_element_is_read() {
        assert_eq!(
            parse("(?1).(?2).*(?3)").unwrap(),
            [
                part(Gap::Next, Some(0)),
                part(Gap::Next, None),
                part(Gap::Next, Some(1)),
                part(ANY, Some(2))
            ]
        );
        let gap = |text: &str| parse(&format!("(?1){text}(?2)")).unwrap()[1].gap;
        let seconds = |least: i128, most: i128| Gap::Later { least, most };
        assert_eq!(gap("(?t<=18)"), seconds(0, 18 * SECOND));
        assert_eq!(gap("(?t<18)"), seconds(0, 18 * SECOND - 1));
        assert_eq!(gap("(?t>=18)"), seconds(18 * SECOND, i128::MAX));
        assert_eq!(gap("(?t>18)"), seconds(18 * SECOND + 1, i128::MAX));
        assert_eq!(gap("(?t==18)"), seconds(18 * SECOND, 18 * SECOND));
        assert_eq!(gap(".*(?t<=18)"), gap("(?t<=18)"));
        assert_eq!(gap("(?t>=3)(?t<=18)"), seconds(3 * SECOND, 18 * SECOND));
        assert_eq!(parse(".*(?1).*").unwrap().len(), 1);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        for (text, wrong) in [
            ("", "there is no event in it"),
            (".*", "there is no event in it"),
            ("(?1)x", "unknown sign at position 5"),
            ("(?1) (?2)", "unknown sign at position 5"),
            ("(?1", "there is no ')' at position 4"),
            ("(?1)(?)", "there is no condition at position 5"),
            ("(?0)", "there is no condition 0"),
            ("(?1)(?4)", "there is no condition 4"),
            (
                "(?99999999999999999999)",
                "there is no condition at position 1",
            ),
            ("(?1)(?t=5)(?2)", "there is no time at position 5"),
            ("(?1)(?t<=)(?2)", "there is no time at position 5"),
            ("(?1)(?t<=5(?2)", "there is no ')' at position 11"),
            (
                "(?t<=5)(?1)",
                "the time at position 1 needs an event before it",
            ),
            (
                "(?1)(?t<=5).*",
                "the time at the end needs an event after it",
            ),
            ("é(?1)", "unknown sign at position 1"),
        ] {
            assert_eq!(parse(text).unwrap_err(), wrong, "{text}");
        }
    }
}
