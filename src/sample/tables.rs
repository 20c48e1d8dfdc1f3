//! The tables: their columns and their order.

use super::writer::Kind;

/// The shape of a table.
pub(super) struct Table {
    pub(super) name: &'static str,
    pub(super) columns: &'static [Column],
    /// The columns that order the rows, which readers learn from the file's metadata.
    pub(super) sorted_by: &'static [&'static str],
}

/// Name, type, and whether it may be NULL.
pub(super) type Column = (&'static str, Kind, bool);

const REQUIRED: bool = false;
const OPTIONAL: bool = true;

pub(super) const EVENTS: Table = Table {
    name: "events",
    columns: &[
        ("event_time", Kind::Time, REQUIRED),
        ("visitor_id", Kind::Integer, REQUIRED),
        ("person_id", Kind::Integer, OPTIONAL),
        ("event_type", Kind::Text, REQUIRED),
        ("product_id", Kind::Integer, OPTIONAL),
        ("category_id", Kind::Text, OPTIONAL),
        ("source", Kind::Text, REQUIRED),
    ],
    sorted_by: &["visitor_id", "event_time"],
};
pub(super) const PRODUCTS: Table = Table {
    name: "products",
    columns: &[
        ("product_id", Kind::Integer, REQUIRED),
        ("category_id", Kind::Text, REQUIRED),
        ("brand", Kind::Text, REQUIRED),
        ("price", Kind::Money, REQUIRED),
        ("margin", Kind::Money, REQUIRED),
    ],
    sorted_by: &["product_id"],
};
pub(super) const PEOPLE: Table = Table {
    name: "people",
    columns: &[
        ("person_id", Kind::Integer, REQUIRED),
        ("sex", Kind::Text, OPTIONAL),
        ("age_band", Kind::Text, OPTIONAL),
        ("region", Kind::Text, REQUIRED),
        ("source", Kind::Text, REQUIRED),
        ("created_at", Kind::Time, REQUIRED),
        ("referred_by", Kind::Integer, OPTIONAL),
        ("declared_category", Kind::Text, OPTIONAL),
    ],
    sorted_by: &["person_id"],
};
pub(super) const ADDRESSES: Table = Table {
    name: "addresses",
    columns: &[
        ("person_id", Kind::Integer, REQUIRED),
        ("channel", Kind::Text, REQUIRED),
        ("address", Kind::Text, REQUIRED),
    ],
    sorted_by: &["person_id", "channel"],
};
pub(super) const CONSENTS: Table = Table {
    name: "consents",
    columns: &[
        ("person_id", Kind::Integer, REQUIRED),
        ("channel", Kind::Text, REQUIRED),
        ("status", Kind::Text, REQUIRED),
        ("decided_at", Kind::Time, REQUIRED),
    ],
    sorted_by: &["person_id", "decided_at"],
};
pub(super) const CONTACTS: Table = Table {
    name: "contacts",
    columns: &[
        ("person_id", Kind::Integer, REQUIRED),
        ("channel", Kind::Text, REQUIRED),
        ("campaign", Kind::Text, REQUIRED),
        ("sent_at", Kind::Time, REQUIRED),
        ("opened_at", Kind::Time, OPTIONAL),
        ("clicked_at", Kind::Time, OPTIONAL),
        ("responded_at", Kind::Time, OPTIONAL),
    ],
    sorted_by: &["person_id", "sent_at"],
};
pub(super) const ORDERS: Table = Table {
    name: "orders",
    columns: &[
        ("order_id", Kind::Integer, REQUIRED),
        ("person_id", Kind::Integer, REQUIRED),
        ("product_id", Kind::Integer, REQUIRED),
        ("order_time", Kind::Time, REQUIRED),
        ("quantity", Kind::Integer, REQUIRED),
        ("revenue", Kind::Money, REQUIRED),
        ("margin", Kind::Money, REQUIRED),
    ],
    sorted_by: &["order_id"],
};
