//! `retention(c1, …, cN)`: who came back.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, ListArray, UInt64Array};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field, FieldRef, UInt64Type};
use datafusion_common::{Result, ScalarValue, exec_err};
use datafusion_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion_expr::utils::{AggregateOrderSensitivity, format_state_name};
use datafusion_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Documentation, EmitTo, GroupsAccumulator,
    Signature, Volatility,
};
use datafusion_macros::user_doc;

use super::conditions::{Conditions, condition_sets, counted};
use crate::common::aggregate::{GroupState, Grouped, Groups, Plain, of_nothing};
use crate::common::arguments::Arguments;
use crate::common::literals::Bound;
use crate::common::sliding::Sliding;

static CONDITIONS: Conditions = Conditions {
    function: "retention",
    written: "c1, …, cN",
    forms: &[Arguments {
        function: "retention",
        counts: &[0],
        list: &[],
    }],
    condition: "c",
    check_text: |_, _, _, _| Ok(()),
};

/// Without rows there is one `false` for each condition.
pub(crate) static CALL: Bound = Bound {
    call: &CONDITIONS,
    bind: |literals| {
        AggregateUDF::from(Retention {
            conditions: literals.len(),
            ..Retention::new()
        })
    },
};

#[user_doc(
    doc_section(label = "Clickstream"),
    description = "Whether visitors who met the first condition met the others too, in any order: LIST<BOOLEAN>, \
whose element i says that `c1` and `ci` were both true, in the same row or in different ones; element 1 is `c1` \
itself. NULL is false; without rows all elements are false.",
    syntax_example = "retention(c1, …, cN)",
    sql_example = r"```sql
