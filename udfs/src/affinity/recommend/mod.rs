//! `recommend(history, neighbours, …)`: what goes with what each visitor has.

mod kernel;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Field, Float64Type, SchemaRef};
use datafusion_common::{DataFusionError, Result, exec_err};
use datafusion_expr::Documentation;
use datafusion_macros::user_doc;

use crate::common::kinds::{Kind, Range};
use crate::relation::exec::Output;
use crate::relation::ids::{Ids, NO_CODE};
use crate::relation::inputs::{Column, Columns, Input};
use crate::relation::options::{OptionKind, OptionSpec, Options};
use crate::relation::shared_ids::{Place, SharedIds, one_kind};
use crate::relation::threads::in_order;
use crate::relation::work::{Halt, Held, Work, bytes_with, hold};
use crate::relation::{Relation, Run};
use kernel::{Graph, Histories, Pairs, Visitors};

const FUNCTION: &str = "recommend";

#[user_doc(
    doc_section(label = "Affinity"),
    description = "The items that go best with what each visitor has: a table of visitor, item, score, evidence and \
rank. The score of an item is the sum of weight · score over the visitor's items that have it among their neighbours; \
`evidence` is how many those are. Items in the visitor's history are left out, also those of weight 0, which say nothing \
of others; a visitor for whom nothing is left has no row. Ties: more evidence first, then the smaller id.",
    syntax_example = "recommend(history, neighbours [, k => 10])",
    sql_example = r"```sql
SELECT * FROM recommend(
    (SELECT * FROM (VALUES ('ann', 'tent', 1.0), ('ann', 'stove', 0.5), ('bob', 'tent', 2.0)) AS h(visitor, item, weight)),
    (SELECT * FROM (VALUES ('tent', 'stove', 0.75), ('tent', 'map', 0.5), ('stove', 'map', 0.25)) AS n(item, other, score)));
