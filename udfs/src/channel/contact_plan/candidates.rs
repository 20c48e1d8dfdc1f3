//! The candidates of a plan: who can be contacted how, at what cost, for what value.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Schema, SchemaRef};
use datafusion_common::{DataFusionError, Result, exec_err, internal_err, plan_err};

use super::columns::Batch;
use super::kernel::market::Market;
use super::rows::Rows;
use super::shelf::{self, Shelf};
use crate::common::kinds::{Kind, plain};
use crate::relation::ids::{Ids, NO_CODE};
use crate::relation::inputs::{Column, Columns, Input, Picked, by_name};
use crate::relation::options::Options;
use crate::relation::spool::Spool;
use crate::relation::work::{Halt, Held, Work, hold};

pub(crate) static INPUTS: [Input; 1] = [Input {
    name: "candidates",
    columns: Columns::Named(&COLUMNS),
}];

static COLUMNS: [Column; 6] = [
    Column::new("person_id", Kind::Id),
    Column::new("channel", Kind::Text),
    Column::new("cost", Kind::Money),
    Column::new("value", Kind::Money),
    Column::optional("consented", Kind::Label),
    Column::optional("allowed", Kind::Label),
];

/// The largest DECIMAL(18,6), in micro-euros.
pub(super) const LARGEST: i128 = 999_999_999_999_999_999;

/// The columns that are read; a decimal `value` keeps its type.
pub(crate) fn columns(function: &str, schema: &Schema) -> Result<Vec<Picked>> {
    let mut picked = by_name(function, "candidates", &COLUMNS, schema)?;
    for column in picked.iter_mut().filter(|column| column.name == "value") {
        let given = plain(schema.field(column.index).data_type());
        if matches!(given, DataType::Decimal128(_, _)) {
            column.data_type = given.clone();
        }
    }
    Ok(picked)
}

/// Checks an amount that is an option.
pub(crate) fn check_amount(function: &str, option: &str, micros: i128) -> Result<()> {
    if micros > LARGEST {
        return plan_err!(
            "{function}: argument '{option}' must be at most 999999999999.999999 euros"
        );
    }
    Ok(())
}

/// An error of the disk, with the name of the function.
pub(super) fn named(error: DataFusionError, function: &str) -> DataFusionError {
    Halt::from(error).into_error(function)
}

/// The candidates as they come in: in memory while there is some, on disk from then on.
pub(crate) struct Candidates {
    pub(super) function: &'static str,
    pub(super) schema: SchemaRef,
    pub(crate) channels: Ids,
    held_channels: Option<Held>,
    quota: Vec<(String, u64)>,
    /// How many rows have come.
    count: usize,
    stock: Stock,
}

enum Stock {
    Memory(Rows),
    Disk(Spool),
    /// Handed out.
    Nowhere,
}

impl Candidates {
    pub(crate) fn new(function: &'static str, schema: &SchemaRef, options: &Options) -> Self {
        Self {
            function,
            channels: Ids::new(schema.field(1).data_type()),
            held_channels: None,
            quota: options.quota("quota").unwrap_or_default(),
            count: 0,
            stock: Stock::Memory(Rows::new(schema.field(0).data_type())),
            schema: Arc::clone(schema),
        }
    }

    pub(crate) fn push(&mut self, batch: &RecordBatch, work: &Work) -> Result<()> {
        self.count += batch.num_rows();
        if self.count >= NO_CODE as usize {
            return exec_err!("{}: more than 4 billion candidates", self.function);
        }
        if let Err(halt) = self.hold_channels(batch, work) {
            self.rows_to_disk(halt, work)?;
            let held = self.hold_channels(batch, work);
            held.map_err(|halt| halt.into_error(self.function))?;
        }
        let batch = Batch::new(self.function, &self.schema, batch, &mut self.channels)?;
        if let Stock::Memory(rows) = &mut self.stock {
            match rows.hold(batch.len(), work) {
                Ok(()) => return rows.push(&batch),
                Err(halt) => self.rows_to_disk(halt, work)?,
            }
        }
        if let Stock::Disk(spool) = &mut self.stock {
            let rows = shelf::rows_of(&batch, spool.schema())?;
            spool
                .append(&rows)
                .map_err(|error| named(error, self.function))?;
        }
        Ok(())
    }

