//! The sort below `sessionize`: by a radix on the visitor, then each visitor's few events by time.
//!
//! A comparison sort of n rows needs n·log₂ n comparisons of two columns, and merges sorted runs; ids and times are
//! integers, and a visitor has few events. Here a row moves once per 11 bits of the span of the visitor ids, 8 bytes
//! each time, and once more when the columns are gathered. Beyond the memory limit the rows go to DataFusion's sort,
//! which spills.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions, UInt32Array, new_empty_array,
};
use arrow::buffer::NullBuffer;
use arrow::compute::{
    SortColumn, SortOptions, cast, concat, lexsort_to_indices, take_record_batch,
};
use arrow::datatypes::{DataType, Int64Type, SchemaRef};
use datafusion_common::tree_node::TreeNodeRecursion;
use datafusion_common::{Result, internal_err};
use datafusion_execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion_execution::{SendableRecordBatchStream, TaskContext};
use datafusion_physical_expr::{LexOrdering, PhysicalExpr, PhysicalSortExpr};
use datafusion_physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet};
use datafusion_physical_plan::sorts::sort::SortExec;
use datafusion_physical_plan::spill::get_record_batch_memory_size;
use datafusion_physical_plan::stream::RecordBatchStreamAdapter;
use datafusion_physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, PlanProperties,
};
use futures::stream::{self, StreamExt, TryStreamExt};

use crate::common::spilling_sort::sort_with_spills;
use crate::common::time::ticks;

/// Bytes of a partition beyond which text columns could not be joined into one; such a partition goes to the other sort.
const LARGEST: usize = 1 << 30;
/// Rows that are joined at once while they come: pieces of this size go back to the system when they are freed, where
/// thousands of small ones would linger in the allocator.
const PIECE: usize = 1 << 19;
/// Bits that one pass sorts by: 2,048 places to write to, whose ends stay in the first cache.
const DIGIT: u32 = 11;

/// Sorts each partition by integer and time columns, ascending, NULLs last.
#[derive(Debug)]
pub(super) struct RadixSortExec {
    input: Arc<dyn ExecutionPlan>,
    order: LexOrdering,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl RadixSortExec {
    /// In the place of a sort of whole partitions by such columns.
    pub(super) fn in_place_of(plan: &Arc<dyn ExecutionPlan>) -> Option<Self> {
        let sort = plan.downcast_ref::<SortExec>()?;
        let input = sort.input();
        let whole = sort.fetch().is_none()
            && plan.output_partitioning().partition_count()
                == input.output_partitioning().partition_count();
        let schema = input.schema();
        let fits = sort.expr().iter().all(|key| {
            let ascending = !key.options.descending && !key.options.nulls_first;
            let data_type = key.expr.data_type(&schema);
            ascending && data_type.is_ok_and(|data_type| is_integer_like(&data_type))
        });
        (whole && fits).then(|| Self {
            input: Arc::clone(input),
            order: sort.expr().clone(),
            properties: Arc::clone(plan.properties()),
            metrics: ExecutionPlanMetricsSet::new(),
        })
    }
}

fn is_integer_like(data_type: &DataType) -> bool {
    match data_type {
        DataType::UInt64 => false,
        DataType::Timestamp(_, _) | DataType::Date32 | DataType::Date64 => true,
        other => other.is_integer(),
    }
}

impl DisplayAs for RadixSortExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RadixSortExec: expr=[{}]", self.order)
    }
}

impl ExecutionPlan for RadixSortExec {
    fn name(&self) -> &'static str {
        "RadixSortExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        let mut next = TreeNodeRecursion::Continue;
        for key in &self.order {
            next = next.visit_sibling(|| f(&key.expr))?;
        }
        Ok(next)
    }

    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let (Some(input), true) = (children.pop(), children.is_empty()) else {
            return internal_err!("RadixSortExec has one input");
        };
        Ok(Arc::new(Self {
            input,
            order: self.order.clone(),
            properties: Arc::clone(&self.properties),
            metrics: ExecutionPlanMetricsSet::new(),
        }))
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let input = self.input.execute(partition, Arc::clone(&context))?;
        let reservation = MemoryConsumer::new(format!("RadixSort[{partition}]"))
            .with_can_spill(true)
            .register(context.memory_pool());
        let sorted = sort(
            input,
            self.order.clone(),
            context,
            reservation,
            BaselineMetrics::new(&self.metrics, partition),
        );
        let sorted = stream::once(sorted).try_flatten();
        Ok(Box::pin(RecordBatchStreamAdapter::new(
            self.schema(),
            sorted,
        )))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }
}

