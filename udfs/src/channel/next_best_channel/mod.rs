//! `next_best_channel(channel, expected_margin, consented, under_cap, last_contact)`: where to go on, or why not.

mod kernel;
mod person;

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Fields};
use datafusion_common::{Result, ScalarValue};
use datafusion_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion_expr::utils::{AggregateOrderSensitivity, format_state_name};
use datafusion_expr::{
    Accumulator, AggregateUDFImpl, Documentation, GroupsAccumulator, Signature, Volatility,
};
use datafusion_macros::user_doc;

use self::kernel::People;
use crate::common::aggregate::{Grouped, Plain, of_nothing};
use crate::common::arguments::{Argument, Arguments, Kind, MOMENT, Range};
use crate::common::sliding::Sliding;
use crate::common::time::event_type;

pub(crate) static ARGUMENTS: Arguments = Arguments {
    function: "next_best_channel",
    counts: &[5],
    list: &[
        Argument::new("channel", Kind::Text),
        Argument::new("expected_margin", Kind::Number(Range::Finite)),
        Argument::new("consented", Kind::Label),
        Argument::new("under_cap", Kind::Label),
        Argument::new("last_contact", Kind::Time),
    ],
};

#[user_doc(
    doc_section(label = "Channels"),
    description = "The channel of a person's next contact, STRUCT<channel TEXT, expected_margin DOUBLE, reason \
TEXT>, from one row for each channel. Only channels with consent and under their cap are left to choose from; NULL \
is neither. The best of them has the highest known expected margin, at a tie the first in alphabetical order. \
`reason` is `no_consent` when no channel has consent, `cap` when none of those is under its cap, `stop` when the \
best expected margin is not above 0 or none is known, `switch` when the best is not the channel of the latest \
contact, else `best`. For the first three, `channel` is NULL; with `stop`, `expected_margin` is that of the channel \
that is not worth it. Rows without a channel do not count. Take the expected margin from a response rate shrunk \
over past contacts, and price opt-outs in it: by cost alone e-mail never stops.",
    syntax_example = "next_best_channel(channel, expected_margin, consented, under_cap, last_contact)",
    sql_example = r"```sql
SELECT person, n.channel AS channel, n.expected_margin AS expected_margin, n.reason AS reason
FROM (
    SELECT person, next_best_channel(channel, margin, consent, allowed, last_contact) AS n
    FROM (VALUES
        ('ann', 'email', 0.02, true, true, DATE '2026-06-01'), ('ann', 'sms', 0.15, true, true, NULL),
        ('bob', 'email', -0.01, true, true, DATE '2026-06-01'), ('bob', 'sms', 0.15, false, true, NULL)
    ) AS t(person, channel, margin, consent, allowed, last_contact)
    GROUP BY person
)
ORDER BY person;
+--------+---------+-----------------+--------+
| person | channel | expected_margin | reason |
+--------+---------+-----------------+--------+
| ann    | sms     | 0.15            | switch |
| bob    |         | -0.01           | stop   |
+--------+---------+-----------------+--------+
```",
    argument(
        name = "channel",
        description = "Text; at most 64 different channels in a query."
    ),
    argument(
        name = "expected_margin",
        description = "Euros that one more contact is expected to bring, as from `expected_margin`; NULL when unknown."
    ),
    argument(name = "consented", description = "BOOLEAN, as from `consented`."),
    argument(
        name = "under_cap",
        description = "BOOLEAN, as from `contact_allowed`."
    ),
    argument(
        name = "last_contact",
        description = "TIMESTAMP of any unit and zone, or DATE, of the last contact by this channel; NULL when there was none."
    )
)]
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct NextBestChannel {
    signature: Signature,
}

impl NextBestChannel {
    pub(crate) fn new() -> Self {
        Self {
            signature: Signature::user_defined(Volatility::Immutable),
        }
    }
}

impl AggregateUDFImpl for NextBestChannel {
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
        ARGUMENTS
            .check_types(given)
            .map(|_| DataType::Struct(result_fields()))
    }

    fn default_value(&self, _data_type: &DataType) -> Result<ScalarValue> {
        of_nothing(People::new(MOMENT))
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        Ok(state_fields(
            args.name,
            event_type(&ARGUMENTS, args.input_fields)?,
        ))
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(Plain::new(People::new(event_type(
            &ARGUMENTS,
            args.expr_fields,
        )?))))
    }

    fn create_sliding_accumulator(
        &self,
        args: AccumulatorArgs<'_>,
    ) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(Sliding::new(People::new(event_type(
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
        Ok(Box::new(Grouped(People::new(event_type(
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

/// The fields of the result.
fn result_fields() -> Fields {
    Fields::from(vec![
        Field::new("channel", DataType::Utf8View, true),
        Field::new("expected_margin", DataType::Float64, true),
        Field::new("reason", DataType::Utf8View, false),
    ])
}

/// The state fields, when contacts have this time type.
fn state_fields(name: &str, time: DataType) -> Vec<FieldRef> {
    let parts = [
        ("consented", DataType::Boolean),
        ("allowed", DataType::Boolean),
        ("channel", DataType::Utf8View),
        ("margin", DataType::Float64),
        ("last_contact", time),
        (
            "last_channels",
            DataType::new_list(DataType::Utf8View, true),
        ),
    ];
    parts
        .map(|(part, data_type)| {
            Arc::new(Field::new(format_state_name(name, part), data_type, true))
        })
        .to_vec()
}
