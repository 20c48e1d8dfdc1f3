//! Candidates on disk, for what exceeds the memory limit.
//!
//! They are written as they come, sorted by person (DataFusion's sort spills in its turn) and written again share by
//! share in the order of the kernel, which then reads them as often as it needs.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, BooleanBufferBuilder, Float64Array, Int64Array,
    RecordBatch, UInt32Array,
};
use arrow::compute::{SortOptions, concat, concat_batches, partition, take, take_record_batch};
use arrow::datatypes::{DataType, Field, Float64Type, Int64Type, Schema, SchemaRef, UInt32Type};
use datafusion_common::Result;
use datafusion_physical_expr::expressions::Column;
use datafusion_physical_expr::{LexOrdering, PhysicalSortExpr};
use datafusion_physical_plan::spill::get_record_batch_memory_size;

use super::candidates::Candidates;
use super::columns::Batch;
use super::kernel::market::Market;
use super::kernel::{Choice, NONE, Plan, SHARE, Share, Shares};
use crate::relation::ids::Ids;
use crate::relation::spool::{Batches, Spool, Spooled};
use crate::relation::work::{Halt, Held, Work, hold};

/// Bytes that putting a person in order usually takes.
const USUAL: usize = 512;

/// The place of the values as they were, when they are decimals.
pub(super) const EXACT: usize = 4;

/// Person, code of the channel, micro-euros, value and, when it is a decimal, the value as it was.
pub(super) fn schema(input: &Schema) -> SchemaRef {
    let mut fields = vec![
        Field::new("person_id", input.field(0).data_type().clone(), false),
        Field::new("channel", DataType::UInt32, false),
        Field::new("cost", DataType::Int64, false),
        Field::new("value", DataType::Float64, false),
    ];
    let exact = input.field(3).data_type();
    if matches!(exact, DataType::Decimal128(_, _)) {
        fields.push(Field::new("exact", exact.clone(), true));
    }
    Arc::new(Schema::new(fields))
}

/// A batch of [`schema`].
pub(super) fn rows(
    schema: &SchemaRef,
    persons: ArrayRef,
    choices: impl Iterator<Item = Choice> + Clone,
    exact: Option<ArrayRef>,
) -> Result<RecordBatch> {
    let channels = choices.clone().map(|choice| choice.channel);
    let costs = choices.clone().map(|choice| choice.cost);
    let values = choices.map(|choice| choice.value);
    let mut columns: Vec<ArrayRef> = vec![
        persons,
        Arc::new(UInt32Array::from_iter_values(channels)),
        Arc::new(Int64Array::from_iter_values(costs)),
        Arc::new(Float64Array::from_iter_values(values)),
    ];
    columns.extend(exact);
    Ok(RecordBatch::try_new(Arc::clone(schema), columns)?)
}

/// The candidates of a batch that came.
pub(super) fn rows_of(batch: &Batch<'_>, schema: &SchemaRef) -> Result<RecordBatch> {
    let mut choices = Vec::with_capacity(batch.len());
    batch.each(|row, cost, value| {
        choices.push(Choice {
            cost,
            value,
            channel: batch.channels[row],
            row: row as u32,
        });
    })?;
    let kept = UInt32Array::from_iter_values(choices.iter().map(|choice| choice.row));
    let exact = batch.exact().map(|exact| take(exact, &kept, None));
    rows(
        schema,
        take(batch.persons, &kept, None)?,
        choices.iter().copied(),
        exact.transpose()?,
    )
}

/// All candidates by person; see the module.
pub(crate) struct Shelf {
    /// A batch a share: the columns of [`schema`], and whether the row is the last one of its person.
    shares: Spooled,
    persons: usize,
    choices: usize,
}

