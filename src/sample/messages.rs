//! Messages: what is sent, what comes of it, and what too many of them do.
//!
//! E-mail is frequent and answered by few, text messages are rare and stronger. Each message adds
//! to a pressure that fades; under pressure people open less and opt out more.

use super::clock::{END, SECOND, Weekday, instant, week};
use super::life::{Campaign, Channel, Consent, Contact, Life, Motive, Person};
use super::random::Dice;
use super::visitor::Walk;
use super::world;

/// What to expect of a message by a channel.
struct Response {
    open: f64,
    click: f64,
    respond: f64,
    /// How strongly pressure tires.
    fatigue: f64,
    /// The chance of an opt-out of somebody who had no other message.
    opt_out: f64,
}

const EMAIL: Response = Response {
    open: 0.48,
    click: 0.14,
    respond: 0.26,
    fatigue: 0.22,
    opt_out: 0.0015,
};
const SMS: Response = Response {
    open: 0.85,
    click: 0.11,
    respond: 0.40,
    fatigue: 0.6,
    opt_out: 0.010,
};

/// The daily chance of an opt-out for no visible reason.
const REVOKED_PER_DAY: f64 = 0.0002;

impl Walk<'_> {
    /// The messages of one day, after what was revoked in the night.
    pub(super) fn messages(&mut self, day: u32) {
        if self.email && self.dice.chance(REVOKED_PER_DAY) {
            self.revoke_at_night(Channel::Email, day);
        }
        if self.sms && self.dice.chance(REVOKED_PER_DAY) {
            self.revoke_at_night(Channel::Sms, day);
        }
        let (campaign, wanted, rate) = match Weekday::of(day) {
            Weekday::Tuesday => (Campaign::Newsletter, self.email, self.cadence.newsletter),
            Weekday::Thursday => (Campaign::Offer, self.email, self.cadence.offer),
            Weekday::Saturday => (Campaign::Weekend, self.email, self.cadence.weekend),
            Weekday::Wednesday if week(day).is_multiple_of(2) => {
                (Campaign::Text, self.sms, self.cadence.text)
            }
            _ => return,
        };
        if wanted && self.dice.chance(rate) {
            self.send(campaign, day);
        }
    }

    fn send(&mut self, campaign: Campaign, day: u32) {
        let channel = campaign.channel();
        let (response, pressure) = match channel {
            Channel::Email => (EMAIL, &mut self.pressure[0]),
            Channel::Sms => (SMS, &mut self.pressure[1]),
        };
        let before = *pressure;
        *pressure += 1.0;
        let hour = [8, 12, 18, 20][self.dice.below(4) as usize];
        let sent_at = instant(day, i64::from(hour * 3600 + self.dice.below(1800)));
        let mut contact = Contact {
            campaign,
            week: week(day),
            sent_at,
            opened_at: None,
            clicked_at: None,
            responded_at: None,
        };
        let alert = 1.0 / (1.0 + response.fatigue * before);
        if self
            .dice
            .chance(response.open * alert * self.suits(day, hour))
        {
            let delay = 60 + self.dice.below(600) * self.dice.below(120);
            contact.opened_at = before_end(sent_at + i64::from(delay) * SECOND);
        }
        if let Some(opened_at) = contact.opened_at
            && self.dice.chance(response.click)
        {
            contact.clicked_at =
                before_end(opened_at + i64::from(5 + self.dice.below(60)) * SECOND);
        }
        if let Some(clicked_at) = contact.clicked_at {
            self.follow(&mut contact, clicked_at, &response);
        }
        self.life.contacts.push(contact);
        if self
            .dice
            .chance(response.opt_out * (1.0 + before + 0.5 * before * before))
        {
            let delay = i64::from(60 + self.dice.below(36_000));
            self.revoke(channel, sent_at + delay * SECOND);
        }
    }

    /// A click brings a visit, perhaps an answer, and some answers are orders.
    fn follow(&mut self, contact: &mut Contact, clicked_at: i64, response: &Response) {
        let source = match contact.campaign.channel() {
            Channel::Email => world::EMAIL,
            Channel::Sms => world::DIRECT,
        };
        self.look(clicked_at, source);
        if self
            .dice
            .chance(response.respond * (0.4 + 0.6 * self.traits.fit))
        {
            let delay = i64::from(120 + self.dice.below(1800));
            contact.responded_at = before_end(clicked_at + delay * SECOND);
            if let Some(responded_at) = contact.responded_at
                && self.dice.chance(0.4)
            {
                self.order(responded_at, source, Motive::Message);
            }
        }
    }

    fn revoke_at_night(&mut self, channel: Channel, day: u32) {
        let seconds = i64::from(2 * 3600 + self.dice.below(4 * 3600));
        self.revoke(channel, instant(day, seconds));
    }

    fn revoke(&mut self, channel: Channel, time: i64) {
        match channel {
            Channel::Email => self.email = false,
            Channel::Sms => self.sms = false,
        }
        if time < END {
            self.life.consents.push(Consent {
                channel,
                opt_in: false,
                time,
            });
        }
    }
}

/// A person from an old list: an address, rarely a consent, never a visit.
pub(super) fn import(mut dice: Dice, life: &mut Life) {
    life.clear();
    // Lists of the last four years, loaded on the first day of a month or so.
    let age_in_days = 31 * i64::from(1 + dice.below(48));
    let created_at = instant(0, 6 * 3600) - age_in_days * super::clock::DAY;
    let sex = dice.below(2) as usize;
    let age = dice.pick(&world::AGE_MIX);
    let phone = dice.chance(0.3);
    life.person = Some(Person {
        sex: dice.chance(0.7).then_some(sex),
        age: dice.chance(0.4).then_some(age),
        region: dice.pick(&world::REGION_MIX),
        source: world::AFFILIATE,
        created_at,
        referred_by: None,
        declared: None,
        email: true,
        phone,
    });
    if dice.chance(0.15) {
        let opt_in = dice.chance(0.7);
        life.consents.push(Consent {
            channel: Channel::Email,
            opt_in,
            time: created_at,
        });
    }
    life.segment = dice.pick(&world::SEGMENT_MIX[sex][age]);
}

/// The instant, unless the sample has ended by then.
fn before_end(time: i64) -> Option<i64> {
    (time < END).then_some(time)
}
