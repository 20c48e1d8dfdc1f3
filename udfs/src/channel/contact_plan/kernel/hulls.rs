//! The steps up the hull of a person.

use super::{NONE, Own, usable};

/// A step up the hull of a person.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Step {
    /// Gain for a micro-euro, never negative.
    pub(super) slope: f64,
    /// Micro-euros.
    pub(super) cost: i64,
    pub(super) gain: f64,
    /// The place of the choice that it leads to.
    pub(super) to: u32,
    /// The channel that it leads to.
    pub(super) channel: u32,
    /// The channel that it leaves, [`NONE`] for none.
    pub(super) left: u32,
}

impl Step {
    /// See [`key`].
    pub(super) fn key(&self) -> u128 {
        key(self.slope, self.to)
    }
}

/// The order in which the relaxation takes steps: the best gain per euro first, ties by the places of their choices.
/// The steps of a person have falling slopes.
pub(super) fn key(slope: f64, to: u32) -> u128 {
    // Numbers that are not negative are in the order of their bits.
    let steepness = slope.to_bits() & (u64::MAX >> 1);
    (u128::from((u64::MAX >> 1) - steepness) << 32) | u128::from(to)
}

/// The hull of a person, from the cheapest choice to the most valuable.
#[derive(Default)]
pub(super) struct Hull(Vec<Corner>);

/// A choice on the hull.
#[derive(Debug, Clone, Copy)]
pub(super) struct Corner {
    pub(super) cost: i64,
    /// Without the price of the channel.
    pub(super) value: f64,
    pub(super) place: u32,
    pub(super) channel: u32,
    /// Of the step that leads to it.
    slope: f64,
}

/// To contact nobody.
pub(super) const BOTTOM: Corner = Corner {
    cost: 0,
    value: 0.0,
    place: NONE,
    channel: NONE,
    slope: f64::INFINITY,
};

impl Corner {
    /// That of the step that leads to it.
    pub(super) fn key(&self) -> u128 {
        key(self.slope, self.place)
    }

    /// The step that leads to it from the one below.
    pub(super) fn step(&self, below: &Self) -> Step {
        Step {
            slope: self.slope,
            cost: self.cost - below.cost,
            gain: self.value - below.value,
            to: self.place,
            channel: self.channel,
            left: below.channel,
        }
    }
}

impl Hull {
    /// Finds the hull, once each contact by a channel costs its price in value, too.
    pub(super) fn find(&mut self, own: &Own<'_>, prices: &[f64], quotas: &[Option<u64>]) -> &Self {
        self.0.clear();
        let mut top = BOTTOM;
        for (place, choice) in own.placed() {
            let value = choice.value - prices[choice.channel as usize];
            if value <= top.value || !usable(choice, quotas) {
                continue;
            }
            let slope = loop {
                let slope = (value - top.value) / (choice.cost - top.cost) as f64;
                let under = top.cost == choice.cost || slope >= top.slope;
                if !under || self.0.pop().is_none() {
                    break slope;
                }
                top = self.0.last().copied().unwrap_or(BOTTOM);
            };
            top = Corner {
                cost: choice.cost,
                value,
                place,
                channel: choice.channel,
                slope,
            };
            self.0.push(top);
        }
        self
    }

    /// The corners from the bottom to the top.
    pub(super) fn corners(&self) -> &[Corner] {
        &self.0
    }

    /// The steps to them.
    pub(super) fn steps(&self) -> impl Iterator<Item = Step> {
        let mut below = BOTTOM;
        let corners = self.0.iter();
        corners.map(move |corner| corner.step(&std::mem::replace(&mut below, *corner)))
    }
}
