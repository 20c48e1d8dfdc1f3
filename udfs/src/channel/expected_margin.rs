//! `expected_margin(p, margin, cost [, opt_out_rate, future_value])`: what a contact is expected to bring.

use arrow::datatypes::{DataType, FieldRef};
use datafusion_common::{Result, internal_err};
use datafusion_expr::{
    ColumnarValue, Documentation, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature,
    Volatility,
};
use datafusion_macros::user_doc;

use crate::common::arguments::{Argument, Arguments, Kind, Range};
use crate::common::numbers::{evaluate, finite_result, return_field};

static ARGUMENTS: Arguments = Arguments {
    function: "expected_margin",
    counts: &[3, 5],
    list: &[
        Argument::new("p", Kind::Number(Range::Probability)),
        Argument::new("margin", Kind::Number(Range::Finite)),
        Argument::new("cost", Kind::Number(Range::Finite)),
        Argument::new("opt_out_rate", Kind::Number(Range::Probability)),
        Argument::new("future_value", Kind::Number(Range::Finite)),
    ],
};

#[user_doc(
    doc_section(label = "Channels"),
    description = "Expected margin of one contact: p · margin − cost − opt_out_rate · future_value. Without the \
last two, a contact that costs almost nothing always looks worth it; price the opt-outs to know when to stop. \
NULL when an argument is NULL.",
    syntax_example = "expected_margin(p, margin, cost [, opt_out_rate, future_value])",
    sql_example = r"```sql
SELECT expected_margin(0.02, 30, 0.06) AS without_opt_outs,
       expected_margin(0.02, 30, 0.06, 0.01, 80) AS with_opt_outs;
+------------------+---------------+
| without_opt_outs | with_opt_outs |
+------------------+---------------+
| 0.54             | -0.26         |
+------------------+---------------+
```",
    argument(
        name = "p",
        description = "Probability of a response, between 0 and 1."
    ),
    argument(name = "margin", description = "Euros that a response brings."),
    argument(name = "cost", description = "Euros that the contact costs."),
    argument(
        name = "opt_out_rate",
        description = "Probability that the contact makes the person opt out, between 0 and 1; 0 by default."
    ),
    argument(
        name = "future_value",
        description = "Euros that the person's consent is worth; 0 by default."
    )
)]
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct ExpectedMargin {
    signature: Signature,
}

impl ExpectedMargin {
    pub(crate) fn new() -> Self {
        Self {
            signature: Signature::user_defined(Volatility::Immutable),
        }
    }
}

impl ScalarUDFImpl for ExpectedMargin {
    fn name(&self) -> &str {
        ARGUMENTS.function
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        Ok(ARGUMENTS.coerce(given))
    }

    fn return_type(&self, _given: &[DataType]) -> Result<DataType> {
        internal_err!("return_field_from_args is used instead")
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        return_field(&ARGUMENTS, [0.0; 5], &args, margin_of_contact)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        evaluate(&ARGUMENTS, [0.0; 5], &args, margin_of_contact)
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}

fn margin_of_contact([p, margin, cost, opt_out, future]: [f64; 5]) -> Result<Option<f64>> {
    finite_result(&ARGUMENTS, p * margin - cost - opt_out * future).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opt_outs_can_turn_a_contact_into_a_loss() {
        assert_eq!(
            margin_of_contact([0.5, 8.0, 1.0, 0.0, 0.0]).unwrap(),
            Some(3.0)
        );
        assert_eq!(
            margin_of_contact([0.5, 8.0, 1.0, 0.25, 16.0]).unwrap(),
            Some(-1.0)
        );
    }

    #[test]
    fn an_overflow_is_an_error() {
        assert!(margin_of_contact([1.0, f64::MAX, -f64::MAX, 0.0, 0.0]).is_err());
    }
}
