//! `decayed_sum(value, event_time, half_life, as_of)`: a sum that fades with age.

pub(crate) mod kernel;

use arrow::datatypes::{DataType, FieldRef};
use datafusion_common::Result;
use datafusion_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion_expr::utils::AggregateOrderSensitivity;
use datafusion_expr::{
    Accumulator, AggregateUDFImpl, Documentation, GroupsAccumulator, Signature, Volatility,
};
use datafusion_macros::user_doc;

use self::kernel::{DecayedSums, SlidingSum, state_fields};
use crate::common::aggregate::{Grouped, Plain};
use crate::common::arguments::{Argument, Arguments, Kind, Range};

pub(crate) static ARGUMENTS: Arguments = Arguments {
    function: "decayed_sum",
    counts: &[4],
    list: &[
        Argument::new("value", Kind::Number(Range::Finite)),
        Argument::new("event_time", Kind::Time),
        Argument::new("half_life", Kind::HalfLife),
        Argument::new("as_of", Kind::Moment),
    ],
};

#[user_doc(
    doc_section(label = "Affinity"),
    description = "Sum of `value · 2^(−age / half_life)`: an event counts half after one half-life. Rows with a \
NULL value or time and events after `as_of` do not count; nothing left gives NULL. A group gives the same result \
in any row order and for any number of threads; as a window over moving frames it is exact. `as_of` is read in \
each row, so keep it constant within a group. Decay follows Cormode, Shkapenyuk, Srivastava and Xu, *Forward \
Decay* (ICDE 2009).",
    syntax_example = "decayed_sum(value, event_time, half_life, as_of)",
    sql_example = r"```sql
SELECT visitor, decayed_sum(clicks, day, INTERVAL '7 days', DATE '2026-06-15') AS clicks
FROM (VALUES ('ann', DATE '2026-06-15', 3), ('ann', DATE '2026-06-08', 4), ('bob', DATE '2026-06-01', 2)) AS t(visitor, day, clicks)
GROUP BY visitor ORDER BY visitor;
+---------+--------+
| visitor | clicks |
+---------+--------+
| ann     | 5.0    |
| bob     | 0.5    |
+---------+--------+
```",
    argument(
        name = "value",
        description = "Any number. NaN or infinity is an error."
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
pub(crate) struct DecayedSum {
    signature: Signature,
}

impl DecayedSum {
    pub(crate) fn new() -> Self {
        Self {
            signature: Signature::user_defined(Volatility::Immutable),
        }
    }
}

impl AggregateUDFImpl for DecayedSum {
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
        ARGUMENTS.check_types(given).map(|_| DataType::Float64)
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        Ok(state_fields(args.name))
    }

    fn accumulator(&self, _args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(Plain::new(DecayedSums::new(&ARGUMENTS, None))))
    }

    fn create_sliding_accumulator(&self, _: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(SlidingSum::new(&ARGUMENTS, None)))
    }

    fn groups_accumulator_supported(&self, _args: AccumulatorArgs<'_>) -> bool {
        true
    }

    fn create_groups_accumulator(
        &self,
        _args: AccumulatorArgs<'_>,
    ) -> Result<Box<dyn GroupsAccumulator>> {
        Ok(Box::new(Grouped(DecayedSums::new(&ARGUMENTS, None))))
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}
