//! Lives become rows: here they get their ids and their addresses.

use std::fmt::Write as _;
use std::path::Path;

use super::life::{Channel, Life, Person};
use super::tables;
use super::world::{self, World};
use super::writer::{Cell, TableFile};
use super::{Error, Written};

/// Visitors are numbered from here, so that a visitor is never taken for a person.
const FIRST_VISITOR: i64 = 1_000_000_001;

/// First names that tell no sex, so that addresses reveal nothing.
const FIRST_NAMES: [&str; 20] = [
    "alix",
    "andrea",
    "ange",
    "camille",
    "charlie",
    "celeste",
    "dominique",
    "eden",
    "gwen",
    "jackie",
    "joyce",
    "lou",
    "loan",
    "maxime",
    "morgan",
    "noa",
    "sacha",
    "sandy",
    "stephane",
    "yael",
];
const LAST_NAMES: [&str; 24] = [
    "aubin", "bartel", "calvet", "darmon", "estrade", "fabier", "gautrel", "hamelet", "ivrard",
    "jolivon", "kervel", "lorban", "marzin", "nodier", "orval", "perrinot", "quenard", "rouvel",
    "sabrin", "tessand", "urvoy", "vasselin", "wargny", "yvelon",
];
/// `.invalid` can never be registered (RFC 2606): no message can reach anybody.
const DOMAINS: [&str; 4] = [
    "courrier.invalid",
    "poste.invalid",
    "boite.invalid",
    "message.invalid",
];
/// The block of French mobile numbers that the regulator keeps for fiction: ten thousand of them.
const FICTION_PHONES: &str = "+33639980000";

/// The open files of all tables, and the ids that come next.
pub(super) struct Rows<'a> {
    world: &'a World,
    events: TableFile,
    products: TableFile,
    people: TableFile,
    addresses: TableFile,
    consents: TableFile,
    contacts: TableFile,
    orders: TableFile,
    next_person: i64,
    next_order: i64,
    text: String,
}

impl<'a> Rows<'a> {
    /// Opens all files, under temporary names.
    pub(super) fn create(dir: &Path, world: &'a World) -> Result<Self, Error> {
        Ok(Self {
            world,
            events: TableFile::create(dir, &tables::EVENTS)?,
            products: TableFile::create(dir, &tables::PRODUCTS)?,
            people: TableFile::create(dir, &tables::PEOPLE)?,
            addresses: TableFile::create(dir, &tables::ADDRESSES)?,
            consents: TableFile::create(dir, &tables::CONSENTS)?,
            contacts: TableFile::create(dir, &tables::CONTACTS)?,
            orders: TableFile::create(dir, &tables::ORDERS)?,
            next_person: 1,
            next_order: 1,
            text: String::new(),
        })
    }

    /// Gives every file its name, now that all of them are complete.
    pub(super) fn publish(self) -> Result<Vec<Written>, Error> {
        let files = [
            self.events,
            self.products,
            self.people,
            self.addresses,
            self.consents,
            self.contacts,
            self.orders,
        ];
        let closed = files
            .into_iter()
            .map(TableFile::close)
            .collect::<Result<Vec<_>, _>>()?;
        closed
            .into_iter()
            .map(super::writer::Closed::publish)
            .collect()
    }

    /// Writes the catalogue.
    pub(super) fn products(&mut self) -> Result<(), Error> {
        for (index, product) in self.world.products.iter().enumerate() {
            self.products.push([
                Cell::Integer(product_id(index)),
                Cell::Text(world::CATEGORIES[product.category]),
                Cell::Text(product.brand),
                Cell::Integer(product.price),
                Cell::Integer(product.margin),
            ])?;
        }
        Ok(())
    }

    /// Writes a life and returns the person's id, if there is a person. `visitor` is the index of
    /// the visitor; somebody who never visited has none, and no events.
    pub(super) fn life(&mut self, visitor: Option<u64>, life: &Life) -> Result<Option<i64>, Error> {
        let known = life
            .person
            .as_ref()
            .map(|person| (self.next_person, person));
        let since = known.map(|(id, person)| (id, person.created_at));
        if let Some(index) = visitor {
            self.life_events(FIRST_VISITOR + index as i64, since, life)?;
        }
        let Some((id, person)) = known else {
            return Ok(None);
        };
        self.next_person += 1;
        self.person(id, person)?;
        self.addresses(id, person)?;
        self.life_consents(id, life)?;
        self.life_contacts(id, life)?;
        self.life_orders(id, life)?;
        Ok(Some(id))
    }