impl Shelf {
    /// Sorts candidates.
    pub(super) fn new(
        unsorted: &Spooled,
        candidates: &Candidates,
        work: &Work,
    ) -> Result<Self, Halt> {
        let schema = unsorted.schema();
        let fields = schema.fields().iter().map(Arc::clone);
        let last = Arc::new(Field::new("last", DataType::Boolean, false));
        let fields: Vec<_> = fields.chain([last]).collect();
        let mut making = Making {
            candidates,
            ranks: candidates.channels.ranks(),
            work,
            spool: work.spool(Arc::new(Schema::new(fields)))?,
            choices: 0,
            // Before the sort takes it.
            held: Some(work.reserve(SHARE * USUAL)?),
            share: Vec::new(),
            bytes: 0,
        };
        let mut before: Option<ArrayRef> = None;
        // Persons in all, in the share, and rows of the person.
        let (mut all, mut persons, mut own) = (0, 0, 0);
        for batch in unsorted.sorted(order(schema, [(0, SortOptions::default())]))? {
            work.check()?;
            let batch = batch?;
            let ids = batch.column(0);
            let next = ids.slice(0, 1);
            let goes_on = match before {
                Some(id) => partition(&[concat(&[&id, &next])?])?.len() == 1,
                None => false,
            };
            let mut begin = 0;
            for range in partition(&[Arc::clone(ids)])?.ranges() {
                if range.start > 0 || !goes_on {
                    if persons == SHARE {
                        making.take(&batch, begin..range.start)?;
                        making.put()?;
                        (begin, persons) = (range.start, 0);
                    }
                    (persons, all, own) = (persons + 1, all + 1, 0);
                }
                own += range.len();
                if own > making.ranks.len() {
                    // There are not so many channels: this finds two for one.
                    making.take(&batch, begin..range.end)?;
                    making.put()?;
                }
            }
            before = Some(ids.slice(ids.len() - 1, 1));
            making.take(&batch, begin..batch.num_rows())?;
        }
        if persons > 0 {
            making.put()?;
        }
        Ok(Self {
            shares: making.spool.finish()?,
            persons: all,
            choices: making.choices,
        })
    }

    /// The contacts of a plan, when they are `ranked` best last euro first: the columns of [`schema`], the efficiency,
    /// NULL when free, and the place of the person.
    pub(super) fn contacts(
        &self,
        plan: &Plan,
        quotas: &[Option<u64>],
        ranked: bool,
        work: &Work,
    ) -> Result<Batches, Halt> {
        let mut fields = self.shares.schema().fields().to_vec();
        fields.pop();
        let efficiency = fields.len();
        fields.push(Arc::new(Field::new("efficiency", DataType::Float64, true)));
        fields.push(Arc::new(Field::new("place", DataType::UInt32, false)));
        let schema = Arc::new(Schema::new(fields));
        let mut spool = work.spool(Arc::clone(&schema))?;
        self.each(work, |share, batch| {
            let taken = &plan.taken[share.first..][..share.ends.len()];
            let persons = share.persons().zip(taken).zip(share.first as u32..);
            let persons = persons.filter(|&((_, &at), _)| at != NONE);
            let efficiencies = persons.clone().map(|((own, &at), _)| {
                let euros = own.efficiency(at, quotas);
                euros.is_finite().then_some(euros)
            });
            let rows = persons.clone().map(|((_, &at), _)| at - share.begin);
            let rows = UInt32Array::from_iter_values(rows);
            let mut columns = take_record_batch(batch, &rows)?.columns()[..efficiency].to_vec();
            columns.push(Arc::new(efficiencies.collect::<Float64Array>()));
            let places = persons.map(|(_, place)| place);
            columns.push(Arc::new(UInt32Array::from_iter_values(places)));
            spool.append(&RecordBatch::try_new(Arc::clone(&schema), columns)?)?;
            Ok(())
        })?;
        let best = SortOptions {
            descending: true,
            nulls_first: true,
        };
        let places = (efficiency + 1, SortOptions::default());
        let order = order(&schema, [(efficiency, best), places]);
        let contacts = spool.finish()?;
        Ok(if ranked {
            contacts.sorted(order)?
        } else {
            contacts.batches()?
        })
    }

    /// Reads all shares.
    fn each(
        &self,
        work: &Work,
        mut each: impl FnMut(&Share<'_>, &RecordBatch) -> Result<(), Halt>,
    ) -> Result<(), Halt> {
        let (mut first, mut begin) = (0, 0);
        for batch in self.shares.batches()? {
            let batch = batch?;
            work.check()?;
            let bytes =
                get_record_batch_memory_size(&batch) + batch.num_rows() * size_of::<Choice>();
            let _held = work.reserve(bytes)?;
            let choices = choices_of(&batch);
            let last = batch.column(batch.num_columns() - 1).as_boolean().values();
            let ends = last.set_indices().map(|row| begin + row as u32 + 1);
            let ends: Vec<u32> = ends.collect();
            let share = Share {
                first,
                begin,
                choices: &choices,
                ends: &ends,
            };
            each(&share, &batch)?;
            first += ends.len();
            begin += choices.len() as u32;
        }
        Ok(())
    }
}

impl Shares for Shelf {
    fn persons(&self) -> usize {
        self.persons
    }

