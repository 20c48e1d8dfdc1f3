//! One visitor's life, a day at a time: sign-up and orders. `visits` and `messages` have the rest.

use super::clock::{DAYS, END, SECOND, Weekday, instant};
use super::life::{Channel, Consent, Event, EventType, Life, Motive, Order, Person};
use super::random::Dice;
use super::world::{self, SEGMENTS, World};

/// A person who may have sent a friend.
#[derive(Clone, Copy, Debug)]
pub(super) struct Referrer {
    pub(super) person_id: i64,
    pub(super) created_at: i64,
    pub(super) segment: usize,
}

/// What a visitor is, whether it is known or not.
pub(super) struct Traits {
    pub(super) segment: usize,
    pub(super) sex: usize,
    pub(super) age: usize,
    pub(super) source: usize,
    /// The readiness to buy: segment, demography, source and what no column tells.
    pub(super) fit: f64,
    /// The hour at which they look at a screen.
    pub(super) hour: u32,
    /// Whether they do so at the weekend.
    pub(super) weekend: bool,
}

/// How often somebody is written to: the marketer's habit, not the reader's.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cadence {
    pub(super) newsletter: f64,
    pub(super) offer: f64,
    pub(super) weekend: f64,
    pub(super) text: f64,
}

/// The walk through one life.
pub(super) struct Walk<'a> {
    pub(super) world: &'a World,
    pub(super) dice: Dice,
    pub(super) life: &'a mut Life,
    pub(super) traits: Traits,
    /// The category in mind.
    pub(super) intent: usize,
    pub(super) intent_day: u32,
    /// The decayed number of visits.
    pub(super) interest: f64,
    pub(super) next_visit: Option<u32>,
    /// The day of the sign-up; only later days bring messages and orders.
    pub(super) signup_day: Option<u32>,
    pub(super) email: bool,
    pub(super) sms: bool,
    pub(super) cadence: Cadence,
    /// The decayed numbers of e-mails and text messages.
    pub(super) pressure: [f64; 2],
}

/// Lives the life of one visitor. `find_referrer` knows who signed up before an instant.
pub(super) fn visit(
    world: &World,
    mut dice: Dice,
    find_referrer: impl FnOnce(i64, &mut Dice) -> Option<Referrer>,
    life: &mut Life,
) {
    life.clear();
    let first_day = dice.below(DAYS);
    let source = dice.pick(&world::SOURCE_MIX);
    let referrer = if source == world::REFERRAL && dice.chance(0.8) {
        find_referrer(instant(first_day, 0), &mut dice)
    } else {
        None
    };
    let traits = Traits::draw(source, referrer, &mut dice);
    life.segment = traits.segment;
    let intent = world::category(traits.segment, &mut dice);
    let is_bot = dice.chance(world::BOTS);
    let mut walk = Walk {
        world,
        dice,
        life,
        traits,
        intent,
        intent_day: first_day,
        interest: 0.0,
        next_visit: Some(first_day),
        signup_day: None,
        email: false,
        sms: false,
        cadence: Cadence::default(),
        pressure: [0.0; 2],
    };
    if is_bot {
        walk.crawl(first_day);
    } else {
        walk.live(first_day, referrer);
    }
    walk.life.sort();
}

impl Traits {
    fn draw(source: usize, referrer: Option<Referrer>, dice: &mut Dice) -> Self {
        let sex = usize::from(!dice.chance(world::WOMEN));
        let age = dice.pick(&world::AGE_MIX);
        // Friends are alike: half of them share the segment.
        let segment = match referrer {
            Some(referrer) if dice.chance(0.5) => referrer.segment.min(SEGMENTS - 1),
            _ => dice.pick(&world::SEGMENT_MIX[sex][age]),
        };
        let hidden = world::HIDDEN_FIT[dice.below(world::HIDDEN_FIT.len() as u32) as usize];
        let fit = hidden
            * world::SEGMENT_FIT[segment]
            * world::DEMOGRAPHIC_FIT[sex][age]
            * world::SOURCE_FIT[source];
        let hour = [8, 12, 18, 21][dice.pick(&[2.0, 2.5, 3.0, 3.5])];
        Self {
            segment,
            sex,
            age,
            source,
            fit,
            hour,
            weekend: dice.chance(0.4),
        }
    }
}

