//! `lookalike_expand(people, weights, …)`: the people who resemble a seed most.

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion_common::{Result, ScalarValue, exec_err, plan_err};
use datafusion_expr::Documentation;
use datafusion_macros::user_doc;

use super::lookalike_score::model::{INPUTS, Sum};
use super::lookalike_score::{People, columns, fields, picked};
use super::lookalike_weights::INTERCEPT;
use crate::common::kinds::Range;
use crate::relation::exec::Output;
use crate::relation::ids::Ids;
use crate::relation::inputs::{Input, Picked};
use crate::relation::options::{OptionKind, OptionSpec, Options};
use crate::relation::work::{Halt, Held, Work, bytes_with, hold};
use crate::relation::{Relation, Run};

const FUNCTION: &str = "lookalike_expand";

/// A seed below this is refused.
const SEED: i64 = 100;

#[user_doc(
    doc_section(label = "Look-alikes"),
    description = "The audience: those of `people` with the highest scores (see `lookalike_score`), a table of id, \
score, matched, probability and rank. Give either their number or their share of all people with an id, rounded to \
whole people. People without a score are never among them, so that it may be fewer. Weights from a seed of fewer than \
100 people are refused, unless `force => true`: they tell more about those few than about whom they stand for. Leave \
the seed itself out of `people`, or it comes first. Ties: more matched values first, then the smaller id.",
    syntax_example = "lookalike_expand(people, weights, size => 10000 | share => 0.05 [, force => false])",
    sql_example = r"```sql
SELECT id, score, rank FROM lookalike_expand(
    (SELECT * FROM (VALUES (1, 'f'), (2, 'm'), (3, 'f'), (4, NULL)) AS p(person_id, sex)),
    (SELECT * FROM (VALUES ('(intercept)', NULL, -2.0, 250), ('sex', 'f', 0.5, 200)) AS w(feature, value, weight, seed_n)),
    share => 0.5);
