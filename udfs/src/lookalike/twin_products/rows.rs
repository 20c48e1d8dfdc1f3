//! Offers as rows of the output.

use std::sync::Arc;

use arrow::array::{Float64Array, Int64Array};
use datafusion_common::Result;

use super::kernel::Offer;
use crate::relation::exec::Output;
use crate::relation::ids::Ids;

/// Rows that are not sent yet.
#[derive(Default)]
pub(super) struct Rows {
    prospects: Vec<u32>,
    offers: Vec<Offer>,
    ranks: Vec<i64>,
}

impl Rows {
    pub(super) fn len(&self) -> usize {
        self.offers.len()
    }

    pub(super) fn add(&mut self, prospect: u32, offers: &[Offer]) {
        self.prospects.extend(offers.iter().map(|_| prospect));
        self.offers.extend_from_slice(offers);
        self.ranks.extend(1..=offers.len() as i64);
    }

    pub(super) fn send(
        &mut self,
        prospects: &Ids,
        products: &Ids,
        output: &mut Output,
    ) -> Result<()> {
        let size = output.batch_size();
        for start in (0..self.offers.len()).step_by(size) {
            let rows = start..self.offers.len().min(start + size);
            let offers = &self.offers[rows.clone()];
            let of_offers: Vec<u32> = offers.iter().map(|offer| offer.product).collect();
            let scores = offers.iter().map(|offer| offer.score);
            let lifts = offers.iter().map(|offer| offer.lift);
            let twins = offers.iter().map(|offer| i64::from(offer.twins));
            output.send(&[
                prospects.decode(&self.prospects[rows.clone()])?,
                products.decode(&of_offers)?,
                Arc::new(Float64Array::from_iter_values(scores)),
                Arc::new(lifts.collect::<Float64Array>()),
                Arc::new(Int64Array::from_iter_values(twins)),
                Arc::new(Int64Array::from(self.ranks[rows].to_vec())),
            ])?;
        }
        *self = Self::default();
        Ok(())
    }
}
