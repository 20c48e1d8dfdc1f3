//! `lookalike_score(people, weights)`: how much each person resembles a seed.

pub(crate) mod model;

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Float64Array, Int64Array, RecordBatch};
use arrow::compute::{filter_record_batch, is_not_null};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion_common::{DataFusionError, Result};
use datafusion_expr::Documentation;
use datafusion_macros::user_doc;

use super::people::pick;
use crate::relation::exec::Output;
use crate::relation::inputs::{Input, Picked, by_name};
use crate::relation::options::{OptionSpec, Options};
use crate::relation::work::{Held, Work, hold};
use crate::relation::{Relation, Run};
use model::{INPUTS, Model, Scorer, Sum, WEIGHTS};

const FUNCTION: &str = "lookalike_score";

#[user_doc(
    doc_section(label = "Look-alikes"),
    description = "How much each person resembles the seed of some weights: a table of id, score, matched and \
probability, one row for each row of `people` that has an id. The score is the sum of the weights of the person's \
values, `matched` how many those are; when there is none, score and probability are NULL. Features are the columns \
that are named in the weights, whatever their order; columns beyond those are ignored, a missing one is an error. The \
probability is σ(intercept + slope · score), slope 1 when the weights have no row `(slope)`, and NULL when they have \
no row `(intercept)`; see `lookalike_weights` for what it refers to.",
    syntax_example = "lookalike_score(people, weights)",
    sql_example = r"```sql
SELECT * FROM lookalike_score(
    (SELECT * FROM (VALUES (1, 'f', 34), (2, 'm', 52), (3, NULL, NULL)) AS p(person_id, sex, age)),
    (SELECT * FROM (VALUES ('(intercept)', NULL, -1.0, NULL, NULL), ('sex', 'f', 0.5, NULL, NULL),
                           ('age', NULL, 0.25, NULL, 40.0), ('age', NULL, -0.25, 40.0, NULL)) AS w(feature, value, weight, low, high)));
+----+-------+---------+---------------------+
| id | score | matched | probability         |
+----+-------+---------+---------------------+
| 1  | 0.75  | 2       | 0.43782349911420193 |
| 2  | -0.25 | 1       | 0.22270013882530884 |
| 3  |       | 0       |                     |
+----+-------+---------+---------------------+
```",
    argument(
        name = "people",
        description = "The people, one row each: the id (an integer or text), then features."
    ),
    argument(
        name = "weights",
        description = "What `lookalike_weights` gives, or a table of your own with the columns feature, value and weight \
(and low, high), found by name."
    )
)]
#[derive(Debug)]
pub(crate) struct LookalikeScore;

impl Relation for LookalikeScore {
    fn name(&self) -> &'static str {
        FUNCTION
    }

    fn inputs(&self) -> &'static [Input] {
        &INPUTS
    }

    fn options(&self) -> &'static [OptionSpec] {
        &[]
    }

    /// The weights first: a batch of people is scored when it comes, and need not be kept.
    fn reading_order(&self) -> Vec<usize> {
        vec![1, 0]
    }

    fn columns(&self, input: usize, schema: &Schema, _: &Options) -> Result<Vec<Picked>> {
        picked(FUNCTION, input, schema)
    }

    fn output(&self, inputs: &[SchemaRef], _: &Options) -> Result<Vec<Field>> {
        Ok(fields(&inputs[0]))
    }

    fn start(&self, inputs: &[SchemaRef], _: &Options) -> Result<Box<dyn Run>> {
        Ok(Box::new(Scores {
            people: People::new(FUNCTION, &inputs[0]),
            batches: Vec::new(),
            held: None,
        }))
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}

/// The columns that both functions read.
pub(super) fn picked(function: &str, input: usize, schema: &Schema) -> Result<Vec<Picked>> {
    match input {
        0 => pick(function, INPUTS[0].name, schema, false),
        _ => by_name(function, INPUTS[1].name, &WEIGHTS, schema),
    }
}

/// The columns that both functions give.
pub(super) fn fields(people: &SchemaRef) -> Vec<Field> {
    vec![
        Field::new("id", people.field(0).data_type().clone(), false),
        Field::new("score", DataType::Float64, true),
        Field::new("matched", DataType::Int64, false),
        Field::new("probability", DataType::Float64, true),
    ]
}

/// First takes the weights, then scores people as they come.
pub(super) struct People {
    function: &'static str,
    schema: SchemaRef,
    pub(super) model: Model,
    scorer: Option<Scorer>,
}

impl People {
    pub(super) fn new(function: &'static str, schema: &SchemaRef) -> Self {
        Self {
            function,
            schema: Arc::clone(schema),
            model: Model::default(),
            scorer: None,
        }
    }

    /// The ids of a batch of people and their sums; nothing for a batch of weights.
    pub(super) fn push(
        &mut self,
        input: usize,
        batch: &RecordBatch,
    ) -> Result<Option<(ArrayRef, Vec<Sum>)>> {
        if input == 1 {
            self.model.push(self.function, batch)?;
            return Ok(None);
        }
        let scorer = match &mut self.scorer {
            Some(scorer) => scorer,
            none => none.insert(self.model.scorer(self.function, &self.schema)?),
        };
        let batch = if batch.column(0).null_count() > 0 {
            filter_record_batch(batch, &is_not_null(batch.column(0))?)?
        } else {
            batch.clone()
        };
        let sums = scorer.score(&batch)?;
        Ok(Some((Arc::clone(batch.column(0)), sums)))
    }
}

/// Score, matched, probability.
pub(super) fn columns(model: &Model, sums: impl Iterator<Item = Sum> + Clone) -> Vec<ArrayRef> {
    let scores = sums.clone().map(Sum::score);
    let probabilities = scores.clone().map(|score| model.probability(score?));
    let matched = sums.map(|sum| i64::from(sum.matched));
    vec![
        Arc::new(scores.collect::<Float64Array>()),
        Arc::new(Int64Array::from_iter_values(matched)),
        Arc::new(probabilities.collect::<Float64Array>()),
    ]
}

struct Scores {
    people: People,
    batches: Vec<(ArrayRef, Vec<Sum>)>,
    held: Option<Held>,
}

impl Run for Scores {
    fn push(&mut self, input: usize, batch: &RecordBatch, work: &Work) -> Result<()> {
        let Some((ids, sums)) = self.people.push(input, batch)? else {
            return Ok(());
        };
        let bytes = ids.get_array_memory_size() + sums.len() * size_of::<Sum>();
        match &mut self.held {
            Some(held) => held.grow(bytes),
            none => hold(none, bytes, work),
        }
        .map_err(|halt| halt.into_error(FUNCTION))?;
        self.batches.push((ids, sums));
        Ok(())
    }

    fn finish(self: Box<Self>, work: &Work, output: &mut Output) -> Result<()> {
        let size = output.batch_size();
        for (ids, sums) in self.batches {
            for start in (0..sums.len()).step_by(size) {
                work.check()
                    .map_err(|halt| -> DataFusionError { halt.into_error(FUNCTION) })?;
                let length = size.min(sums.len() - start);
                let mut batch = vec![ids.slice(start, length)];
                let sums = sums[start..start + length].iter().copied();
                batch.extend(columns(&self.people.model, sums));
                output.send(&batch)?;
            }
        }
        Ok(())
    }
}
