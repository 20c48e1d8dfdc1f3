//! The votes of the twins of one prospect after the other.

use super::{Bought, Offer, Options, Sizes};
use crate::common::sum::DoubleDouble;

#[derive(Clone, Copy)]
pub(super) struct Vote {
    sum: DoubleDouble,
    twins: u32,
}

const NO_VOTE: Vote = Vote {
    sum: DoubleDouble::NONE,
    twins: 0,
};

/// The means of one thread.
pub(super) struct Voting<'a> {
    bought: &'a Bought,
    sizes: &'a Sizes,
    options: &'a Options,
    /// By product; nobody's between two prospects.
    votes: Vec<Vote>,
    touched: Vec<u32>,
    /// By customer: the last turn in which he voted.
    voted: Vec<u32>,
    turn: u32,
    found: Vec<Offer>,
    pub(super) scored: u64,
}

impl<'a> Voting<'a> {
    pub(super) fn new(bought: &'a Bought, sizes: &'a Sizes, options: &'a Options) -> Self {
        Self {
            bought,
            sizes,
            options,
            votes: vec![NO_VOTE; sizes.product_ranks.len()],
            touched: Vec::new(),
            voted: vec![0; sizes.customers],
            turn: 0,
            found: Vec::new(),
            scored: 0,
        }
    }

    /// Appends the products for a prospect with these twins, best first; fails with a customer who stands there twice.
    pub(super) fn offers(
        &mut self,
        twins: &[(u32, f64)],
        offers: &mut Vec<Offer>,
    ) -> Result<(), u32> {
        self.turn = self.turn.wrapping_add(1);
        if self.turn == 0 {
            self.voted.fill(0);
            self.turn = 1;
        }
        let mut total = DoubleDouble::NONE;
        for &(customer, similarity) in twins {
            if std::mem::replace(&mut self.voted[customer as usize], self.turn) == self.turn {
                return Err(customer);
            }
            total.add(similarity);
            for &(product, weight) in self.bought.by(customer) {
                let vote = &mut self.votes[product as usize];
                if vote.twins == 0 {
                    self.touched.push(product);
                }
                vote.sum.add(similarity * weight);
                vote.twins += 1;
                self.scored += 1;
            }
        }
        let strength = self.options.prior_strength;
        let total = total.value().unwrap_or(0.0) + strength;
        self.found.clear();
        for product in self.touched.drain(..) {
            let vote = std::mem::replace(&mut self.votes[product as usize], NO_VOTE);
            // Nothing speaks for anything when neither twins nor the prior have weight.
            if vote.twins < self.options.min_twins || total <= 0.0 {
                continue;
            }
            let prior = self.bought.priors[product as usize];
            let score = (vote.sum.value().unwrap_or(0.0) + strength * prior) / total;
            self.found.push(Offer {
                product,
                score,
                lift: (prior > 0.0).then(|| score / prior),
                twins: vote.twins,
            });
        }
        let ranks = &self.sizes.product_ranks;
        let order = |a: &Offer, b: &Offer| {
            let ids = || ranks[a.product as usize].cmp(&ranks[b.product as usize]);
            b.score
                .total_cmp(&a.score)
                .then(b.twins.cmp(&a.twins))
                .then_with(ids)
        };
        let k = self.options.k;
        if self.found.len() > k {
            self.found.select_nth_unstable_by(k, order);
            self.found.truncate(k);
        }
        self.found.sort_unstable_by(order);
        offers.extend_from_slice(&self.found);
        Ok(())
    }
}
