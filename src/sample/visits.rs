//! Visits: what is looked at, searched for, put into the cart, and when.

use super::clock::{END, SECOND, Weekday, instant};
use super::life::{Event, EventType};
use super::visitor::{Referrer, Walk};
use super::world;

impl Walk<'_> {
    /// A program that looks at everything, day and night.
    pub(super) fn crawl(&mut self, day: u32) {
        let mut time = instant(day, i64::from(self.dice.below(86_400)));
        for _ in 0..150 + self.dice.below(400) {
            let product = self.world.any_product(&mut self.dice);
            self.view(time, product, self.traits.source);
            time += i64::from(1 + self.dice.below(20)) * SECOND;
        }
    }

    pub(super) fn session(&mut self, day: u32, first: bool, referrer: Option<Referrer>) {
        let source = if first {
            self.traits.source
        } else {
            self.dice.pick(&world::RETURN_MIX)
        };
        let mut time = self.moment(day);
        self.refresh_intent(day);
        for _ in 0..self.dice.tries(0.28, 40) {
            self.click(time, source);
            time += i64::from(5 + self.dice.below(90) + self.dice.below(90)) * SECOND;
        }
        self.interest += 1.0;
        if self.signup_day.is_none() {
            let chance = if first { 0.42 } else { 0.30 };
            if self
                .dice
                .chance(chance * world::SOURCE_SIGNUP[self.traits.source])
            {
                self.sign_up(day, time, source, referrer);
            }
        }
        let again = if self.signup_day.is_some() {
            0.36
        } else {
            0.20
        };
        self.next_visit = self.dice.chance(again).then(|| self.return_day(day));
    }

    /// People return within days, some after weeks, and those of the weekend at the weekend.
    fn return_day(&mut self, day: u32) -> u32 {
        let mut next = day + 1 + self.dice.below(7);
        if self.dice.chance(0.4) {
            next += self.dice.below(28);
        }
        while self.traits.weekend && !Weekday::of(next).is_weekend() && self.dice.chance(0.7) {
            next += 1;
        }
        next
    }

    /// The category in mind stays for a while, then taste proposes another.
    fn refresh_intent(&mut self, day: u32) {
        let mut keep = 1.0;
        for _ in self.intent_day..day {
            keep *= world::INTEREST_PER_DAY;
        }
        if !self.dice.chance(keep) {
            self.intent = world::category(self.traits.segment, &mut self.dice);
        }
        self.intent_day = day;
    }

    fn click(&mut self, time: i64, source: usize) {
        if self.dice.chance(world::NOISE_CLICKS) {
            let product = self.world.any_product(&mut self.dice);
            self.view(time, product, source);
            return;
        }
        let category = self.wanted_category();
        if self.dice.chance(0.12) {
            let kind = EventType::Search;
            self.event(Event {
                time,
                kind,
                product: None,
                category: Some(category),
                source,
            });
            return;
        }
        let product = self
            .world
            .product(self.traits.segment, category, &mut self.dice);
        self.view(time, product, source);
        if self.dice.chance(0.04 * self.traits.fit) {
            let kind = EventType::AddToCart;
            self.product_event(time + 3 * SECOND, kind, product, source);
            self.interest += 0.7;
        }
    }

    /// A view of what is in mind, as after a click in a message.
    pub(super) fn look(&mut self, time: i64, source: usize) {
        let category = self.wanted_category();
        let product = self
            .world
            .product(self.traits.segment, category, &mut self.dice);
        self.view(time, product, source);
        self.interest += 0.6;
    }

    pub(super) fn wanted_category(&mut self) -> usize {
        if self.dice.chance(0.65) {
            self.intent
        } else {
            world::category(self.traits.segment, &mut self.dice)
        }
    }

    /// An instant of a day at which this visitor is about.
    pub(super) fn moment(&mut self, day: u32) -> i64 {
        let hour = if self.dice.chance(0.25) {
            9 + self.dice.below(13)
        } else {
            self.traits.hour
        };
        instant(day, self.dice.seconds_near(hour))
    }

    pub(super) fn view(&mut self, time: i64, product: usize, source: usize) {
        self.product_event(time, EventType::View, product, source);
    }

    pub(super) fn product_event(
        &mut self,
        time: i64,
        kind: EventType,
        product: usize,
        source: usize,
    ) {
        let category = Some(self.world.products[product].category);
        self.event(Event {
            time,
            kind,
            product: Some(product),
            category,
            source,
        });
    }

    pub(super) fn event(&mut self, event: Event) {
        if event.time < END {
            self.life.events.push(event);
        }
    }
}
