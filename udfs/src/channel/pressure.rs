//! `pressure(sent_at, half_life, as_of)`: how much a person has been contacted lately.

use arrow::datatypes::{DataType, FieldRef};
use datafusion_common::{Result, ScalarValue};
use datafusion_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion_expr::utils::AggregateOrderSensitivity;
use datafusion_expr::{
    Accumulator, AggregateUDFImpl, Documentation, GroupsAccumulator, Signature, Volatility,
};
use datafusion_macros::user_doc;

use crate::affinity::decayed_sum::kernel::{DecayedSums, SlidingSum, state_fields};
use crate::common::aggregate::{Grouped, Plain};
use crate::common::arguments::{Argument, Arguments, Kind};

pub(crate) static ARGUMENTS: Arguments = Arguments {
    function: "pressure",
    counts: &[3],
    list: &[
        Argument::new("sent_at", Kind::Time),
        Argument::new("half_life", Kind::HalfLife),
        Argument::new("as_of", Kind::Moment),
    ],
};

/// A count: nothing sent is no pressure, not an unknown one.
const NOTHING: Option<f64> = Some(0.0);

#[user_doc(
    doc_section(label = "Channels"),
    description = "Decayed number of contacts, Σ 2^(−age / half_life): one sent just now counts 1, one sent a \
half-life ago 0.5. A NULL time and contacts after `as_of` do not count; no contact gives 0. Also a window over \
moving frames, which is exact.",
    syntax_example = "pressure(sent_at, half_life, as_of)",
    sql_example = r"```sql
SELECT person, pressure(sent_at, INTERVAL '7 days', DATE '2026-06-15') AS pressure
FROM (VALUES ('ann', DATE '2026-06-15'), ('ann', DATE '2026-06-08'), ('bob', NULL)) AS t(person, sent_at)
GROUP BY person ORDER BY person;
+--------+----------+
| person | pressure |
+--------+----------+
| ann    | 1.5      |
| bob    | 0.0      |
+--------+----------+
```",
    argument(
        name = "sent_at",
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
pub(crate) struct Pressure {
    signature: Signature,
}

impl Pressure {
    pub(crate) fn new() -> Self {
        Self {
            signature: Signature::user_defined(Volatility::Immutable),
        }
    }
}

impl AggregateUDFImpl for Pressure {
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

    fn is_nullable(&self) -> bool {
        false
    }

    fn default_value(&self, _data_type: &DataType) -> Result<ScalarValue> {
        Ok(ScalarValue::Float64(NOTHING))
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        Ok(state_fields(args.name))
    }

    fn accumulator(&self, _args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(Plain::new(DecayedSums::new(&ARGUMENTS, NOTHING))))
    }

    fn create_sliding_accumulator(&self, _: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(SlidingSum::new(&ARGUMENTS, NOTHING)))
    }

    fn groups_accumulator_supported(&self, _args: AccumulatorArgs<'_>) -> bool {
        true
    }

    fn create_groups_accumulator(
        &self,
        _args: AccumulatorArgs<'_>,
    ) -> Result<Box<dyn GroupsAccumulator>> {
        Ok(Box::new(Grouped(DecayedSums::new(&ARGUMENTS, NOTHING))))
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::common::testing::{Event, check_group_state, events, float, plain_result};

    #[test]
    fn contacts_fade_and_none_is_zero() {
        let state = DecayedSums::new(&ARGUMENTS, NOTHING);
        let contacts = [
            Event::new(1.0, 100),
            Event::new(1.0, 90),
            Event::new(1.0, 101),
        ];
        let args = Event::columns_with(&contacts, 10, 100);
        assert_eq!(float(&plain_result(&state, &args[1..])), Some(1.5));
        assert_eq!(
            float(&plain_result(&state, &Event::columns(&[])[1..])),
            Some(0.0)
        );
    }

    proptest! {
        #[test]
        fn every_way_to_aggregate_gives_the_same(events in events(), seed: u64) {
            let state = DecayedSums::new(&ARGUMENTS, NOTHING);
            check_group_state(&state, &Event::columns(&events)[1..], seed)?;
        }
    }
}