    /// Nobody knew who it was before the sign-up.
    fn life_events(
        &mut self,
        visitor_id: i64,
        known_since: Option<(i64, i64)>,
        life: &Life,
    ) -> Result<(), Error> {
        for event in &life.events {
            let person = known_since.filter(|(_, created_at)| event.time >= *created_at);
            self.events.push([
                Cell::Integer(event.time),
                Cell::Integer(visitor_id),
                integer(person.map(|(id, _)| id)),
                Cell::Text(event.kind.name()),
                integer(event.product.map(product_id)),
                name(&world::CATEGORIES, event.category),
                Cell::Text(world::SOURCES[event.source]),
            ])?;
        }
        Ok(())
    }

    fn person(&mut self, id: i64, person: &Person) -> Result<(), Error> {
        self.people.push([
            Cell::Integer(id),
            name(&world::SEXES, person.sex),
            name(&world::AGE_BANDS, person.age),
            Cell::Text(world::REGIONS[person.region]),
            Cell::Text(world::SOURCES[person.source]),
            Cell::Integer(person.created_at),
            integer(person.referred_by),
            name(&world::CATEGORIES, person.declared),
        ])
    }

    fn addresses(&mut self, id: i64, person: &Person) -> Result<(), Error> {
        // Scattered over the names, but the same for the same id; 7,919 is a prime.
        let scattered = (id as usize).wrapping_mul(7_919);
        if person.email {
            let first = FIRST_NAMES[scattered % FIRST_NAMES.len()];
            let last = LAST_NAMES[(scattered / 20) % LAST_NAMES.len()];
            let domain = DOMAINS[(scattered / 480) % DOMAINS.len()];
            self.address(
                id,
                Channel::Email,
                format_args!("{first}.{last}.{id}@{domain}"),
            )?;
        }
        if person.phone {
            let (block, digits) = FICTION_PHONES.split_at(FICTION_PHONES.len() - 4);
            let number = scattered % 10_000;
            let width = digits.len();
            self.address(id, Channel::Sms, format_args!("{block}{number:0width$}"))?;
        }
        Ok(())
    }

    fn address(
        &mut self,
        id: i64,
        channel: Channel,
        address: std::fmt::Arguments<'_>,
    ) -> Result<(), Error> {
        self.text.clear();
        // Writing to a string cannot fail.
        let _ = self.text.write_fmt(address);
        let cells = [
            Cell::Integer(id),
            Cell::Text(channel.name()),
            Cell::Text(&self.text),
        ];
        self.addresses.push(cells)
    }

    fn life_consents(&mut self, id: i64, life: &Life) -> Result<(), Error> {
        for consent in &life.consents {
            self.consents.push([
                Cell::Integer(id),
                Cell::Text(consent.channel.name()),
                Cell::Text(if consent.opt_in { "opt_in" } else { "opt_out" }),
                Cell::Integer(consent.time),
            ])?;
        }
        Ok(())
    }

    fn life_contacts(&mut self, id: i64, life: &Life) -> Result<(), Error> {
        for contact in &life.contacts {
            self.text.clear();
            // Writing to a string cannot fail.
            let _ = write!(
                self.text,
                "{}-2026-w{:02}",
                contact.campaign.name(),
                contact.week
            );
            self.contacts.push([
                Cell::Integer(id),
                Cell::Text(contact.campaign.channel().name()),
                Cell::Text(&self.text),
                Cell::Integer(contact.sent_at),
                integer(contact.opened_at),
                integer(contact.clicked_at),
                integer(contact.responded_at),
            ])?;
        }
        Ok(())
    }

    fn life_orders(&mut self, id: i64, life: &Life) -> Result<(), Error> {
        for order in &life.orders {
            let product = &self.world.products[order.product];
            self.orders.push([
                Cell::Integer(self.next_order),
                Cell::Integer(id),
                Cell::Integer(product_id(order.product)),
                Cell::Integer(order.time),
                Cell::Integer(order.quantity),
                Cell::Integer(product.price * order.quantity),
                Cell::Integer(product.margin * order.quantity),
            ])?;
            self.next_order += 1;
        }
        Ok(())
    }
}

fn product_id(index: usize) -> i64 {
    index as i64 + 1
}

fn integer(value: Option<i64>) -> Cell<'static> {
    value.map_or(Cell::Null, Cell::Integer)
}

fn name(names: &'static [&'static str], index: Option<usize>) -> Cell<'static> {
    index.map_or(Cell::Null, |index| Cell::Text(names[index]))
}
