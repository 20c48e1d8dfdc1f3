//! `affinity(weight, event_time, half_life, as_of)`: faded interest with its evidence.

mod kernel;

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion_common::{Result, ScalarValue, internal_err};
use datafusion_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion_expr::utils::{AggregateOrderSensitivity, format_state_name};
use datafusion_expr::{
    Accumulator, AggregateUDFImpl, Documentation, GroupsAccumulator, Signature, Volatility,
};
use datafusion_macros::user_doc;

use self::kernel::{Affinities, result_fields};
use crate::common::aggregate::{Grouped, Plain, of_nothing};
use crate::common::arguments::{Argument, Arguments, Kind, Range};
use crate::common::sliding::Sliding;
use crate::common::time::event_type;

pub(crate) static ARGUMENTS: Arguments = Arguments {
    function: "affinity",
    counts: &[4],
    list: &[
        Argument::new("weight", Kind::Number(Range::Finite)),
        Argument::new("event_time", Kind::Time),
        Argument::new("half_life", Kind::HalfLife),
        Argument::new("as_of", Kind::Moment),
    ],
};

#[user_doc(
    doc_section(label = "Affinity"),
    description = "Interest of a group of events, with what it rests on: STRUCT<score DOUBLE, events BIGINT, \
evidence DOUBLE, last_time>. `score` is the decayed sum of the weights as in `decayed_sum`; `events` counts the \
rows; `evidence` is Kish's effective number of events, (Σw)²/Σw² of the decayed weights (*Survey Sampling*, \
1965), and 0 when the weights have faded to nothing; `last_time` is the latest event and has the type of \
`event_time`. Rows with a NULL weight or time and events after `as_of` do not count; without rows `score` and \
`last_time` are NULL, the counts 0.",
    syntax_example = "affinity(weight, event_time, half_life, as_of)",
    sql_example = r"```sql
SELECT category, a.score AS score, a.events AS events, a.evidence AS evidence, a.last_time AS last_time
FROM (
    SELECT category, affinity(1, day, INTERVAL '7 days', DATE '2026-06-15') AS a
    FROM (VALUES ('shoes', DATE '2026-06-15'), ('shoes', DATE '2026-06-08'), ('bags', DATE '2026-06-01')) AS t(category, day)
    GROUP BY category
)
ORDER BY category;
+----------+-------+--------+----------+------------+
| category | score | events | evidence | last_time  |
+----------+-------+--------+----------+------------+
| bags     | 0.25  | 1      | 1.0      | 2026-06-01 |
| shoes    | 1.5   | 2      | 1.8      | 2026-06-15 |
+----------+-------+--------+----------+------------+
```",
    argument(
        name = "weight",
        description = "What an event is worth, any number. NaN or infinity is an error."
    ),
    argument(
        name = "event_time",
        description = "TIMESTAMP of any unit and zone, or DATE."
    ),
    argument(
        name = "half_life",
        description = "INTERVAL above zero, or text such as '14 days'; NULL means no decay. A month counts 30 days, twelve months 365.25 days."
    ),
    argument(
        name = "as_of",
        description = "TIMESTAMP, DATE (its first instant) or text: the moment at which age is 0."
    )
)]
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct Affinity {
    signature: Signature,
}

impl Affinity {
    pub(crate) fn new() -> Self {
        Self {
            signature: Signature::user_defined(Volatility::Immutable),
        }
    }
}

impl AggregateUDFImpl for Affinity {
    fn name(&self) -> &str {
        ARGUMENTS.function
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        Ok(ARGUMENTS.coerce(given))
    }

    fn return_type(&self, given: &[DataType]) -> Result<DataType> {
        let types = ARGUMENTS.check_types(given)?;
        Ok(DataType::Struct(result_fields(&types[1])))
    }

    fn is_nullable(&self) -> bool {
        true
    }

    fn default_value(&self, data_type: &DataType) -> Result<ScalarValue> {
        let DataType::Struct(fields) = data_type else {
            return internal_err!("affinity: expected a STRUCT, got {data_type}");
        };
        let time = fields
            .last()
            .map_or(&DataType::Null, |field| field.data_type());
        of_nothing(Affinities::new(time.clone()))
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        let double = DataType::Float64;
        let parts = [
            ("score", double.clone()),
            ("score_rest", double.clone()),
            ("squares", double.clone()),
            ("squares_rest", double),
            ("events", DataType::Int64),
            ("last_time", event_type(&ARGUMENTS, args.input_fields)?),
        ];
        Ok(parts
            .map(|(part, data_type)| {
                Arc::new(Field::new(
                    format_state_name(args.name, part),
                    data_type,
                    true,
                ))
            })
            .to_vec())
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(Plain::new(Affinities::new(event_type(
            &ARGUMENTS,
            args.expr_fields,
        )?))))
    }

    fn create_sliding_accumulator(
        &self,
        args: AccumulatorArgs<'_>,
    ) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(Sliding::new(Affinities::new(event_type(
            &ARGUMENTS,
            args.expr_fields,
        )?))))
    }

    fn groups_accumulator_supported(&self, _args: AccumulatorArgs<'_>) -> bool {
        true
    }

    fn create_groups_accumulator(
        &self,
        args: AccumulatorArgs<'_>,
    ) -> Result<Box<dyn GroupsAccumulator>> {
        Ok(Box::new(Grouped(Affinities::new(event_type(
            &ARGUMENTS,
            args.expr_fields,
        )?))))
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}
