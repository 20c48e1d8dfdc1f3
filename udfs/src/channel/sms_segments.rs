//! `sms_segments(text)`: how many messages a text is billed as.

use std::sync::Arc;

use arrow::array::{AsArray, Int64Array};
use arrow::datatypes::{DataType, FieldRef};
use datafusion_common::{Result, ScalarValue, internal_err};
use datafusion_expr::{
    ColumnarValue, Documentation, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature,
    Volatility,
};
use datafusion_macros::user_doc;

use crate::common::arguments::{Argument, Arguments, Kind};

static ARGUMENTS: Arguments = Arguments {
    function: "sms_segments",
    counts: &[1],
    list: &[Argument::new("text", Kind::Text)],
};

#[user_doc(
    doc_section(label = "Channels"),
    description = "Number of messages that a text is sent as. A text in the GSM-7 alphabet (3GPP TS 23.038) has room \
for 160 septets, or 153 in each part of a longer one; `^ { } \\ [ ] ~ | €` take two. Any other character makes it \
UCS-2 with 70, or 67 a part, and characters beyond U+FFFF take two. A pair is never split between two parts. Empty \
text is 0, NULL is NULL.",
    syntax_example = "sms_segments(text)",
    sql_example = r"```sql
SELECT sms_segments('20 % off today') AS gsm, sms_segments(repeat('ж', 71)) AS cyrillic;
+-----+----------+
| gsm | cyrillic |
+-----+----------+
| 1   | 2        |
+-----+----------+
```",
    argument(name = "text", description = "The text of the message.")
)]
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct SmsSegments {
    signature: Signature,
}

impl SmsSegments {
    pub(crate) fn new() -> Self {
        Self {
            signature: Signature::user_defined(Volatility::Immutable),
        }
    }
}

impl ScalarUDFImpl for SmsSegments {
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
        ARGUMENTS.return_field(&args, DataType::Int64)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        match args.args.as_slice() {
            [ColumnarValue::Scalar(text)] => {
                let segments = text.try_as_str().flatten().map(segments);
                Ok(ColumnarValue::Scalar(ScalarValue::Int64(segments)))
            }
            [ColumnarValue::Array(texts)] => {
                let counts = texts.as_string_view().iter().map(|text| text.map(segments));
                Ok(ColumnarValue::Array(Arc::new(
                    counts.collect::<Int64Array>(),
                )))
            }
            _ => internal_err!("sms_segments: expected 1 argument"),
        }
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}

/// The basic character set, without the escape; ASCII letters and digits are tested by range.
const BASIC: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./:;<=>?¡ÄÖÑÜ§¿äöñüà";
/// The extension table: each character is sent as an escape and a septet.
const EXTENSION: &str = "\u{c}^{}\\[~]|€";

fn segments(text: &str) -> i64 {
    pack(text, gsm_septets, 160, 153)
        .or_else(|| pack(text, |c| Some(c.len_utf16()), 70, 67))
        .unwrap_or(0)
}

/// The number of segments, `None` when a character has no size in this encoding.
fn pack(
    text: &str,
    size: impl Fn(char) -> Option<usize>,
    single: usize,
    part: usize,
) -> Option<i64> {
    let (mut total, mut parts, mut filled) = (0, 1, 0);
    for character in text.chars() {
        let size = size(character)?;
        total += size;
        // What does not fit whole goes to the next part: a pair is not split.
        if filled + size > part {
            parts += 1;
            filled = 0;
        }
        filled += size;
    }
    Some(match total {
        0 => 0,
        total if total <= single => 1,
        _ => parts,
    })
}

fn gsm_septets(character: char) -> Option<usize> {
    if character.is_ascii_alphanumeric() || BASIC.contains(character) {
        Some(1)
    } else {
        EXTENSION.contains(character).then_some(2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_alphabet_has_127_characters_and_ten_extensions() {
        let basic: std::collections::BTreeSet<_> = BASIC
            .chars()
            .chain('0'..='9')
            .chain('a'..='z')
            .chain('A'..='Z')
            .collect();
        assert_eq!(basic.len(), 127, "128 codes, one of which is the escape");
        assert_eq!(EXTENSION.chars().count(), 10);
        assert!(EXTENSION.chars().all(|c| !basic.contains(&c)));
        assert!(
            ['`', 'ç', 'ê', '\t', '’']
                .iter()
                .all(|&c| gsm_septets(c).is_none())
        );
    }

    #[test]
    fn segments_at_their_limits() {
        for (character, sizes) in [
            ('a', [160, 161, 306, 307, 459, 460]),
            ('ж', [70, 71, 134, 135, 201, 202]),
            // Two units each; 76 escape pairs in 153 septets, 33 surrogate pairs in 67 units.
            ('€', [80, 81, 152, 153, 228, 229]),
            ('😀', [35, 36, 66, 67, 99, 100]),
        ] {
            let counts = sizes.map(|size| segments(&character.to_string().repeat(size)));
            assert_eq!(counts, [1, 2, 2, 3, 3, 4], "{character}");
        }
        assert_eq!(segments(""), 0);
    }

    #[test]
    fn one_foreign_character_makes_the_whole_text_ucs2() {
        let text = "a".repeat(70);
        assert_eq!(segments(&text), 1);
        assert_eq!(segments(&format!("{text}ç")), 2);
    }

    #[test]
    fn a_pair_moves_whole_to_the_next_part() {
        // 152 + 2 > 153: the euro sign starts the second part, which then has room for 151 more.
        let text = format!("{}€", "a".repeat(152));
        assert_eq!(segments(&format!("{text}{}", "a".repeat(151))), 2);
        assert_eq!(segments(&format!("{text}{}", "a".repeat(152))), 3);
    }
}