+---------+-------+-------+----------+------+
| visitor | item  | score | evidence | rank |
+---------+-------+-------+----------+------+
| ann     | map   | 0.625 | 2        | 1    |
| bob     | stove | 1.5   | 1        | 1    |
| bob     | map   | 1.0   | 1        | 2    |
+---------+-------+-------+----------+------+
```",
    argument(
        name = "history",
        description = "A table (visitor, item [, weight]), by position: integers or text, and a number that is zero or \
above, such as an `affinity`. Weights of the same visitor and item add up; without them an item counts once. A row with \
a NULL is ignored."
    ),
    argument(
        name = "neighbours",
        description = "What `item_to_item` gives, or a table of your own with the columns item, other and score, found by \
name; a pair stands there once. A row with a NULL is ignored."
    ),
    argument(name = "k", description = "How many items a visitor gets at most.")
)]
#[derive(Debug)]
pub(crate) struct Recommend;

static INPUTS: [Input; 2] = [
    Input {
        name: "history",
        columns: Columns::Positional(&[
            Column::new("visitor", Kind::Id),
            Column::new("item", Kind::Id),
            Column::optional("weight", Kind::Number(Range::NonNegative)),
        ]),
    },
    Input {
        name: "neighbours",
        columns: Columns::Named(&[
            Column::new("item", Kind::Id),
            Column::new("other", Kind::Id),
            Column::new("score", Kind::Number(Range::Finite)),
        ]),
    },
];

/// The columns of items.
const ITEMS: [Place; 3] = [(1, 1), (1, 0), (0, 1)];

static OPTIONS: [OptionSpec; 1] = [OptionSpec::new("k", OptionKind::Integer(1), || {
    10_i64.into()
})];

impl Relation for Recommend {
    fn name(&self) -> &'static str {
        FUNCTION
    }

    fn inputs(&self) -> &'static [Input] {
        &INPUTS
    }

    fn options(&self) -> &'static [OptionSpec] {
        &OPTIONS
    }

    /// The neighbours first: of items that are not among them nothing is kept.
    fn reading_order(&self) -> Vec<usize> {
        vec![1, 0]
    }

    fn output(&self, inputs: &[SchemaRef], _: &Options) -> Result<Vec<Field>> {
        one_kind(self, inputs, &ITEMS)?;
        let [visitor, item] = [inputs[0].field(0), inputs[1].field(1)].map(Field::data_type);
        Ok(vec![
            Field::new("visitor", visitor.clone(), false),
            Field::new("item", item.clone(), false),
            Field::new("score", DataType::Float64, false),
            Field::new("evidence", DataType::Int64, false),
            Field::new("rank", DataType::Int64, false),
        ])
    }

    fn start(&self, inputs: &[SchemaRef], options: &Options) -> Result<Box<dyn Run>> {
        let weighted = inputs[0].fields().len() > 2;
        Ok(Box::new(Recommendations {
            item_type: inputs[1].field(1).data_type().clone(),
            items: SharedIds::new(FUNCTION, inputs, &ITEMS),
            visitors: Ids::new(inputs[0].field(0).data_type()),
            pairs: Pairs::default(),
            histories: Histories {
                weight: weighted.then(Vec::new),
                ..Histories::default()
            },
            k: options.count("k"),
            held: None,
        }))
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}

struct Recommendations {
    item_type: DataType,
    items: SharedIds,
    visitors: Ids,
    pairs: Pairs,
    histories: Histories,
    k: usize,
    held: Option<Held>,
}

impl Run for Recommendations {
    fn push(&mut self, input: usize, batch: &RecordBatch, work: &Work) -> Result<()> {
        let rows = batch.num_rows();
        let bytes = self.items.ids().bytes_with(rows)
            + self.visitors.bytes_with(rows)
            + self.pairs.bytes_with(rows)
            + self.histories.bytes_with(rows);
        hold(&mut self.held, bytes, work).map_err(halted)?;
        match input {
            0 => self.push_history(batch),
            _ => self.push_neighbours(batch),
        }
    }

    fn finish(self: Box<Self>, work: &Work, output: &mut Output) -> Result<()> {
        let Self {
            item_type,
            items,
            visitors,
            pairs,
            histories,
            k,
            held: _held,
        } = *self;
        let bytes = (items.ids().len() + visitors.len()) * 8;
        let _ranks = work.reserve(bytes).map_err(halted)?;
        let ranks = [items.ids().ranks(), visitors.ranks()];
        let graph = Graph::new(&pairs, &ranks[0], work).map_err(halted)?;
        let graph = match graph {
            Ok(graph) => graph,
            Err((item, other)) => {
                return exec_err!(
                    "{FUNCTION}: 'neighbours' must have each pair once, got item {} and other {} twice; \
                     hint: GROUP BY item, other",
                    items.ids().show(item),
                    items.ids().show(other)
                );
            }
        };
        drop(pairs);
        let ranks = [ranks[0].as_slice(), &ranks[1]];
        let all = Visitors::new(&graph, &histories, ranks, k, work).map_err(halted)?;
        work.expect_steps(all.shares());
        let worker = || all.worker(work);
        in_order(all.shares(), work.threads(), worker, |rows| {
            rows.map_err(halted)?.send(
                output,
                |codes| visitors.decode(codes),
                |codes| items.decode(codes, &item_type),
            )
        })
    }
}

impl Recommendations {
    fn push_neighbours(&mut self, batch: &RecordBatch) -> Result<()> {
        let rows = batch.num_rows();
        let (mut items, mut others) = (Vec::with_capacity(rows), Vec::with_capacity(rows));
        self.items.encode(batch, 0, &mut items)?;
        self.items.encode(batch, 1, &mut others)?;
        let scores = batch.column(2).as_primitive::<Float64Type>();
        for (row, (item, other)) in items.into_iter().zip(others).enumerate() {
            if item == NO_CODE || other == NO_CODE || scores.is_null(row) {
                continue;
            }
            let score = scores.value(row);
            if !score.is_finite() {
                return exec_err!(
                    "{FUNCTION}: column 'score' of 'neighbours' must be a finite number, got {score}; \
                     hint: make what is not known NULL"
                );
            }
            self.pairs.item.push(item);
            self.pairs.other.push(other);
            self.pairs.score.push(score);
        }
        Ok(())
    }

    fn push_history(&mut self, batch: &RecordBatch) -> Result<()> {
        let rows = batch.num_rows();
        let (mut visitors, mut items) = (Vec::with_capacity(rows), Vec::with_capacity(rows));
        self.visitors.encode(batch.column(0), &mut visitors)?;
        self.items.find(batch, 1, &mut items)?;
        let given = self.histories.weight.is_some();
        let weights = given.then(|| batch.column(2).as_primitive::<Float64Type>());
        for (row, (visitor, item)) in visitors.into_iter().zip(items).enumerate() {
            if visitor == NO_CODE || batch.column(1).is_null(row) {
                continue;
            }
            if let Some(weights) = weights {
                if weights.is_null(row) {
                    continue;
                }
                let weight = weights.value(row);
                if !Range::NonNegative.contains(weight) {
                    return exec_err!(
                        "{FUNCTION}: column 'weight' of 'history' must be zero or a positive number, got {weight}; \
                         hint: make what is not known NULL"
                    );
                }
                if item != NO_CODE {
                    self.histories.weight.get_or_insert_default().push(weight);
                }
            }
            if item != NO_CODE {
                self.histories.visitor.push(visitor);
                self.histories.item.push(item);
            }
        }
        Ok(())
    }
}

impl Pairs {
    fn bytes_with(&self, rows: usize) -> usize {
        bytes_with(&self.item, rows) + bytes_with(&self.other, rows) + bytes_with(&self.score, rows)
    }
}

impl Histories {
    fn bytes_with(&self, rows: usize) -> usize {
        let weights = self.weight.as_ref().map_or(0, |w| bytes_with(w, rows));
        bytes_with(&self.visitor, rows) + bytes_with(&self.item, rows) + weights
    }
}

fn halted(halt: Halt) -> DataFusionError {
    halt.into_error(FUNCTION)
}