    /// The channels are never on disk.
    fn hold_channels(&mut self, batch: &RecordBatch, work: &Work) -> Result<(), Halt> {
        let bytes = self.channels.bytes_with(batch.num_rows());
        hold(&mut self.held_channels, bytes, work)
    }

    /// Moves what has come to disk, when it is memory that did not suffice.
    fn rows_to_disk(&mut self, halt: Halt, work: &Work) -> Result<()> {
        match std::mem::replace(&mut self.stock, Stock::Nowhere) {
            Stock::Memory(rows) => self.move_to_disk(rows, halt, work),
            stock => {
                self.stock = stock;
                Err(halt.into_error(self.function))
            }
        }
    }

    /// All candidates by person, in memory; without them when they are on disk.
    pub(crate) fn market(&mut self, work: &Work) -> Result<Option<(Market, Rows)>> {
        let stock = std::mem::replace(&mut self.stock, Stock::Nowhere);
        let mut rows = match stock {
            Stock::Memory(rows) => rows,
            other => {
                self.stock = other;
                return Ok(None);
            }
        };
        match rows.market(&self.channels.ranks(), work) {
            Ok(Ok(market)) => Ok(Some((market, rows))),
            Ok(Err((person, channel))) => {
                let halt = self.twice(&rows.show(person), channel);
                Err(halt.into_error(self.function))
            }
            Err(halt) => {
                self.move_to_disk(rows, halt, work)?;
                Ok(None)
            }
        }
    }

    /// Moves candidates to disk, when it is memory that did not suffice.
    pub(crate) fn move_to_disk(&mut self, rows: Rows, halt: Halt, work: &Work) -> Result<()> {
        let Halt::Memory(_) = halt else {
            return Err(halt.into_error(self.function));
        };
        let spool = work.spool(shelf::schema(&self.schema));
        let spool = spool.and_then(|mut spool| rows.write(&mut spool, work).map(|()| spool));
        self.stock = Stock::Disk(spool.map_err(|halt| halt.into_error(self.function))?);
        Ok(())
    }

    /// All candidates by person, on disk.
    pub(crate) fn shelf(&mut self, work: &Work) -> Result<Shelf> {
        let Stock::Disk(spool) = std::mem::replace(&mut self.stock, Stock::Nowhere) else {
            return internal_err!("{}: the candidates are not on disk", self.function);
        };
        let spooled = spool.finish().map_err(Halt::from);
        let shelf = spooled.and_then(|spooled| Shelf::new(&spooled, self, work));
        shelf.map_err(|halt| halt.into_error(self.function))
    }

    /// The type of the values.
    pub(super) fn value(&self) -> &DataType {
        self.schema.field(3).data_type()
    }

    /// Two rows of one person and channel.
    pub(super) fn twice(&self, person: &str, channel: u32) -> Halt {
        Halt::Invalid(format!(
            "'candidates' must have one row a person and channel, got two for {person} and {}; \
             hint: GROUP BY person_id, channel",
            self.channels.show(channel)
        ))
    }

    /// The limit of each channel.
    pub(crate) fn quotas(&self) -> Result<Vec<Option<u64>>> {
        let codes: Vec<u32> = (0..self.channels.len() as u32).collect();
        let mut quotas = vec![None; codes.len()];
        for (channel, quota) in &self.quota {
            let shown = format!("'{channel}'");
            let code = codes.iter().find(|&&c| self.channels.show(c) == shown);
            match code {
                Some(&code) => quotas[code as usize] = Some(*quota),
                // Nobody can be contacted at all: no quota can be wrong.
                None if codes.is_empty() => {}
                None => {
                    let mut known: Vec<_> = codes.iter().map(|&c| self.channels.show(c)).collect();
                    known.sort_unstable();
                    return exec_err!(
                        "{}: argument 'quota' must name channels of the candidates ({}), got {shown}",
                        self.function,
                        known.join(", ")
                    );
                }
            }
        }
        Ok(quotas)
    }
}
