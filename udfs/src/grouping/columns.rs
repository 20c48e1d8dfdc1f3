//! What is kept of a row, and how groups of rows become results.

use std::fmt;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, UInt32Array, new_empty_array};
use arrow::compute::take;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion_common::{Result, ScalarValue};
use datafusion_expr::{AggregateUDF, EmitTo, GroupsAccumulator};
use datafusion_physical_expr::PhysicalExpr;
use datafusion_physical_expr::expressions::Literal;
use datafusion_physical_plan::aggregates::AggregateExec;
use datafusion_physical_plan::aggregates::group_values::{GroupValues, new_group_values};
use datafusion_physical_plan::aggregates::order::GroupOrdering;
use datafusion_physical_plan::udaf::AggregateFunctionExpr;

use super::keys::{Table, is_known, number_runs};
use super::pieces::{Kind, compact};
use crate::affinity::affinity::Affinity;
use crate::affinity::decayed_sum::DecayedSum;
use crate::clickstream::conditions::{condition_column, set_type};
use crate::clickstream::funnel_events::FunnelEvents;
use crate::clickstream::sequence_count::SequenceCount;
use crate::clickstream::sequence_match::SequenceMatch;
use crate::clickstream::window_funnel::WindowFunnel;

/// The functions that are mostly called by visitor. One that is to be grouped here joins one of these lists.
fn is_by_visitor(function: &AggregateUDF) -> bool {
    ends_in_conditions(function) || folds(function)
}

/// Whether the last arguments are conditions, which may be given as one column of sets.
fn ends_in_conditions(function: &AggregateUDF) -> bool {
    let function = function.inner();
    function.is::<WindowFunnel>()
        || function.is::<FunnelEvents>()
        || function.is::<SequenceMatch>()
        || function.is::<SequenceCount>()
}

/// Whether the state of a group is no larger than a row, so that rows are worth to be folded into it.
fn folds(function: &AggregateUDF) -> bool {
    let function = function.inner();
    function.is::<Affinity>() || function.is::<DecayedSum>()
}

/// The keys, arguments and filters of an aggregation; each expression is kept once, the keys first.
#[derive(Debug)]
pub(super) struct Columns {
    kept: Vec<Kept>,
    schema: SchemaRef,
    /// The keys and states of groups.
    state_schema: SchemaRef,
    keys: usize,
    calls: Vec<Call>,
    order: Order,
}

/// A column that is kept.
#[derive(Debug, PartialEq)]
enum Kept {
    Value(Arc<dyn PhysicalExpr>),
    /// Conditions, as sets of those that are true.
    Set(Vec<Arc<dyn PhysicalExpr>>),
}

impl Kept {
    fn expressions(&self) -> &[Arc<dyn PhysicalExpr>] {
        match self {
            Self::Value(expr) => std::slice::from_ref(expr),
            Self::Set(conditions) => conditions,
        }
    }

