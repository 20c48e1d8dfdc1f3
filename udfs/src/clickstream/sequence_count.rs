//! `sequence_count(pattern, event_time, c1, …, cN)`: how often events came in this order and at these distances.

use arrow::datatypes::{DataType, FieldRef};
use datafusion_common::{Result, ScalarValue};
use datafusion_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion_expr::utils::AggregateOrderSensitivity;
use datafusion_expr::{
    Accumulator, AggregateUDFImpl, Documentation, GroupsAccumulator, Signature, Volatility,
};
use datafusion_macros::user_doc;

use super::conditions::Conditions;
use super::sequence_match::{Answer, matches, read_pattern};
use super::streams::state_fields;
use crate::common::aggregate::{Grouped, Plain};
use crate::common::arguments::{Argument, Arguments, Kind};
use crate::common::sliding::Sliding;

pub(crate) static CALL: Conditions = Conditions {
    function: "sequence_count",
    written: "pattern, event_time, c1, …, cN",
    forms: &[Arguments {
        function: "sequence_count",
        counts: &[2],
        list: &[
            Argument::new("pattern", Kind::Text),
            Argument::new("event_time", Kind::Time),
        ],
    }],
    condition: "c",
    check_text: |form, position, text, conditions| {
        read_pattern(form, position, text, conditions).map(|_| ())
    },
};

#[user_doc(
    doc_section(label = "Clickstream"),
    description = "How often the events of a visitor contain a pattern: BIGINT, 0 without rows. After each place where it is found the search goes on with the next event, so the places do not overlap; of several, the one that ends first counts. The arguments and the pattern language are those of `sequence_match`.",
    syntax_example = "sequence_count(pattern, event_time, c1, …, cN)",
    sql_example = r"```sql
SELECT sequence_count('(?1).*(?2)', day, (what = 'view'), (what = 'buy')) AS times
FROM (VALUES (DATE '2026-06-01', 'view'), (DATE '2026-06-02', 'view'), (DATE '2026-06-03', 'buy'),
             (DATE '2026-06-04', 'buy'), (DATE '2026-06-05', 'view'), (DATE '2026-06-06', 'buy')) AS t(day, what);
+-------+
| times |
+-------+
| 2     |
+-------+
```",
    argument(
        name = "pattern",
        description = "Text such as '(?1).*(?t<=1800)(?2)', the same for all rows."
    ),
    argument(
        name = "event_time",
        description = "TIMESTAMP of any unit and zone, or DATE. A row without it is ignored."
    ),
    argument(
        name = "c",
        description = "BOOLEAN, one to 64 of them; NULL is false. A comparison with `=` needs parentheses, as `(what = 'view')`: without them it reads as a named argument."
    )
)]
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct SequenceCount {
    signature: Signature,
}

impl SequenceCount {
    pub(crate) fn new() -> Self {
        Self {
            signature: Signature::user_defined(Volatility::Immutable),
        }
    }
}

impl AggregateUDFImpl for SequenceCount {
    fn name(&self) -> &str {
        CALL.function
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        Ok(CALL.coerce(given))
    }

    fn return_type(&self, given: &[DataType]) -> Result<DataType> {
        CALL.check_types(given).map(|_| DataType::Int64)
    }

    fn is_nullable(&self) -> bool {
        false
    }

    fn default_value(&self, _data_type: &DataType) -> Result<ScalarValue> {
        Ok(ScalarValue::Int64(Some(0)))
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        Ok(state_fields(&args))
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(Plain::new(matches(&CALL, &args, Answer::Count)?)))
    }

    fn create_sliding_accumulator(
        &self,
        args: AccumulatorArgs<'_>,
    ) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(Sliding::new(matches(
            &CALL,
            &args,
            Answer::Count,
        )?)))
    }

    fn groups_accumulator_supported(&self, _args: AccumulatorArgs<'_>) -> bool {
        true
    }

    fn create_groups_accumulator(
        &self,
        args: AccumulatorArgs<'_>,
    ) -> Result<Box<dyn GroupsAccumulator>> {
        Ok(Box::new(Grouped(matches(&CALL, &args, Answer::Count)?)))
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}
