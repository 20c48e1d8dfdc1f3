//! What is kept of a row, and how groups of rows become results.

use std::fmt;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion_common::{Result, ScalarValue};
use datafusion_expr::{AggregateUDF, EmitTo, GroupsAccumulator};
use datafusion_physical_expr::PhysicalExpr;
use datafusion_physical_expr::expressions::Literal;
use datafusion_physical_plan::aggregates::AggregateExec;
use datafusion_physical_plan::aggregates::group_values::{GroupValues, new_group_values};
use datafusion_physical_plan::aggregates::order::GroupOrdering;
use datafusion_physical_plan::udaf::AggregateFunctionExpr;

use crate::affinity::affinity::Affinity;
use crate::affinity::decayed_sum::DecayedSum;
use crate::clickstream::funnel_events::FunnelEvents;
use crate::clickstream::sequence_count::SequenceCount;
use crate::clickstream::sequence_match::SequenceMatch;
use crate::clickstream::window_funnel::WindowFunnel;

/// The functions that are mostly called by visitor. One that is to be grouped here joins this list.
fn is_by_visitor(function: &AggregateUDF) -> bool {
    let function = function.inner();
    function.is::<WindowFunnel>()
        || function.is::<FunnelEvents>()
        || function.is::<SequenceMatch>()
        || function.is::<SequenceCount>()
        || function.is::<Affinity>()
        || function.is::<DecayedSum>()
}

/// The keys, arguments and filters of an aggregation; each expression is kept once, the keys first.
#[derive(Debug)]
pub(super) struct Columns {
    kept: Vec<Arc<dyn PhysicalExpr>>,
    schema: SchemaRef,
    keys: usize,
    calls: Vec<Call>,
}

#[derive(Debug)]
struct Call {
    function: Arc<AggregateFunctionExpr>,
    args: Vec<Source>,
    /// The kept column that says which rows count.
    filter: Option<usize>,
}

/// Where an argument comes from.
#[derive(Debug)]
enum Source {
    Kept(usize),
    Constant(ScalarValue),
}

impl Columns {
    /// Of an aggregation of raw rows; `None` when it is not one for this place.
    pub(super) fn of(first: &AggregateExec) -> Result<Option<Self>> {
        let group_by = first.group_expr();
        let plain = group_by.is_single()
            && !group_by.has_grouping_set()
            && !group_by.is_empty()
            && first.limit_options().is_none()
            && !first.aggr_expr().is_empty()
            && first.aggr_expr().iter().all(|call| {
                is_by_visitor(call.fun())
                    && !call.is_distinct()
                    && call.order_bys().is_empty()
                    && call.groups_accumulator_supported()
            });
        if !plain {
            return Ok(None);
        }
        let mut kept = group_by.input_exprs();
        let keys = kept.len();
        let mut keep = |expr: &Arc<dyn PhysicalExpr>| {
            kept.iter()
                .position(|known| known == expr)
                .unwrap_or_else(|| {
                    kept.push(Arc::clone(expr));
                    kept.len() - 1
                })
        };
        let calls = first.aggr_expr().iter().zip(first.filter_expr());
        let calls = calls
            .map(|(function, filter)| Call {
                function: Arc::clone(function),
                args: function
                    .expressions()
                    .iter()
                    .map(|arg| match arg.downcast_ref::<Literal>() {
                        Some(literal) => Source::Constant(literal.value().clone()),
                        None => Source::Kept(keep(arg)),
                    })
                    .collect(),
                filter: filter.as_ref().map(&mut keep),
            })
            .collect();
        let input = first.input().schema();
        let fields = kept.iter().enumerate().map(|(index, expr)| {
            let data_type = expr.data_type(&input)?;
            Ok(Field::new(format!("c{index}"), data_type, true))
        });
        let fields = fields.collect::<Result<Vec<_>>>()?;
        Ok(Some(Self {
            kept,
            schema: Arc::new(Schema::new(fields)),
            keys,
            calls,
        }))
    }

    /// The columns that are kept, without their names.
    pub(super) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// How many of them are keys; those come first.
    pub(super) fn keys(&self) -> usize {
        self.keys
    }