    fn data_type(&self, input: &Schema) -> Result<DataType> {
        match self {
            Self::Value(expr) => expr.data_type(input),
            Self::Set(conditions) => Ok(set_type(conditions.len())),
        }
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ArrayRef> {
        let rows = batch.num_rows();
        let evaluated = |expr: &Arc<dyn PhysicalExpr>| expr.evaluate(batch)?.into_array(rows);
        match self {
            Self::Value(expr) => evaluated(expr),
            Self::Set(conditions) => {
                let conditions = conditions.iter().map(evaluated);
                Ok(condition_column(
                    &conditions.collect::<Result<Vec<_>>>()?,
                    rows,
                ))
            }
        }
    }
}

/// In which order rows come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// In any.
    None,
    /// Equal keys lie together.
    Runs,
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
    pub(super) fn of(first: &AggregateExec, order: Order) -> Result<Option<Self>> {
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
        let input = first.input().schema();
        let keys = group_by.input_exprs();
        let mut kept: Vec<_> = keys.into_iter().map(Kept::Value).collect();
        let keys = kept.len();
        let mut keep = |column: Kept| {
            let known = kept.iter().position(|known| *known == column);
            known.unwrap_or_else(|| {
                kept.push(column);
                kept.len() - 1
            })
        };
        let mut calls = Vec::new();
        for (function, filter) in first.aggr_expr().iter().zip(first.filter_expr()) {
            let exprs = function.expressions();
            let mut values = exprs.len();
            if ends_in_conditions(function.fun()) {
                let types = exprs.iter().map(|expr| expr.data_type(&input));
                let types = types.collect::<Result<Vec<_>>>()?;
                let first = types.iter().position(|one| *one == DataType::Boolean);
                values = first.unwrap_or(values);
            }
            let (values, conditions) = exprs.split_at(values);
            let args = values
                .iter()
                .map(|arg| match arg.downcast_ref::<Literal>() {
                    Some(literal) => Source::Constant(literal.value().clone()),
                    None => Source::Kept(keep(Kept::Value(Arc::clone(arg)))),
                });
            let mut args: Vec<_> = args.collect();
            if !conditions.is_empty() {
                args.push(Source::Kept(keep(Kept::Set(conditions.to_vec()))));
            }
            let filter = filter.as_ref().map(Arc::clone);
            calls.push(Call {
                function: Arc::clone(function),
                args,
                filter: filter.map(|filter| keep(Kept::Value(filter))),
            });
        }
        let fields = kept.iter().enumerate().map(|(index, expr)| {
            let data_type = expr.data_type(&input)?;
            Ok(Field::new(format!("c{index}"), data_type, true))
        });
        let fields = fields.collect::<Result<Vec<_>>>()?;
        let mut states: Vec<_> = fields[..keys].iter().cloned().map(Arc::new).collect();
        for call in &calls {
            states.extend(call.function.state_fields()?);
        }
        Ok(Some(Self {
            kept,
            schema: Arc::new(Schema::new(fields)),
            state_schema: Arc::new(Schema::new(states)),
            keys,
            calls,
            order,
        }))
    }

    /// The columns that are kept, without their names.
    pub(super) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The columns of the states of groups: the keys, and the parts of each state.
    pub(super) fn state_schema(&self) -> &SchemaRef {
        &self.state_schema
    }

    /// Whether states of groups are no larger than rows.
    pub(super) fn fold(&self) -> bool {
        self.calls.iter().all(|call| folds(call.function.fun()))
    }

    /// How many of them are keys; those come first.
    pub(super) fn keys(&self) -> usize {
        self.keys
    }

    pub(super) fn expressions(&self) -> impl Iterator<Item = &Arc<dyn PhysicalExpr>> {
        self.kept.iter().flat_map(Kept::expressions)
    }

    /// What is kept of these rows.
    pub(super) fn evaluate(&self, batch: &RecordBatch) -> Result<Vec<ArrayRef>> {
        let columns = self.kept.iter();
        columns.map(|column| column.evaluate(batch)).collect()
    }
}

impl fmt::Display for Columns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list =
            |f: &mut fmt::Formatter<'_>, items: &[String]| write!(f, "[{}]", items.join(", "));
        // A key is one expression.
        let keys = self.expressions().take(self.keys).map(ToString::to_string);
        let keys: Vec<_> = keys.collect();
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
    numbers: Numbers,
    accumulators: Vec<Box<dyn GroupsAccumulator>>,
    /// The constants, as columns of the longest length so far.
    constants: Vec<ArrayRef>,
    indices: Vec<usize>,
}

/// How groups are numbered.
struct Numbers {
    keys: SchemaRef,
    order: Order,
    /// Whether our tables know all keys.
    known: bool,
    table: Table,
    /// The only rows so far: their keys, and the first row of each group.
    block: Option<Vec<ArrayRef>>,
    firsts: Vec<u32>,
    /// DataFusion's table, once rows have come more than once.
    values: Option<Box<dyn GroupValues>>,
}

impl Numbers {
    fn number(&mut self, keys: &[ArrayRef], indices: &mut Vec<usize>) -> Result<()> {
        if self.block.is_none() && self.values.is_none() && self.known {
            match self.order {
                Order::Runs => number_runs(keys, indices, &mut self.firsts)?,
                Order::None => self.table.number(keys, indices, &mut self.firsts)?,
            }
            self.block = Some(keys.to_vec());
            return Ok(());
        }
        let mut values = match self.values.take() {
            Some(values) => values,
            None => new_group_values(Arc::clone(&self.keys), &GroupOrdering::None)?,
        };
        if let Some(block) = self.block.take() {
            values.intern(&gather(&block, &self.firsts)?, indices)?;
        }
        values.intern(keys, indices)?;
        self.values = Some(values);
        Ok(())
    }