SELECT visitor, retention((day = DATE '2026-06-01'), (day = DATE '2026-06-02'), (day = DATE '2026-06-08')) AS came
FROM (VALUES ('ann', DATE '2026-06-01'), ('ann', DATE '2026-06-08'), ('bob', DATE '2026-06-02')) AS t(visitor, day)
GROUP BY visitor ORDER BY visitor;
+---------+-----------------------+
| visitor | came                  |
+---------+-----------------------+
| ann     | [true, false, true]   |
| bob     | [false, false, false] |
+---------+-----------------------+
```",
    argument(
        name = "c",
        description = "BOOLEAN, one to 64 of them; NULL is false. A comparison with `=` needs parentheses, as `(what = 'view')`: without them it reads as a named argument."
    )
)]
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct Retention {
    signature: Signature,
    /// How many conditions a call has; 0 before it is known.
    conditions: usize,
}

impl Retention {
    pub(crate) fn new() -> Self {
        Self {
            signature: Signature::user_defined(Volatility::Immutable),
            conditions: 0,
        }
    }
}

impl AggregateUDFImpl for Retention {
    fn name(&self) -> &str {
        CONDITIONS.function
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        Ok(CONDITIONS.coerce(given))
    }

    fn return_type(&self, given: &[DataType]) -> Result<DataType> {
        CONDITIONS.check_types(given)?;
        Ok(DataType::new_list(DataType::Boolean, true))
    }

    fn default_value(&self, _data_type: &DataType) -> Result<ScalarValue> {
        of_nothing(Returns::new(self.conditions))
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        let name = format_state_name(args.name, "met");
        Ok(vec![Arc::new(Field::new(name, DataType::UInt64, true))])
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(Plain::new(Returns::new(args.exprs.len()))))
    }

    fn create_sliding_accumulator(
        &self,
        args: AccumulatorArgs<'_>,
    ) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(Sliding::new(Returns::new(args.exprs.len()))))
    }

    fn groups_accumulator_supported(&self, _args: AccumulatorArgs<'_>) -> bool {
        true
    }

    fn create_groups_accumulator(
        &self,
        args: AccumulatorArgs<'_>,
    ) -> Result<Box<dyn GroupsAccumulator>> {
        Ok(Box::new(Grouped(Returns::new(args.exprs.len()))))
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}

/// The conditions that each of many groups has met.
#[derive(Debug, Clone)]
struct Returns {
    conditions: usize,
    groups: Vec<u64>,
}

impl Returns {
    fn new(conditions: usize) -> Self {
        Self {
            conditions,
            groups: Vec::new(),
        }
    }
}

impl GroupState for Returns {
    fn empty(&self) -> Self {
        Self::new(self.conditions)
    }

    fn resize(&mut self, groups: usize) {
        self.groups.resize(groups, 0);
    }

    fn update(
        &mut self,
        args: &[ArrayRef],
        groups: Groups<'_>,
        filter: Option<&BooleanArray>,
    ) -> Result<()> {
        let rows = args.first().map_or(0, Array::len);
        let sets = condition_sets(args, rows);
        let counted = counted(filter, None);
        groups.visit(rows, |row, group| {
            if counted.as_ref().is_none_or(|counted| counted.is_valid(row)) {
                self.groups[group] |= sets[row];
            }
        });
        Ok(())
    }

    fn merge(&mut self, states: &[ArrayRef], groups: Groups<'_>) -> Result<()> {
        let [met] = states else {
            return exec_err!("retention: expected one state");
        };
        let met = met.as_primitive::<UInt64Type>().values();
        groups.visit(met.len(), |row, group| self.groups[group] |= met[row]);
        Ok(())
    }

    fn take(&mut self, emit: EmitTo) -> Self {
        Self {
            conditions: self.conditions,
            groups: emit.take_needed(&mut self.groups),
        }
    }

    fn finish(self) -> Result<ArrayRef> {
        let lists = self.groups.len();
        let came = self.groups.into_iter().flat_map(|met| {
            (0..self.conditions).map(move |index| met & 1 == 1 && met >> index & 1 == 1)
        });
        let came = BooleanArray::from(came.collect::<Vec<_>>());
        let field = Arc::new(Field::new_list_field(DataType::Boolean, true));
        let offsets = OffsetBuffer::from_repeated_length(self.conditions, lists);
        Ok(Arc::new(ListArray::try_new(
            field,
            offsets,
            Arc::new(came),
            None,
        )?))
    }

    fn into_state(self) -> Result<Vec<ArrayRef>> {
        Ok(vec![Arc::new(UInt64Array::from(self.groups))])
    }

    fn size(&self) -> usize {
        self.groups.capacity() * size_of::<u64>()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::common::testing::{check_group_state, plain_result};

    type Row = [Option<bool>; 3];

    fn columns(rows: &[Row]) -> Vec<ArrayRef> {
        let column = |index| -> ArrayRef {
            Arc::new(
                rows.iter()
                    .map(|row: &Row| row[index])
                    .collect::<BooleanArray>(),
            )
        };
        (0..3).map(column).collect()
    }

    fn result(rows: &[Row]) -> Vec<bool> {
        let result = plain_result(&Returns::new(3), &columns(rows));
        let list = result.to_array().unwrap();
        let came = list.as_list::<i32>().value(0);
        came.as_boolean().iter().map(Option::unwrap).collect()
    }

    fn rows() -> impl Strategy<Value = Vec<Row>> {
        let condition = || proptest::option::weighted(0.9, proptest::bool::weighted(0.2));
        let row = [condition(), condition(), condition()];
        proptest::collection::vec(row, 0..12)
    }

    const YES: Option<bool> = Some(true);

    #[test]
    fn the_first_condition_is_needed_for_all() {
        assert_eq!(result(&[]), [false; 3]);
        assert_eq!(result(&[[None, YES, YES]]), [false; 3]);
        assert_eq!(
            result(&[[None, YES, None], [YES, None, None]]),
            [true, true, false]
        );
        assert_eq!(result(&[[YES; 3]]), [true; 3]);
    }

    proptest! {
        #[test]
        fn every_way_to_aggregate_gives_the_same(rows in rows(), seed: u64) {
            check_group_state(&Returns::new(3), &columns(&rows), seed)?;
        }

        #[test]
        fn equals_the_rule_read_aloud(rows in rows()) {
            let met = |index: usize| rows.iter().any(|row| row[index] == YES);
            let expected = [met(0), met(0) && met(1), met(0) && met(2)];
            prop_assert_eq!(result(&rows), expected);
        }
    }
}