    pub(super) fn expressions(&self) -> &[Arc<dyn PhysicalExpr>] {
        &self.kept
    }

    /// What is kept of these rows.
    pub(super) fn evaluate(&self, batch: &RecordBatch) -> Result<Vec<ArrayRef>> {
        let rows = batch.num_rows();
        let columns = self.kept.iter();
        columns
            .map(|expr| expr.evaluate(batch)?.into_array(rows))
            .collect()
    }
}

impl fmt::Display for Columns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list =
            |f: &mut fmt::Formatter<'_>, items: &[String]| write!(f, "[{}]", items.join(", "));
        let keys: Vec<_> = self.kept[..self.keys]
            .iter()
            .map(ToString::to_string)
            .collect();
        let calls = self
            .calls
            .iter()
            .map(|call| call.function.name().to_owned());
        write!(f, "gby=")?;
        list(f, &keys)?;
        write!(f, ", aggr=")?;
        list(f, &calls.collect::<Vec<_>>())
    }
}

/// Groups that are being filled.
pub(super) struct Groups {
    columns: Arc<Columns>,
    values: Box<dyn GroupValues>,
    accumulators: Vec<Box<dyn GroupsAccumulator>>,
    /// The constants, as columns of the longest length so far.
    constants: Vec<ArrayRef>,
    indices: Vec<usize>,
}

impl Groups {
    pub(super) fn new(columns: &Arc<Columns>) -> Result<Self> {
        let keys: Vec<_> = (0..columns.keys).collect();
        let keys = Arc::new(columns.schema.project(&keys)?);
        let calls = columns.calls.iter();
        Ok(Self {
            columns: Arc::clone(columns),
            values: new_group_values(keys, &GroupOrdering::None)?,
            accumulators: calls
                .map(|call| call.function.create_groups_accumulator())
                .collect::<Result<_>>()?,
            constants: Vec::new(),
            indices: Vec::new(),
        })
    }

    /// Adds rows of kept columns.
    pub(super) fn add(&mut self, kept: &[ArrayRef]) -> Result<()> {
        let (keys, _) = kept.split_at(self.columns.keys);
        self.values.intern(keys, &mut self.indices)?;
        let (rows, groups) = (self.indices.len(), self.values.len());
        self.fill_constants(rows)?;
        let mut constants = self.constants.iter();
        for (call, accumulator) in self.columns.calls.iter().zip(&mut self.accumulators) {
            let args = call.args.iter().filter_map(|arg| match arg {
                Source::Kept(column) => Some(Arc::clone(&kept[*column])),
                Source::Constant(_) => constants.next().map(|constant| constant.slice(0, rows)),
            });
            let args: Vec<_> = args.collect();
            let filter = call.filter.map(|column| kept[column].as_boolean());
            accumulator.update_batch(&args, &self.indices, filter, groups)?;
        }
        Ok(())
    }

    /// The keys and results of all groups, which leave.
    pub(super) fn emit(&mut self) -> Result<Vec<ArrayRef>> {
        let mut columns = self.values.emit(EmitTo::All)?;
        self.values.clear_shrink(0);
        for accumulator in &mut self.accumulators {
            columns.push(accumulator.evaluate(EmitTo::All)?);
        }
        Ok(columns)
    }

    /// Bytes on the heap.
    pub(super) fn size(&self) -> usize {
        let accumulators = self.accumulators.iter();
        self.values.size()
            + self.indices.capacity() * size_of::<usize>()
            + accumulators
                .map(|accumulator| accumulator.size())
                .sum::<usize>()
    }

    fn fill_constants(&mut self, rows: usize) -> Result<()> {
        let args = self.columns.calls.iter().flat_map(|call| &call.args);
        let mut constants = args.filter_map(|arg| match arg {
            Source::Constant(value) => Some(value),
            Source::Kept(_) => None,
        });
        if self
            .constants
            .first()
            .is_some_and(|known| known.len() >= rows)
        {
            return Ok(());
        }
        self.constants = constants
            .by_ref()
            .map(|value| value.to_array_of_size(rows))
            .collect::<Result<_>>()?;
        Ok(())
    }
}
