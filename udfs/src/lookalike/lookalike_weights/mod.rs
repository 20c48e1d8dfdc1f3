//! `lookalike_weights(seed, base, …)`: what tells the people of a seed from those of a base.

mod kernel;
mod people;

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::array::{ArrayRef, AsArray, Float64Array, Int64Array, StringBuilder};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion_common::{Result, ScalarValue, plan_err};
use datafusion_expr::Documentation;
use datafusion_macros::user_doc;

use super::people::pick;
use crate::common::kinds::{Range, is_text};
use crate::relation::exec::Output;
use crate::relation::inputs::{Columns, Input, Picked, missing};
use crate::relation::options::{OptionKind, OptionSpec, Options};
use crate::relation::work::Work;
use crate::relation::{Relation, Run};
use kernel::{Found, Method, What};
use people::{INPUTS, Name, People};

const FUNCTION: &str = "lookalike_weights";

/// The row that holds the intercept, and the sizes of seed and base.
pub(super) const INTERCEPT: &str = "(intercept)";
/// The row that holds what a sum of log-odds is multiplied with on its way to a probability.
pub(super) const SLOPE: &str = "(slope)";

#[user_doc(
    doc_section(label = "Look-alikes"),
    description = "What tells the people of a seed (such as customers) from those of a base (such as everybody else): \
a table of feature, value, low, high, weight, seed_n and base_n, with one row for each value that at least \
`min_support` people have. The first column of each input is the id, every other column a feature: text, a BOOLEAN, a \
LIST as a set in which each value counts, or a number. A number with more different values in the base than `bins` is \
cut into that many bins of about as many people of the base; `low` belongs to a bin, `high` to the next one, and NULL \
is open. Unknown is a value of its own (value, low and high are NULL; an empty list is not unknown). People of the base \
who are in the seed too are left out of the base; a row without id is ignored.\n\n\
A positive weight speaks for the likeness, a negative one against it. `log_odds`, with s of S people in the seed and b \
of R in the base: ln((s/S + k)/(b/R + k)), k = alpha/min(S, R); each value is weighed by itself, so that a weight is \
explained by the counts beside it. `logistic`: logistic regression on the same values with the L2 penalty alpha \
(scikit-learn's C = 1/alpha), which shares out what several values say together: better scores, when they overlap.\n\n\
The row `(intercept)` has the sizes of seed and base as seed_n and base_n. `lookalike_score` makes a probability of a \
sum of weights with it, and with the row `(slope)` that log-odds have (Platt 1999): the probability to be one of the \
seed, for somebody drawn from seed and base as they were given. When the base is a sample or the seed is not \
everybody, it orders people but is no rate. Without seed or base all weights are NULL.",
    syntax_example = "lookalike_weights(seed, base [, method => 'log_odds', alpha => 1.0, min_support => 5, bins => 10])",
    sql_example = r"```sql
SELECT feature, value, round(weight, 3) AS weight, seed_n, base_n
FROM lookalike_weights(
    (SELECT * FROM (VALUES (1, 'f', ['tent', 'map']), (2, 'f', ['tent']), (3, NULL, ['tent'])) AS s(id, sex, likes)),
    (SELECT * FROM (VALUES (4, 'f', ['map']), (5, 'm', ['tent']), (6, 'm', []), (7, 'm', ['map'])) AS b(id, sex, likes)),
    min_support => 2)