async fn sort(
    mut input: SendableRecordBatchStream,
    order: LexOrdering,
    context: Arc<TaskContext>,
    reservation: MemoryReservation,
    metrics: BaselineMetrics,
) -> Result<SendableRecordBatchStream> {
    let schema = input.schema();
    let mut pieces = Vec::new();
    let mut batches = Vec::new();
    let mut rows = 0;
    while let Some(batch) = input.next().await.transpose()? {
        // The batch, the copy of one of its columns, and 24 bytes a row for the order.
        let bytes = 2 * get_record_batch_memory_size(&batch) + 24 * batch.num_rows();
        rows += batch.num_rows();
        batches.push(batch);
        let fits = reservation.size() + bytes < 2 * LARGEST && reservation.try_grow(bytes).is_ok();
        if !fits {
            reservation.free();
            let begun = pieces.into_iter().chain(batches).map(Ok);
            let rows = Box::pin(RecordBatchStreamAdapter::new(
                schema,
                stream::iter(begun).chain(input),
            ));
            return sort_with_spills(rows, order, &context);
        }
        if rows >= PIECE {
            let _timer = metrics.elapsed_compute().timer();
            pieces.push(in_one_piece(&schema, std::mem::take(&mut batches))?);
            rows = 0;
        }
    }
    pieces.append(&mut batches);
    let (batch, rows) = {
        let _timer = metrics.elapsed_compute().timer();
        let batch = in_one_piece(&schema, pieces)?;
        let column =
            |key: &PhysicalSortExpr| key.expr.evaluate(&batch)?.into_array(batch.num_rows());
        let columns = order.iter().map(column).collect::<Result<Vec<_>>>()?;
        let rows = match order_of(&columns)? {
            Some(rows) => UInt32Array::from(rows),
            None => by_comparison(columns)?,
        };
        (batch, rows)
    };
    let size = context.session_config().batch_size();
    let chunks = (0..rows.len()).step_by(size);
    let sorted = stream::iter(chunks).map(move |start| {
        let _timer = metrics.elapsed_compute().timer();
        let _held = &reservation;
        let rows = rows.slice(start, size.min(rows.len() - start));
        Ok(take_record_batch(&batch, &rows)?)
    });
    Ok(Box::pin(RecordBatchStreamAdapter::new(schema, sorted)))
}

/// Joins batches column by column, so that only one column is held twice at a time.
fn in_one_piece(schema: &SchemaRef, batches: Vec<RecordBatch>) -> Result<RecordBatch> {
    let rows = batches.iter().map(RecordBatch::num_rows).sum();
    let mut columns = vec![Vec::with_capacity(batches.len()); schema.fields().len()];
    for batch in batches {
        for (pieces, piece) in columns.iter_mut().zip(batch.columns()) {
            pieces.push(Arc::clone(piece));
        }
    }
    let joined = columns
        .into_iter()
        .zip(schema.fields())
        .map(|(pieces, field)| {
            let pieces: Vec<&dyn Array> = pieces.iter().map(AsRef::as_ref).collect();
            if pieces.is_empty() {
                return Ok(new_empty_array(field.data_type()));
            }
            concat(&pieces)
        });
    let columns = joined.collect::<Result<Vec<_>, _>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(
        Arc::clone(schema),
        columns,
        &options,
    )?)
}

/// The rows in the order of the columns; `None` when the values of one span all 64 bits and leave no room for NULL.
fn order_of(columns: &[ArrayRef]) -> Result<Option<Vec<u32>>> {
    let Some((first, rest)) = columns.split_first() else {
        return Ok(Some(Vec::new()));
    };
    let Some(first) = Distances::of(first)? else {
        return Ok(None);
    };
    let keys = (0..first.values.len()).map(|row| first.get(row));
    // Ids mostly span less than 32 bits: half the bytes to move.
    if u32::try_from(first.largest).is_ok() {
        break_ties(radix_sort(keys.map(|key| key as u32), first.largest), rest)
    } else {
        break_ties(radix_sort(keys, first.largest), rest)
    }
}

/// Sorts the rows of equal keys by the other columns, and by their place last.
fn break_ties<K: Copy + PartialEq>(
    mut sorted: Vec<(K, u32)>,
    columns: &[ArrayRef],
) -> Result<Option<Vec<u32>>> {
    let keys = columns.iter().map(Distances::of);
    let Some(keys) = keys.collect::<Result<Option<Vec<_>>>>()? else {
        return Ok(None);
    };
    for same in sorted.chunk_by_mut(|a, b| a.0 == b.0) {
        match keys.as_slice() {
            _ if same.len() == 1 => {}
            [key] => same.sort_unstable_by_key(|&(_, row)| (key.get(row as usize), row)),
            keys => same.sort_by(|&(_, a), &(_, b)| {
                let mut orders = keys
                    .iter()
                    .map(|key| key.get(a as usize).cmp(&key.get(b as usize)));
                let different = orders.find(|order| order.is_ne());
                different.unwrap_or(Ordering::Equal)
            }),
        }
    }
    Ok(Some(sorted.into_iter().map(|(_, row)| row).collect()))
}