impl Walk<'_> {
    fn live(&mut self, first_day: u32, referrer: Option<Referrer>) {
        for day in first_day..DAYS {
            self.interest *= world::INTEREST_PER_DAY;
            self.pressure[0] *= world::PRESSURE_PER_DAY;
            self.pressure[1] *= world::PRESSURE_PER_DAY;
            if self.next_visit == Some(day) {
                self.session(day, day == first_day, referrer);
            }
            match self.signup_day {
                Some(signup) if day > signup => {
                    self.messages(day);
                    self.consider_order(day);
                }
                None if self.next_visit.is_none() => return,
                _ => {}
            }
        }
    }

    pub(super) fn sign_up(
        &mut self,
        day: u32,
        time: i64,
        source: usize,
        referrer: Option<Referrer>,
    ) {
        if time >= END {
            return;
        }
        let dice = &mut self.dice;
        let declared = dice.chance(0.6).then(|| {
            // One in four says what sounds good.
            if dice.chance(0.25) {
                dice.below(world::CATEGORIES.len() as u32) as usize
            } else {
                world::category(self.traits.segment, dice)
            }
        });
        let (email, phone) = (dice.chance(0.98), dice.chance(0.45));
        self.life.person = Some(Person {
            sex: dice.chance(0.88).then_some(self.traits.sex),
            age: dice.chance(0.85).then_some(self.traits.age),
            region: dice.pick(&world::REGION_MIX),
            source: self.traits.source,
            created_at: time,
            referred_by: referrer.map(|referrer| referrer.person_id),
            declared,
            email,
            phone,
        });
        let rate = [0.4, 0.8, 1.3][dice.below(3) as usize];
        self.cadence = Cadence {
            newsletter: 0.45 * rate,
            offer: 0.16 * rate,
            weekend: 0.12 * rate * rate,
            text: 0.16 * rate,
        };
        self.signup_day = Some(day);
        self.event(Event {
            time,
            kind: EventType::Signup,
            product: None,
            category: None,
            source,
        });
        if email {
            self.email = self.first_consent(Channel::Email, 0.61, 0.12, time);
        }
        if phone {
            self.sms = self.first_consent(Channel::Sms, 0.55, 0.2, time);
        }
    }

    /// Yes, no, or no answer, which is no consent either.
    fn first_consent(&mut self, channel: Channel, yes: f64, no: f64, time: i64) -> bool {
        let answer = self.dice.unit();
        if answer < yes + no {
            self.life.consents.push(Consent {
                channel,
                opt_in: answer < yes,
                time,
            });
        }
        answer < yes
    }

    fn consider_order(&mut self, day: u32) {
        let readiness =
            world::ORDER_PER_DAY * self.traits.fit * (world::IDLE_INTEREST + self.interest);
        #[cfg(test)]
        self.life
            .readiness
            .push((day, self.traits.fit, self.interest));
        let motive = if self.dice.chance(world::NOISE_ORDER_PER_DAY) {
            Motive::Noise
        } else if self.dice.chance(readiness) {
            Motive::Interest
        } else {
            return;
        };
        let time = self.moment(day);
        let source = self.dice.pick(&world::RETURN_MIX);
        if self.order(time, source, motive) && self.may_ask_for_sms() {
            self.sms = true;
            self.life.consents.push(Consent {
                channel: Channel::Sms,
                opt_in: true,
                time,
            });
        }
    }

    /// At the checkout some buyers agree to text messages, unless they have said no before.
    fn may_ask_for_sms(&mut self) -> bool {
        let has_phone = self.life.person.as_ref().is_some_and(|person| person.phone);
        let undecided = self
            .life
            .consents
            .iter()
            .all(|consent| consent.channel != Channel::Sms);
        has_phone && undecided && self.dice.chance(0.3)
    }

    /// Buys something, if the sample has not ended by then.
    pub(super) fn order(&mut self, time: i64, source: usize, motive: Motive) -> bool {
        if time >= END {
            return false;
        }
        let product = if motive == Motive::Noise {
            self.world.any_product(&mut self.dice)
        } else {
            let category = self.wanted_category();
            self.world
                .product(self.traits.segment, category, &mut self.dice)
        };
        if self.dice.chance(0.5) {
            self.view(time - 120 * SECOND, product, source);
        }
        self.product_event(time, EventType::Purchase, product, source);
        let quantity = i64::from(self.dice.tries(0.12, 5));
        self.life.orders.push(Order {
            time,
            product,
            quantity,
            motive,
        });
        // What is bought is no longer wanted.
        self.intent = world::category(self.traits.segment, &mut self.dice);
        true
    }

    /// How well a message at this time suits the habits of this person.
    pub(super) fn suits(&self, day: u32, hour: u32) -> f64 {
        let on_time = if self.traits.hour.abs_diff(hour) <= 2 {
            1.35
        } else {
            0.9
        };
        let on_day = if Weekday::of(day).is_weekend() == self.traits.weekend {
            1.15
        } else {
            0.9
        };
        on_time * on_day
    }
}