WHERE feature NOT LIKE '(%' ORDER BY weight DESC;
+---------+-------+--------+--------+--------+
| feature | value | weight | seed_n | base_n |
+---------+-------+--------+--------+--------+
| likes   | tent  | 0.827  | 3      | 1      |
| sex     | f     | 0.539  | 2      | 1      |
| likes   | map   | -0.223 | 1      | 2      |
| sex     | m     | -1.179 | 0      | 3      |
+---------+-------+--------+--------+--------+
```",
    argument(
        name = "seed",
        description = "The people to find more of, one row a person: the id (an integer or text), then features."
    ),
    argument(
        name = "base",
        description = "The people to tell them from: the same columns, found by name."
    ),
    argument(name = "method", description = "`log_odds` or `logistic`."),
    argument(
        name = "alpha",
        description = "How strongly weights are drawn to zero, above 0: people that are added to each count, or the penalty."
    ),
    argument(
        name = "min_support",
        description = "How many people, seed and base together, must have a value."
    ),
    argument(
        name = "bins",
        description = "How many bins a number is cut into, at least 2."
    )
)]
#[derive(Debug)]
pub(crate) struct LookalikeWeights;

static INPUT: [Input; 2] = [
    Input {
        name: INPUTS[0],
        columns: Columns::Chosen,
    },
    Input {
        name: INPUTS[1],
        columns: Columns::Chosen,
    },
];

static OPTIONS: [OptionSpec; 4] = [
    OptionSpec::new(
        "method",
        OptionKind::Choice(&["log_odds", "logistic"]),
        || ScalarValue::from("log_odds"),
    ),
    OptionSpec::new("alpha", OptionKind::Number(Range::Positive), || {
        1.0_f64.into()
    }),
    OptionSpec::new("min_support", OptionKind::Integer(1), || 5_i64.into()),
    OptionSpec::new("bins", OptionKind::Integer(2), || 10_i64.into()),
];

impl Relation for LookalikeWeights {
    fn name(&self) -> &'static str {
        FUNCTION
    }

    fn inputs(&self) -> &'static [Input] {
        &INPUT
    }

    fn options(&self) -> &'static [OptionSpec] {
        &OPTIONS
    }

    fn columns(&self, input: usize, schema: &Schema, _: &Options) -> Result<Vec<Picked>> {
        let name = INPUTS[input];
        let picked = pick(FUNCTION, name, schema, true)?;
        if picked.len() < 2 {
            return plan_err!(
                "{FUNCTION}: '{name}' must have an id and at least one feature, got one column ({})",
                schema.field(0).name()
            );
        }
        Ok(picked)
    }

    fn output(&self, inputs: &[SchemaRef], _: &Options) -> Result<Vec<Field>> {
        let [seed, base] = [&inputs[0], &inputs[1]];
        for (schema, other, name) in [(seed, base, INPUTS[1]), (base, seed, INPUTS[0])] {
            for field in &schema.fields()[1..] {
                if !other.fields()[1..].iter().any(|f| f.name() == field.name()) {
                    return Err(missing(FUNCTION, name, field.name(), other));
                }
            }
        }
        let ids = [seed, base].map(|schema| schema.field(0));
        let mut pairs = vec![("the id", ids[0], ids[1])];
        for field in &seed.fields()[1..] {
            pairs.push((field.name(), field, base.field_with_name(field.name())?));
        }
        for (place, (name, seed, base)) in pairs.into_iter().enumerate() {
            let kinds = [seed, base].map(|field| kind(field.data_type(), place == 0));
            if kinds[0] != kinds[1] {
                return plan_err!(
                    "{FUNCTION}: '{name}' must be of one kind in 'seed' and 'base', got {} and {}; hint: cast one of them",
                    kinds[0],
                    kinds[1]
                );
            }
            if [INTERCEPT, SLOPE].contains(&name) {
                return plan_err!("{FUNCTION}: a feature cannot be called '{name}'");
            }
        }
        Ok(vec![
            Field::new("feature", DataType::Utf8, false),
            Field::new("value", DataType::Utf8, true),
            Field::new("low", DataType::Float64, true),
            Field::new("high", DataType::Float64, true),
            Field::new("weight", DataType::Float64, true),
            Field::new("seed_n", DataType::Int64, false),
            Field::new("base_n", DataType::Int64, false),
        ])
    }

    fn start(&self, inputs: &[SchemaRef], options: &Options) -> Result<Box<dyn Run>> {
        let method = match options.text("method") {
            Some("logistic") => Method::Logistic,
            _ => Method::LogOdds,
        };
        Ok(Box::new(Training {
            people: People::new(inputs),
            options: kernel::Options {
                method,
                alpha: options.number("alpha").unwrap_or(1.0),
                min_support: options.count("min_support") as u64,
                bins: options.count("bins"),
            },
        }))
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}

/// What a column is to a reader.
fn kind(data_type: &DataType, id: bool) -> &'static str {
    match data_type {
        DataType::List(_) => "a LIST",
        text if is_text(text) => "text",
        _ if id => "an integer",
        _ => "a number",
    }
}

struct Training {
    people: People,
    options: kernel::Options,
}

impl Run for Training {
    fn push(&mut self, input: usize, batch: &RecordBatch, work: &Work) -> Result<()> {
        self.people.push(input, batch, work)
    }

    fn finish(self: Box<Self>, work: &Work, output: &mut Output) -> Result<()> {
        let this = *self;
        let (names, cells, lots, seed, held) = this.people.take();
        let sizes = [seed, lots.len() - seed];
        let found = kernel::weights(cells, &lots, seed, &this.options, work);
        let found = found.map_err(|halt| halt.into_error(FUNCTION))?;
        drop(held);
        let columns = rows(&names, &found, sizes)?;
        let size = output.batch_size();
        let rows = columns[0].len();
        for start in (0..rows).step_by(size) {
            let length = size.min(rows - start);
            let batch = columns.iter().map(|column| column.slice(start, length));
            output.send(&batch.collect::<Vec<_>>())?;
        }
        Ok(())
    }
}

/// The output: the intercept, the slope, then all values, column by column.
fn rows(names: &[Name], (values, weights): &Found, sizes: [usize; 2]) -> Result<Vec<ArrayRef>> {
    let (mut features, mut texts) = (StringBuilder::new(), StringBuilder::new());
    let (mut low, mut high) = (Vec::new(), Vec::new());
    let mut counts = [Vec::new(), Vec::new()];
    let mut weight = Vec::new();
    let line = [
        Some((INTERCEPT, weights.as_ref().map(|weights| weights.intercept))),
        weights
            .as_ref()
            .and_then(|weights| Some((SLOPE, Some(weights.slope?)))),
    ];
    for (name, value) in line.into_iter().flatten() {
        features.append_value(name);
        texts.append_null();
        low.push(None);
        high.push(None);
        weight.push(value);
        for (counts, size) in counts.iter_mut().zip(sizes) {
            counts.push(size as i64);
        }
    }
    for (name, values) in names.iter().zip(values) {
        let codes = values.iter().filter_map(|value| match value.what {
            What::Code(code) => Some(code),
            _ => None,
        });
        let known = match &name.values {
            Some(ids) => Some(cast(
                &ids.decode(&codes.collect::<Vec<_>>())?,
                &DataType::Utf8,
            )?),
            None => None,
        };
        let mut known = known.iter().flat_map(AsArray::as_string::<i32>);
        for value in values {
            features.append_value(&name.name);
            let bounds = match value.what {
                What::Bin { low, high } => {
                    [low, high].map(|bound| Some(bound).filter(|b| b.is_finite()))
                }
                _ => [None, None],
            };
            match value.what {
                What::Code(_) => texts.append_option(known.next().flatten()),
                What::Number(number) => texts.append_value(number.to_string()),
                What::Bin { .. } => texts.append_value(label(bounds)),
                What::Unknown => texts.append_null(),
            }
            low.push(bounds[0]);
            high.push(bounds[1]);
            counts[0].push(value.seed_n as i64);
            counts[1].push(value.base_n as i64);
        }
    }
    match weights {
        Some(weights) => weight.extend(weights.values.iter().copied().map(Some)),
        None => weight.resize(low.len(), None),
    }
    let [seed_n, base_n] = counts;
    Ok(vec![
        Arc::new(features.finish()),
        Arc::new(texts.finish()),
        Arc::new(Float64Array::from(low)),
        Arc::new(Float64Array::from(high)),
        Arc::new(Float64Array::from(weight)),
        Arc::new(Int64Array::from(seed_n)),
        Arc::new(Int64Array::from(base_n)),
    ])
}

/// A bin in words.
fn label(bounds: [Option<f64>; 2]) -> String {
    match bounds {
        [None, None] => "any".to_owned(),
        [None, Some(high)] => format!("below {high}"),
        [Some(low), None] => format!("{low} or more"),
        [Some(low), Some(high)] => format!("{low} to below {high}"),
    }
}