+----+-------+------+
| id | score | rank |
+----+-------+------+
| 1  | 0.5   | 1    |
| 3  | 0.5   | 2    |
+----+-------+------+
```",
    argument(
        name = "people",
        description = "The people to choose from, one row each: the id (an integer or text), then features."
    ),
    argument(
        name = "weights",
        description = "What `lookalike_weights` gives; its row `(intercept)` tells the size of the seed."
    ),
    argument(name = "size", description = "How many people are wanted."),
    argument(
        name = "share",
        description = "What share of the people is wanted, above 0 and at most 1."
    ),
    argument(name = "force", description = "Accept a seed below 100.")
)]
#[derive(Debug)]
pub(crate) struct LookalikeExpand;

static OPTIONS: [OptionSpec; 3] = [
    OptionSpec::new("size", OptionKind::Integer(1), || ScalarValue::Null),
    OptionSpec::new("share", OptionKind::Number(Range::Share), || {
        ScalarValue::Null
    }),
    OptionSpec::new("force", OptionKind::Flag, || false.into()),
];

impl Relation for LookalikeExpand {
    fn name(&self) -> &'static str {
        FUNCTION
    }

    fn inputs(&self) -> &'static [Input] {
        &INPUTS
    }

    fn options(&self) -> &'static [OptionSpec] {
        &OPTIONS
    }

    /// See `lookalike_score`.
    fn reading_order(&self) -> Vec<usize> {
        vec![1, 0]
    }

    fn columns(&self, input: usize, schema: &Schema, _: &Options) -> Result<Vec<Picked>> {
        picked(FUNCTION, input, schema)
    }

    fn output(&self, inputs: &[SchemaRef], options: &Options) -> Result<Vec<Field>> {
        let got = match (options.count("size"), options.number("share")) {
            (0, None) => "neither",
            (0, _) | (_, None) => {
                let mut fields = fields(&inputs[0]);
                fields.push(Field::new("rank", DataType::Int64, false));
                return Ok(fields);
            }
            _ => "both",
        };
        plan_err!(
            "{FUNCTION}: expected either size or share, got {got}; hint: write size => 10000 or share => 0.05"
        )
    }

    fn start(&self, inputs: &[SchemaRef], options: &Options) -> Result<Box<dyn Run>> {
        Ok(Box::new(Audience {
            people: People::new(FUNCTION, &inputs[0]),
            ids: Ids::new(inputs[0].field(0).data_type()),
            codes: Vec::new(),
            sums: Vec::new(),
            held: None,
            size: options.count("size"),
            share: options.number("share"),
            force: options.flag("force"),
        }))
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}

struct Audience {
    people: People,
    ids: Ids,
    codes: Vec<u32>,
    sums: Vec<Sum>,
    held: Option<Held>,
    size: usize,
    share: Option<f64>,
    force: bool,
}

impl Run for Audience {
    fn push(&mut self, input: usize, batch: &RecordBatch, work: &Work) -> Result<()> {
        if input == 0 && self.codes.is_empty() {
            // Before the work, not after it.
            self.check_seed()?;
        }
        let Some((ids, sums)) = self.people.push(input, batch)? else {
            return Ok(());
        };
        let rows = sums.len();
        let bytes = self.ids.bytes_with(rows)
            + bytes_with(&self.codes, rows)
            + bytes_with(&self.sums, rows);
        hold(&mut self.held, bytes, work).map_err(halted)?;
        self.ids.encode(&ids, &mut self.codes)?;
        self.sums.extend(sums);
        Ok(())
    }

    fn finish(self: Box<Self>, work: &Work, output: &mut Output) -> Result<()> {
        self.check_seed()?;
        let _held = work.reserve(self.codes.len() * 16).map_err(halted)?;
        let ranks = self.ids.ranks();
        let mut best: Vec<(f64, u32, u32, u32)> = Vec::new();
        for (place, (sum, code)) in (0..).zip(self.sums.iter().zip(&self.codes)) {
            if let Some(score) = sum.score() {
                best.push((score, sum.matched, ranks[*code as usize], place));
            }
        }
        let wanted = match self.share {
            Some(share) => (share * self.codes.len() as f64).round() as usize,
            None => self.size,
        };
        let first = |a: &(f64, u32, u32, u32), b: &(f64, u32, u32, u32)| {
            let score = b.0.total_cmp(&a.0);
            score.then(b.1.cmp(&a.1)).then(a.2.cmp(&b.2))
        };
        if wanted < best.len() {
            best.select_nth_unstable_by(wanted, first);
            best.truncate(wanted);
        }
        best.sort_unstable_by(first);
        let size = output.batch_size();
        for (chunk, start) in best.chunks(size).zip((1..).step_by(size)) {
            work.check().map_err(halted)?;
            let places = chunk.iter().map(|(_, _, _, place)| *place as usize);
            let codes: Vec<u32> = places.clone().map(|place| self.codes[place]).collect();
            let mut batch = vec![self.ids.decode(&codes)?];
            batch.extend(columns(
                &self.people.model,
                places.map(|place| self.sums[place]),
            ));
            let rank = (start..).take(chunk.len());
            batch.push(std::sync::Arc::new(Int64Array::from_iter_values(rank)) as ArrayRef);
            output.send(&batch)?;
        }
        Ok(())
    }
}

impl Audience {
    fn check_seed(&self) -> Result<()> {
        match self.people.model.seed_n {
            _ if self.force => Ok(()),
            Some(SEED..) => Ok(()),
            Some(seed) => exec_err!(
                "{FUNCTION}: the seed must have at least {SEED} people, got {seed}; hint: take a larger seed, or write \
                 force => true"
            ),
            None => exec_err!(
                "{FUNCTION}: 'weights' must tell the size of its seed in seed_n of a row '{INTERCEPT}'; hint: take what \
                 lookalike_weights gives, or write force => true"
            ),
        }
    }
}

fn halted(halt: Halt) -> datafusion_common::DataFusionError {
    halt.into_error(FUNCTION)
}
