//! `path_ngrams(path, n)`: a navigation path as a set of features.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, ListBuilder, StringViewBuilder};
use arrow::datatypes::{DataType, FieldRef, Int64Type};
use datafusion_common::{Result, ScalarValue, exec_datafusion_err, internal_err};
use datafusion_expr::{
    ColumnarValue, Documentation, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature,
    Volatility,
};
use datafusion_macros::user_doc;

use crate::common::arguments::{Argument, Arguments, Kind, at_planning, plain};
use crate::common::bags::field_types;

static ARGUMENTS: Arguments = Arguments {
    function: "path_ngrams",
    counts: &[2],
    list: &[
        Argument::new("path", Kind::List),
        Argument::new("n", Kind::Count),
    ],
};

#[user_doc(
    doc_section(label = "Clickstream"),
    description = "Every run of `n` consecutive steps of a path, joined by ` > `, LIST<TEXT> in the order of the \
path. Repeats of one step are folded first and NULL steps ignored. A path of fewer than `n` steps has none; NULL \
when an argument is NULL. Makes a path comparable as a set, for `jaccard` and `twins`.",
    syntax_example = "path_ngrams(path, n)",
    sql_example = r"```sql
SELECT path_ngrams(['home', 'shoes', 'shoes', 'bags', 'cart'], 2) AS pairs;
+-------------------------------------------+
| pairs                                     |
+-------------------------------------------+
| [home > shoes, shoes > bags, bags > cart] |
+-------------------------------------------+
```",
    argument(
        name = "path",
        description = "LIST of text, numbers, dates or booleans, as from array_agg(category ORDER BY event_time)."
    ),
    argument(name = "n", description = "The number of steps in a run, 1 or more.")
)]
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct PathNgrams {
    signature: Signature,
}

impl PathNgrams {
    pub(crate) fn new() -> Self {
        Self {
            signature: Signature::user_defined(Volatility::Immutable),
        }
    }
}

impl ScalarUDFImpl for PathNgrams {
    fn name(&self) -> &str {
        ARGUMENTS.function
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        Ok(check_types(given).unwrap_or_else(|_| given.to_vec()))
    }

    fn return_type(&self, _given: &[DataType]) -> Result<DataType> {
        internal_err!("return_field_from_args is used instead")
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        check_types(&field_types(&args))?;
        if let Some(Some(literal)) = args.scalar_arguments.get(1)
            && let ScalarValue::Int64(Some(n)) = literal.cast_to(&DataType::Int64)?
        {
            steps(n).map_err(at_planning)?;
        }
        ARGUMENTS.return_field(&args, DataType::new_list(DataType::Utf8View, true))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let constant = args
            .args
            .iter()
            .all(|value| matches!(value, ColumnarValue::Scalar(_)));
        let rows = if constant { 1 } else { args.number_rows };
        let paths = args.args[0].to_array(rows)?;
        let n = args.args[1].to_array(rows)?;
        let ngrams = ngrams(&paths, &n)?;
        if constant {
            let value = ScalarValue::try_from_array(&ngrams, 0)?;
            return Ok(ColumnarValue::Scalar(value));
        }
        Ok(ColumnarValue::Array(ngrams))
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}

/// A list of text and the number of steps; elements of another type are cast to text.
fn check_types(given: &[DataType]) -> Result<Vec<DataType>> {
    ARGUMENTS.check_types(given)?;
    if let DataType::List(field)
    | DataType::LargeList(field)
    | DataType::FixedSizeList(field, _)
    | DataType::ListView(field)
    | DataType::LargeListView(field) = plain(&given[0])
    {
        let element = plain(field.data_type());
        if element.is_nested() || element.is_binary() {
            let got = &given[0];
            return Err(at_planning(ARGUMENTS.invalid(
                0,
                "a LIST of text or numbers",
                got,
            )));
        }
    }
    let path = DataType::new_list(DataType::Utf8View, true);
    Ok(vec![path, DataType::Int64])
}

/// The number of steps, when it is one.
fn steps(n: i64) -> Result<usize> {
    if n < 1 {
        return Err(ARGUMENTS.invalid(1, "a positive integer", n));
    }
    // No path is as long as the largest number.
    Ok(usize::try_from(n).unwrap_or(usize::MAX))
}

fn ngrams(paths: &ArrayRef, n: &ArrayRef) -> Result<ArrayRef> {
    let paths = paths.as_list::<i32>();
    let steps_of_all = paths.values().as_string_view();
    let n = n.as_primitive::<Int64Type>();
    let mut runs = ListBuilder::new(StringViewBuilder::new());
    let mut path: Vec<&str> = Vec::new();
    let mut text = String::new();
    for (row, bounds) in paths.offsets().windows(2).enumerate() {
        let known = n.is_valid(row) && paths.is_valid(row);
        if known {
            path.clear();
            for index in bounds[0] as usize..bounds[1] as usize {
                if steps_of_all.is_valid(index) && path.last() != Some(&steps_of_all.value(index)) {
                    path.push(steps_of_all.value(index));
                }
            }
            for run in path.windows(steps(n.value(row))?) {
                join(run, &mut text);
                // A view holds at most 2^32 − 1 bytes.
                runs.values()
                    .try_append_value(&text)
                    .map_err(|error| exec_datafusion_err!("path_ngrams: {error}"))?;
            }
        }
        runs.append(known);
    }
    Ok(Arc::new(runs.finish()))
}

/// Joins the steps of a run into `text`.
fn join(run: &[&str], text: &mut String) {
    text.clear();
    for (index, step) in run.iter().enumerate() {
        if index > 0 {
            text.push_str(" > ");
        }
        text.push_str(step);
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::Int64Array;

    use super::*;

    fn result(path: &[Option<&str>], n: i64) -> Result<Vec<String>> {
        let mut paths = ListBuilder::new(StringViewBuilder::new());
        for step in path {
            paths.values().append_option(*step);
        }
        paths.append(true);
        let paths: ArrayRef = Arc::new(paths.finish());
        let n: ArrayRef = Arc::new(Int64Array::from(vec![n]));
        let lists = ngrams(&paths, &n)?;
        let runs = lists.as_list::<i32>().value(0);
        let runs = runs.as_string_view().iter();
        Ok(runs.map(|run| run.unwrap().to_owned()).collect())
    }

    const PATH: [Option<&str>; 6] = [Some("a"), Some("a"), None, Some("a"), Some("b"), Some("a")];

    #[test]
    fn repeats_are_folded_over_unknown_steps() {
        assert_eq!(result(&PATH, 1).unwrap(), ["a", "b", "a"]);
        assert_eq!(result(&PATH, 2).unwrap(), ["a > b", "b > a"]);
        assert_eq!(result(&PATH, 3).unwrap(), ["a > b > a"]);
        assert_eq!(result(&PATH, 4).unwrap(), [""; 0]);
        assert_eq!(result(&PATH, i64::MAX).unwrap(), [""; 0]);
        assert_eq!(result(&[], 1).unwrap(), [""; 0]);
    }

    #[test]
    fn a_run_has_at_least_one_step() {
        assert_eq!(
            result(&PATH, 0).unwrap_err().strip_backtrace(),
            "Execution error: path_ngrams: argument 'n' must be a positive integer, got 0"
        );
    }
}
