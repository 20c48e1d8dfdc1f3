//! What one visitor leaves behind: the rows of every table, before they get their ids.

/// Something that a visitor does on the site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EventType {
    View,
    Search,
    AddToCart,
    Purchase,
    Signup,
}

impl EventType {
    /// The name in the column `event_type`.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::View => "view",
            Self::Search => "search",
            Self::AddToCart => "add_to_cart",
            Self::Purchase => "purchase",
            Self::Signup => "signup",
        }
    }
}

/// A way to reach a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Channel {
    Email,
    Sms,
}

impl Channel {
    /// The name in the column `channel`.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Sms => "sms",
        }
    }
}

/// A row of `events`.
#[derive(Clone, Debug)]
pub(super) struct Event {
    pub(super) time: i64,
    pub(super) kind: EventType,
    pub(super) product: Option<usize>,
    pub(super) category: Option<usize>,
    pub(super) source: usize,
}

/// A row of `people`.
#[derive(Clone, Debug)]
pub(super) struct Person {
    pub(super) sex: Option<usize>,
    pub(super) age: Option<usize>,
    pub(super) region: usize,
    pub(super) source: usize,
    pub(super) created_at: i64,
    pub(super) referred_by: Option<i64>,
    pub(super) declared: Option<usize>,
    pub(super) email: bool,
    pub(super) phone: bool,
}

/// A row of `consents`.
#[derive(Clone, Debug)]
pub(super) struct Consent {
    pub(super) channel: Channel,
    pub(super) opt_in: bool,
    pub(super) time: i64,
}

/// The mailings of the house.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Campaign {
    Newsletter,
    Offer,
    Weekend,
    Text,
}

impl Campaign {
    /// The beginning of the name in the column `campaign`; the week follows.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Newsletter => "newsletter",
            Self::Offer => "offer",
            Self::Weekend => "weekend",
            Self::Text => "text",
        }
    }

    /// The channel that carries it.
    pub(super) fn channel(self) -> Channel {
        match self {
            Self::Newsletter | Self::Offer | Self::Weekend => Channel::Email,
            Self::Text => Channel::Sms,
        }
    }
}

/// A row of `contacts`.
#[derive(Clone, Debug)]
pub(super) struct Contact {
    pub(super) campaign: Campaign,
    pub(super) week: u32,
    pub(super) sent_at: i64,
    pub(super) opened_at: Option<i64>,
    pub(super) clicked_at: Option<i64>,
    pub(super) responded_at: Option<i64>,
}

/// Why somebody bought. No table tells: it serves to measure the sample itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Motive {
    /// Taste, demography, source and recent interest.
    Interest,
    /// The answer to a message.
    Message,
    /// No reason at all.
    Noise,
}

/// A row of `orders`.
#[derive(Clone, Debug)]
pub(super) struct Order {
    pub(super) time: i64,
    pub(super) product: usize,
    pub(super) quantity: i64,
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "tests measure the share of noise")
    )]
    pub(super) motive: Motive,
}

/// All the rows of one visitor, or of a person who never visited.
#[derive(Debug, Default)]
pub(super) struct Life {
    pub(super) events: Vec<Event>,
    pub(super) person: Option<Person>,
    pub(super) consents: Vec<Consent>,
    pub(super) contacts: Vec<Contact>,
    pub(super) orders: Vec<Order>,
    /// The hidden kind of person, which those whom they refer often share.
    pub(super) segment: usize,
    /// The truth, a day after the sign-up: (day, readiness to buy, interest). No table tells.
    #[cfg(test)]
    pub(super) readiness: Vec<(u32, f64, f64)>,
}

impl Life {
    /// Forgets everything, but keeps the memory for the next visitor.
    pub(super) fn clear(&mut self) {
        self.events.clear();
        self.person = None;
        self.consents.clear();
        self.contacts.clear();
        self.orders.clear();
        #[cfg(test)]
        self.readiness.clear();
    }

    /// Puts every table in the order in which it is written.
    pub(super) fn sort(&mut self) {
        self.events.sort_by_key(|event| event.time);
        self.consents
            .sort_by_key(|consent| (consent.time, consent.channel));
        self.contacts
            .sort_by_key(|contact| (contact.sent_at, contact.campaign));
        self.orders.sort_by_key(|order| order.time);
    }
}
