//! The modes of a funnel.

/// How strict a funnel is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Modes {
    /// A step that is made again ends the search.
    pub(crate) strict_deduplication: bool,
    /// An event that is not the next step, or no step at all, ends the search.
    pub(crate) strict_order: bool,
    pub(crate) reuse: Reuse,
}

/// Whether two steps of a chain may be made by the same event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reuse {
    Allowed,
    /// `strict_once`: each step needs an event of its own.
    OtherEvent,
    /// `strict_increase`: each step needs a later time, and so an event of its own.
    OtherTime,
}

impl Modes {
    pub(crate) const NONE: Self = Self {
        strict_deduplication: false,
        strict_order: false,
        reuse: Reuse::Allowed,
    };

    /// Reads names with commas between them; `None` when there is another name.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut modes = Self::NONE;
        for name in text.split(',').map(str::trim) {
            match name {
                "strict_deduplication" => modes.strict_deduplication = true,
                "strict_order" => modes.strict_order = true,
                "strict_increase" => modes.reuse = Reuse::OtherTime,
                "strict_once" if modes.reuse == Reuse::Allowed => modes.reuse = Reuse::OtherEvent,
                "strict_once" => {}
                "" if text.trim().is_empty() => {}
                _ => return None,
            }
        }
        Some(modes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_may_be_combined_in_any_order() {
        let modes = Modes::parse("strict_increase, strict_once,strict_order").unwrap();
        assert_eq!(modes.reuse, Reuse::OtherTime);
        assert!(modes.strict_order && !modes.strict_deduplication);
        assert_eq!(
            Modes::parse("strict_once,strict_increase").unwrap().reuse,
            Reuse::OtherTime
        );
        assert_eq!(Modes::parse(" "), Some(Modes::NONE));
        for wrong in ["strict", "strict_order,", "strict_order strict_once"] {
            assert_eq!(Modes::parse(wrong), None, "{wrong}");
        }
    }
}