    fn choices(&self) -> usize {
        self.choices
    }

    fn pass<S: Send>(
        &self,
        work: &Work,
        start: impl Fn() -> S + Sync,
        each: impl Fn(&mut S, &Share<'_>) -> Result<(), Halt> + Sync,
    ) -> Result<Vec<S>, Halt> {
        let mut state = start();
        self.each(work, |share, _| each(&mut state, share))?;
        Ok(vec![state])
    }
}

/// A shelf in the making.
struct Making<'a> {
    candidates: &'a Candidates,
    /// The order of the channels.
    ranks: Vec<u32>,
    work: &'a Work,
    spool: Spool,
    choices: usize,
    /// The rows of the share that is collected, and what they take.
    share: Vec<RecordBatch>,
    bytes: usize,
    held: Option<Held>,
}

impl Making<'_> {
    /// Takes rows for the share.
    fn take(&mut self, batch: &RecordBatch, rows: Range<usize>) -> Result<(), Halt> {
        let (count, of) = (rows.len(), batch.num_rows().max(1));
        // These, joined, and again in order; codes and choices.
        let bytes = 3 * (get_record_batch_memory_size(batch) / of + 1);
        self.bytes += count * (bytes + 8 + 2 * size_of::<Choice>());
        hold(&mut self.held, self.bytes, self.work)?;
        self.share.push(batch.slice(rows.start, count));
        Ok(())
    }

    /// Writes the share, whose candidates are in the order of their persons.
    fn put(&mut self) -> Result<(), Halt> {
        self.bytes = 0;
        let share = std::mem::take(&mut self.share);
        let batch = concat_batches(share[0].schema_ref(), &share)?;
        let rows = batch.num_rows();
        let mut person = Vec::with_capacity(rows);
        let ids = partition(&[Arc::clone(batch.column(0))])?.ranges();
        for (range, code) in ids.iter().zip(0..) {
            person.resize(range.end, code);
        }
        let persons: Vec<u32> = (0..ids.len() as u32).collect();
        let mut choices = choices_of(&batch);
        let taken = (&mut choices, &mut None);
        let market = Market::new(&person, taken, &persons, &self.ranks, self.work)?;
        let market = market.map_err(|(person, channel)| {
            let row = ids[person as usize].start;
            let mut ids = Ids::new(batch.column(0).data_type());
            let shown = ids.encode(&batch.column(0).slice(row, 1), &mut Vec::new());
            shown.map_or_else(Halt::from, |()| {
                self.candidates.twice(&ids.show(0), channel)
            })
        })?;
        let (choices, ends) = market.parts();
        let order = UInt32Array::from_iter_values(choices.iter().map(|choice| choice.row));
        let mut columns = take_record_batch(&batch, &order)?.columns().to_vec();
        let mut last = BooleanBufferBuilder::new(rows);
        last.append_n(rows, false);
        for &end in ends {
            last.set_bit(end as usize - 1, true);
        }
        columns.push(Arc::new(BooleanArray::new(last.finish(), None)));
        let schema = Arc::clone(self.spool.schema());
        self.spool.append(&RecordBatch::try_new(schema, columns)?)?;
        self.choices += rows;
        Ok(())
    }
}

fn choices_of(batch: &RecordBatch) -> Vec<Choice> {
    let channels = batch.column(1).as_primitive::<UInt32Type>().values();
    let costs = batch.column(2).as_primitive::<Int64Type>().values();
    let values = batch.column(3).as_primitive::<Float64Type>().values();
    let rows = channels.iter().zip(costs).zip(values).zip(0..);
    let choices = rows.map(|(((&channel, &cost), &value), row)| Choice {
        cost,
        value,
        channel,
        row,
    });
    choices.collect()
}

fn order<const N: usize>(schema: &Schema, keys: [(usize, SortOptions); N]) -> LexOrdering {
    let keys = keys.map(|(column, options)| PhysicalSortExpr {
        expr: Arc::new(Column::new(schema.field(column).name(), column)),
        options,
    });
    LexOrdering::from(keys)
}
