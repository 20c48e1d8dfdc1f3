//! Dice: the only source of chance in the sample.
//!
//! One `ChaCha` stream a visitor, chosen by (seed, visitor), so that a life is the same whatever the
//! number of visitors. Only `+ - * /` are used on floats: they give the same bits on every machine,
//! which logarithms and powers do not promise.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// A stream of chance for one visitor.
pub(super) struct Dice(ChaCha8Rng);

impl Dice {
    /// The stream number `stream` of a seed.
    pub(super) fn new(seed: u64, stream: u64) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        let mut generator = ChaCha8Rng::from_seed(key);
        generator.set_stream(stream);
        Self(generator)
    }

    /// A number in [0, 1).
    pub(super) fn unit(&mut self) -> f64 {
        f64::from(self.0.next_u32()) / 4_294_967_296.0
    }

    /// True with this probability; below 0 is never, above 1 is always.
    pub(super) fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// An integer in `0..limit`; 0 for a limit of 0.
    pub(super) fn below(&mut self, limit: u32) -> u32 {
        ((u64::from(self.0.next_u32()) * u64::from(limit)) >> 32) as u32
    }

    /// An index, drawn in proportion to its weight.
    pub(super) fn pick(&mut self, weights: &[f64]) -> usize {
        let mut rest = self.unit() * weights.iter().sum::<f64>();
        for (index, weight) in weights.iter().enumerate() {
            if rest < *weight {
                return index;
            }
            rest -= weight;
        }
        weights.len().saturating_sub(1)
    }

    /// 1, 2, 3 …: the number of tries until one fails, each going on with probability `more`.
    pub(super) fn tries(&mut self, more: f64, most: u32) -> u32 {
        let mut count = 1;
        while count < most && self.chance(more) {
            count += 1;
        }
        count
    }

    /// Seconds around `hour`, within two hours of it, more often near than far.
    pub(super) fn seconds_near(&mut self, hour: u32) -> i64 {
        let offset = i64::from(self.below(7200)) + i64::from(self.below(7200)) - 7200;
        (i64::from(hour) * 3600 + offset).clamp(0, 86_399)
    }
}

#[cfg(test)]
mod tests {
    use super::Dice;

    #[test]
    fn streams_repeat_and_differ() {
        let draw = |seed, stream| {
            let mut dice = Dice::new(seed, stream);
            (0..8).map(|_| dice.below(1000)).collect::<Vec<_>>()
        };
        assert_eq!(draw(1, 7), draw(1, 7));
        assert_ne!(draw(1, 7), draw(1, 8));
        assert_ne!(draw(1, 7), draw(2, 7));
    }

    #[test]
    fn pick_follows_the_weights() {
        let mut dice = Dice::new(1, 1);
        let mut counts = [0; 3];
        for _ in 0..10_000 {
            counts[dice.pick(&[1.0, 0.0, 3.0])] += 1;
        }
        assert_eq!(counts[1], 0);
        assert!((2_300..2_700).contains(&counts[0]), "{counts:?}");
    }
}
