//! What is known of one person, and the channel that follows from it.

/// What the rows so far say of one person.
#[derive(Debug, Clone, Copy)]
pub(super) struct Person {
    /// Some channel has consent.
    pub(super) consented: bool,
    /// Some channel has consent and is under its cap.
    pub(super) allowed: bool,
    /// The best of those whose margin is known.
    pub(super) best: Option<Offer>,
    /// The latest contact: its tick and all channels that it was made by.
    pub(super) latest: Option<(i64, u64)>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Offer {
    pub(super) margin: f64,
    pub(super) channel: u8,
}

impl Person {
    pub(super) const UNKNOWN: Self = Self {
        consented: false,
        allowed: false,
        best: None,
        latest: None,
    };

    pub(super) fn offer(&mut self, channels: &[String], new: Offer) {
        let name = |offer: Offer| &channels[usize::from(offer.channel)];
        let better = self.best.is_none_or(|best| {
            let by_name = || name(best).cmp(name(new));
            new.margin
                .total_cmp(&best.margin)
                .then_with(by_name)
                .is_gt()
        });
        if better {
            self.best = Some(new);
        }
    }

    pub(super) fn contact(&mut self, tick: i64, channels: u64) {
        self.latest = match self.latest {
            Some((last, _)) if last > tick => self.latest,
            Some((last, others)) if last == tick => Some((last, others | channels)),
            _ => Some((tick, channels)),
        };
    }

    /// Channel, expected margin, reason.
    pub(super) fn next(&self) -> (Option<u8>, Option<f64>, &'static str) {
        match self.best {
            _ if !self.consented => (None, None, "no_consent"),
            _ if !self.allowed => (None, None, "cap"),
            Some(Offer { margin, channel }) if margin > 0.0 => {
                let same = self
                    .latest
                    .is_none_or(|(_, channels)| channels & (1 << channel) != 0);
                let reason = if same { "best" } else { "switch" };
                (Some(channel), Some(margin), reason)
            }
            best => (None, best.map(|best| best.margin), "stop"),
        }
    }
}
