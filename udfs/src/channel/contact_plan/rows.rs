//! Candidates in memory, as they came.

use std::sync::Arc;

use arrow::array::{ArrayRef, Decimal128Array};
use arrow::datatypes::DataType;
use datafusion_common::Result;

use super::columns::Batch;
use super::kernel::Choice;
use super::kernel::market::Market;
use super::shelf;
use crate::relation::ids::Ids;
use crate::relation::spool::Spool;
use crate::relation::work::{Halt, Held, Work, bytes_with, hold};

/// Candidates that are written at once.
const CHUNK: usize = 1 << 13;

/// See the module.
pub(crate) struct Rows {
    persons: Ids,
    /// The code of the person of each.
    person: Vec<u32>,
    choices: Vec<Choice>,
    /// The values as they were, when they are decimals.
    exact: Vec<i128>,
    held: Option<Held>,
    held_choices: Option<Held>,
}

impl Rows {
    pub(super) fn new(persons: &DataType) -> Self {
        Self {
            persons: Ids::new(persons),
            person: Vec::new(),
            choices: Vec::new(),
            exact: Vec::new(),
            held: None,
            held_choices: None,
        }
    }

    /// Asks for the memory of so many more.
    pub(super) fn hold(&mut self, more: usize, work: &Work) -> Result<(), Halt> {
        let bytes = self.persons.bytes_with(more)
            + bytes_with(&self.person, more)
            + bytes_with(&self.exact, more);
        hold(&mut self.held, bytes, work)?;
        hold(
            &mut self.held_choices,
            bytes_with(&self.choices, more),
            work,
        )
    }

    pub(super) fn push(&mut self, batch: &Batch<'_>) -> Result<()> {
        let first = self.person.len();
        let mut persons = Vec::with_capacity(batch.len());
        self.persons.encode(batch.persons, &mut persons)?;
        if let Some(rows) = batch.whole() {
            let rows = rows.zip(&batch.channels).zip(first as u32..);
            let choices = rows.map(|(((cost, value), &channel), row)| Choice {
                cost,
                value,
                channel,
                row,
            });
            self.choices.extend(choices);
            self.person.append(&mut persons);
            return Ok(());
        }
        batch.each(|row, cost, value| {
            self.choices.push(Choice {
                cost,
                value,
                channel: batch.channels[row],
                row: self.person.len() as u32,
            });
            self.person.push(persons[row]);
            if let Some(exact) = batch.exact() {
                self.exact.push(exact.value(row));
            }
        })
    }

    /// Groups the candidates by person; of two for one person and channel gives the codes.
    pub(super) fn market(
        &mut self,
        channels: &[u32],
        work: &Work,
    ) -> Result<Result<Market, (u32, u32)>, Halt> {
        let _held = work.reserve(self.persons.len() * 8)?;
        let persons = self.persons.ranks();
        let choices = (&mut self.choices, &mut self.held_choices);
        Market::new(&self.person, choices, &persons, channels, work)
    }

    /// Takes the candidates back in.
    pub(crate) fn with(mut self, market: Market) -> Self {
        (self.choices, self.held_choices) = market.into_choices();
        self
    }

    /// One person as text, for error messages.
    pub(super) fn show(&self, person: u32) -> String {
        self.persons.show(person)
    }

    /// The persons of candidates.
    pub(crate) fn persons(&self, choices: &[Choice]) -> Result<ArrayRef> {
        let codes = choices
            .iter()
            .map(|choice| self.person[choice.row as usize]);
        self.persons.decode(&codes.collect::<Vec<_>>())
    }

    /// The values of candidates as they were, when they are decimals of this type.
    pub(super) fn exact(
        &self,
        choices: &[Choice],
        data_type: &DataType,
    ) -> Result<Option<ArrayRef>> {
        let &DataType::Decimal128(precision, scale) = data_type else {
            return Ok(None);
        };
        let values = choices.iter().map(|choice| self.exact[choice.row as usize]);
        let values = Decimal128Array::from_iter_values(values);
        let values = values.with_precision_and_scale(precision, scale)?;
        Ok(Some(Arc::new(values)))
    }

    /// Writes all to disk.
    pub(super) fn write(self, spool: &mut Spool, work: &Work) -> Result<(), Halt> {
        let schema = Arc::clone(spool.schema());
        for choices in self.choices.chunks(CHUNK) {
            work.check()?;
            let exact = schema.fields().get(shelf::EXACT);
            let exact = exact.map(|field| self.exact(choices, field.data_type()));
            let batch = shelf::rows(
                &schema,
                self.persons(choices)?,
                choices.iter().copied(),
                exact.transpose()?.flatten(),
            )?;
            spool.append(&batch)?;
        }
        Ok(())
    }
}