    fn count(&self) -> usize {
        let values = self.values.as_ref().map(|values| values.len());
        values.unwrap_or(self.firsts.len())
    }

    fn emit(&mut self) -> Result<Vec<ArrayRef>> {
        let keys = match (self.block.take(), self.values.take()) {
            (_, Some(mut values)) => values.emit(EmitTo::All)?,
            (Some(block), None) => gather(&block, &self.firsts)?,
            (None, None) => {
                let types = self.keys.fields().iter();
                types.map(|key| new_empty_array(key.data_type())).collect()
            }
        };
        self.firsts.clear();
        Ok(keys)
    }
}

/// These rows, with none of the memory of the others.
fn gather(columns: &[ArrayRef], rows: &[u32]) -> Result<Vec<ArrayRef>> {
    let rows = UInt32Array::from(rows.to_vec());
    let columns = columns.iter();
    columns
        .map(|column| Ok(compact(take(column, &rows, None)?, 0)))
        .collect()
}

impl Groups {
    pub(super) fn new(columns: &Arc<Columns>) -> Result<Self> {
        let keys: Vec<_> = (0..columns.keys).collect();
        let keys = Arc::new(columns.schema.project(&keys)?);
        let calls = columns.calls.iter();
        Ok(Self {
            columns: Arc::clone(columns),
            numbers: Numbers {
                known: keys.fields().iter().all(|key| is_known(key.data_type())),
                keys,
                order: columns.order,
                table: Table::default(),
                block: None,
                firsts: Vec::new(),
                values: None,
            },
            accumulators: calls
                .map(|call| call.function.create_groups_accumulator())
                .collect::<Result<_>>()?,
            constants: Vec::new(),
            indices: Vec::new(),
        })
    }

    /// How many groups there are.
    pub(super) fn count(&self) -> usize {
        self.numbers.count()
    }

    /// Adds rows or states.
    pub(super) fn add_some(&mut self, kind: Kind, columns: &[ArrayRef]) -> Result<()> {
        match kind {
            Kind::Rows => self.add(columns),
            Kind::States => self.add_states(columns),
        }
    }

    /// Adds rows of kept columns. Once is fastest.
    pub(super) fn add(&mut self, kept: &[ArrayRef]) -> Result<()> {
        let keys = &kept[..self.columns.keys];
        self.numbers.number(keys, &mut self.indices)?;
        let (rows, groups) = (self.indices.len(), self.numbers.count());
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

    /// Adds keys and states of groups.
    pub(super) fn add_states(&mut self, columns: &[ArrayRef]) -> Result<()> {
        let (keys, mut states) = columns.split_at(self.columns.keys);
        self.numbers.number(keys, &mut self.indices)?;
        let groups = self.numbers.count();
        for (call, accumulator) in self.columns.calls.iter().zip(&mut self.accumulators) {
            let (mine, rest) = states.split_at(call.function.state_fields()?.len());
            accumulator.merge_batch(mine, &self.indices, groups)?;
            states = rest;
        }
        Ok(())
    }

    /// The keys and results of all groups, which leave.
    pub(super) fn emit(&mut self) -> Result<Vec<ArrayRef>> {
        let mut columns = self.numbers.emit()?;
        for accumulator in &mut self.accumulators {
            columns.push(accumulator.evaluate(EmitTo::All)?);
        }
        Ok(columns)
    }

    /// The keys and states of all groups, which leave.
    pub(super) fn emit_states(&mut self) -> Result<Vec<ArrayRef>> {
        let mut columns = self.numbers.emit()?;
        for accumulator in &mut self.accumulators {
            columns.append(&mut accumulator.state(EmitTo::All)?);
        }
        Ok(columns)
    }

    /// Bytes on the heap.
    pub(super) fn size(&self) -> usize {
        let values = self.numbers.values.as_ref().map(|values| values.size());
        let accumulators = self.accumulators.iter();
        values.unwrap_or(0)
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
