//! `pseudonymize(text [, key])`: a code instead of a name, the same each time.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringViewArray};
use arrow::datatypes::{DataType, FieldRef};
use datafusion_common::{Result, ScalarValue, exec_err, internal_err, plan_err};
use datafusion_expr::{
    ColumnarValue, Documentation, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature,
    Volatility,
};
use datafusion_macros::user_doc;

use super::key::{Key, Privacy, SHORTEST};
use crate::common::arguments::{Argument, Arguments, Kind};

const KEY_IN_SQL: &str = "pseudonymize: the key must not stand in the SQL text; hint: leave it out and name \
     its environment variable or its file, SET privacy.key_env = 'NAME' or SET privacy.key_file = 'path'";

static ARGUMENTS: Arguments = Arguments {
    function: "pseudonymize",
    counts: &[1, 2],
    list: &[
        Argument::new("text", Kind::Text),
        Argument::new("key", Kind::Text),
    ],
};

#[user_doc(
    doc_section(label = "Privacy"),
    description = "Code of a text that only the owner of the key can make: HMAC-SHA-256 (RFC 2104) as 64 \
hexadecimal digits. Equal texts get equal codes, so that tables still join; nothing is trimmed or changed to lower \
case first. The key is that of the session, which `[privacy]` in the project or `SET privacy.key_env = 'NAME'` or \
`SET privacy.key_file = 'path'` points to; no plan, error or setting shows it. A second argument is a column of \
keys, e.g. of one key a client. A key that stands in the SQL text is refused, because queries are kept in histories \
and logs. NULL for a NULL.",
    syntax_example = "pseudonymize(text [, key])",
    sql_example = r"```sql
SELECT pseudonymize('ann@example.com', key) AS code
FROM (SELECT repeat('key of client 1 ', n) AS key FROM (VALUES (2)) AS t(n));
+------------------------------------------------------------------+
| code                                                             |
+------------------------------------------------------------------+
| 5d3dc3866463b2f84ccc9c52d23aaf0d7bf367206fdca3eb402fb3ff4d0da755 |
+------------------------------------------------------------------+
```",
    argument(name = "text", description = "Text, such as an e-mail address."),
    argument(
        name = "key",
        description = "Text column of keys, each of at least 16 bytes; the session's key by default."
    )
)]
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct Pseudonymize {
    signature: Signature,
}

impl Pseudonymize {
    pub(crate) fn new() -> Self {
        Self {
            // Stable: the result changes with the key of the session, not within a query.
            signature: Signature::user_defined(Volatility::Stable),
        }
    }
}

impl ScalarUDFImpl for Pseudonymize {
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
        if args
            .scalar_arguments
            .get(1)
            .is_some_and(|key| key.is_some_and(|key| !key.is_null()))
        {
            return plan_err!("{}", KEY_IN_SQL);
        }
        ARGUMENTS.return_field(&args, DataType::Utf8View)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [text, keys @ ..] = args.args.as_slice() else {
            return internal_err!("pseudonymize: expected 1 or 2 arguments");
        };
        let constant = matches!(text, ColumnarValue::Scalar(_)) && keys.is_empty();
        let rows = if constant { 1 } else { args.number_rows };
        let texts = text.to_array(rows)?;
        let codes = match keys.first() {
            None => {
                let session = args.config_options.extensions.get::<Privacy>();
                codes(&texts, session)?
            }
            Some(ColumnarValue::Scalar(key)) if !key.is_null() => return exec_err!("{KEY_IN_SQL}"),
            Some(keys) => codes_by_row(&texts, &keys.to_array(rows)?)?,
        };
        if constant {
            return ScalarValue::try_from_array(&codes, 0).map(ColumnarValue::Scalar);
        }
        Ok(ColumnarValue::Array(Arc::new(codes)))
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}

fn codes(texts: &ArrayRef, privacy: Option<&Privacy>) -> Result<StringViewArray> {
    let texts = texts.as_string_view();
    if texts.null_count() == texts.len() {
        return Ok(StringViewArray::new_null(texts.len()));
    }
    let unset = Privacy::default();
    let key = privacy.unwrap_or(&unset).key()?;
    Ok(texts
        .iter()
        .map(|text| text.map(|text| key.code(text)))
        .collect())
}

fn codes_by_row(texts: &ArrayRef, keys: &ArrayRef) -> Result<StringViewArray> {
    let mut last: Option<(&str, Key)> = None;
    let rows = texts.as_string_view().iter().zip(keys.as_string_view());
    rows.map(|row| {
        let (Some(text), Some(key)) = row else {
            return Ok(None);
        };
        if let Some((known, ready)) = &last
            && *known == key
        {
            return Ok(Some(ready.code(text)));
        }
        // Not with the key in it, as other errors of arguments have their value.
        let Some(ready) = Key::new(key.as_bytes()) else {
            return exec_err!("pseudonymize: argument 'key' must have at least {SHORTEST} bytes");
        };
        let code = ready.code(text);
        last = Some((key, ready));
        Ok(Some(code))
    })
    .collect()
}