/// Keys with their rows, by the least significant digits first; each pass keeps the order of the one before.
fn radix_sort<K: Copy + Default + Into<u64>>(
    keys: impl Iterator<Item = K>,
    largest: u64,
) -> Vec<(K, u32)> {
    let mut rows: Vec<(K, u32)> = keys.zip(0..).collect();
    let mut sorted = vec![(K::default(), 0); rows.len()];
    let bits = u64::BITS - largest.leading_zeros();
    for shift in (0..bits).step_by(DIGIT as usize) {
        let digit = |key: K| (key.into() >> shift) as usize & ((1 << DIGIT) - 1);
        let mut starts = vec![0_usize; (1 << DIGIT) + 1];
        for &(key, _) in &rows {
            starts[digit(key) + 1] += 1;
        }
        for place in 1..starts.len() {
            starts[place] += starts[place - 1];
        }
        for &(key, row) in &rows {
            let place = &mut starts[digit(key)];
            sorted[*place] = (key, row);
            *place += 1;
        }
        std::mem::swap(&mut rows, &mut sorted);
    }
    rows
}

/// A column as integers from 0: how far each value lies above the smallest; NULL lies above all.
struct Distances<'a> {
    values: Cow<'a, [i64]>,
    nulls: Option<&'a NullBuffer>,
    smallest: i64,
    largest: u64,
}

impl<'a> Distances<'a> {
    /// `None` when the values span all 64 bits and leave no room for NULL.
    fn of(column: &'a ArrayRef) -> Result<Option<Self>> {
        let values = match column.data_type() {
            DataType::Int64 => Cow::Borrowed(column.as_primitive::<Int64Type>().values().as_ref()),
            integer if integer.is_integer() => {
                let wide = cast(column, &DataType::Int64)?;
                Cow::Owned(wide.as_primitive::<Int64Type>().values().to_vec())
            }
            _ => ticks(column)?,
        };
        let nulls = column.nulls().filter(|nulls| nulls.null_count() > 0);
        let ends = |known: &mut dyn Iterator<Item = i64>| {
            known.fold((i64::MAX, i64::MIN), |(low, high), value| {
                (low.min(value), high.max(value))
            })
        };
        let (smallest, highest) = match nulls {
            None => ends(&mut values.iter().copied()),
            Some(nulls) => ends(&mut nulls.valid_indices().map(|row| values[row])),
        };
        let span = if smallest > highest {
            0
        } else {
            highest.wrapping_sub(smallest) as u64
        };
        let largest = if nulls.is_some() {
            span.checked_add(1)
        } else {
            Some(span)
        };
        Ok(largest.map(|largest| Self {
            values,
            nulls,
            smallest,
            largest,
        }))
    }

    fn get(&self, row: usize) -> u64 {
        if self.nulls.is_none_or(|nulls| nulls.is_valid(row)) {
            self.values[row].wrapping_sub(self.smallest) as u64
        } else {
            self.largest
        }
    }
}

fn by_comparison(columns: Vec<ArrayRef>) -> Result<UInt32Array> {
    let columns = columns.into_iter().map(|values| SortColumn {
        values,
        options: Some(SortOptions::new(false, false)),
    });
    Ok(lexsort_to_indices(&columns.collect::<Vec<_>>(), None)?)
}

#[cfg(test)]
mod tests {
    use arrow::array::{Int32Array, TimestampMicrosecondArray};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_span_of_all_bits_needs_no_room_unless_there_is_a_null() {
        let ends = vec![Some(i64::MAX), Some(i64::MIN), Some(0)];
        let of = |times: Vec<Option<i64>>| {
            let times: ArrayRef = Arc::new(TimestampMicrosecondArray::from(times));
            order_of(&[times]).unwrap()
        };
        assert_eq!(of(ends.clone()), Some(vec![1, 2, 0]));
        assert_eq!(of([ends, vec![None]].concat()), None);
    }

    proptest! {
        #[test]
        fn rows_come_in_the_order_of_a_plain_sort(
            rows in proptest::collection::vec(
                (proptest::option::weighted(0.9, prop_oneof![-3_i32..4, any::<i32>()]),
                 proptest::option::weighted(0.9, prop_oneof![-3_i64..4, any::<i64>()])),
                0..200),
        ) {
            let (ids, times): (Vec<_>, Vec<_>) = rows.iter().copied().unzip();
            let columns: [ArrayRef; 2] = [
                Arc::new(Int32Array::from(ids)),
                Arc::new(TimestampMicrosecondArray::from(times)),
            ];
            let ours = order_of(&columns).unwrap();
            let mut plain: Vec<u32> = (0..rows.len() as u32).collect();
            plain.sort_by_key(|&row| {
                let (id, time) = rows[row as usize];
                ((id.is_none(), id), (time.is_none(), time))
            });
            prop_assert!(ours.is_none_or(|ours| ours == plain));
        }
    }
}
