//! `item_to_item(views, …)`: which items the same visitors look at.

mod kernel;

use std::sync::Arc;

use arrow::array::{Float64Array, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, SchemaRef};
use datafusion_common::{DataFusionError, Result, ScalarValue};
use datafusion_expr::Documentation;
use datafusion_macros::user_doc;

use crate::common::kinds::Kind;
use crate::relation::exec::Output;
use crate::relation::ids::{Ids, NO_CODE};
use crate::relation::inputs::{Column, Columns, Input};
use crate::relation::options::{OptionKind, OptionSpec, Options};
use crate::relation::work::{Halt, Held, Work, bytes_with};
use crate::relation::{Relation, Run};
use kernel::Measure;

#[user_doc(
    doc_section(label = "Affinity"),
    description = "The items that most resemble each item, by the visitors that they share: a table of item, other, \
score, support (visitors with both) and rank. Repeated views count once; visitors with more than `max_items` different \
items are left out altogether. With a and b the visitors of each item, s those of both and N all: `count` is s, \
`jaccard` s/(a+b−s), `cosine` s/√(a·b), `lift` s·N/(a·b), `llr` the signed root of Dunning's ratio, `conditional` s/a. \
Ties: more support first, then the smaller id.",
    syntax_example = "item_to_item(views [, k => 10, measure => 'cosine', min_support => 1, max_items => 200])",
    sql_example = r"```sql
SELECT * FROM item_to_item((
    SELECT * FROM (VALUES ('ann', 'tent'), ('ann', 'stove'), ('bob', 'tent'), ('bob', 'stove'), ('eve', 'tent'),
                          ('eve', 'map')) AS views(visitor, item)), k => 1)
ORDER BY item;
+-------+-------+--------------------+---------+------+
| item  | other | score              | support | rank |
+-------+-------+--------------------+---------+------+
| map   | tent  | 0.5773502691896258 | 1       | 1    |
| stove | tent  | 0.8164965809277261 | 2       | 1    |
| tent  | stove | 0.8164965809277261 | 2       | 1    |
+-------+-------+--------------------+---------+------+
```",
    argument(
        name = "views",
        description = "A table (visitor, item), by position: integers or text. A row with a NULL is ignored."
    ),
    argument(name = "k", description = "How many others an item has at most."),
    argument(
        name = "measure",
        description = "`count`, `jaccard`, `cosine`, `lift`, `llr` or `conditional`."
    ),
    argument(
        name = "min_support",
        description = "How many visitors a pair must share."
    ),
    argument(
        name = "max_items",
        description = "A visitor with more different items than this is taken for a bot and left out."
    )
)]
#[derive(Debug)]
pub(crate) struct ItemToItem;

static INPUTS: [Input; 1] = [Input {
    name: "views",
    columns: Columns::ByPosition(&[
        Column::new("visitor", Kind::Id),
        Column::new("item", Kind::Id),
    ]),
}];

static OPTIONS: [OptionSpec; 4] = [
    OptionSpec::new("k", OptionKind::Integer(1), || 10_i64.into()),
    OptionSpec::new("measure", OptionKind::Choice(Measure::NAMES), || {
        ScalarValue::from("cosine")
    }),
    OptionSpec::new("min_support", OptionKind::Integer(1), || 1_i64.into()),
    OptionSpec::new("max_items", OptionKind::Integer(1), || 200_i64.into()),
];

impl Relation for ItemToItem {
    fn name(&self) -> &'static str {
        "item_to_item"
    }

    fn inputs(&self) -> &'static [Input] {
        &INPUTS
    }

    fn options(&self) -> &'static [OptionSpec] {
        &OPTIONS
    }

    fn output(&self, inputs: &[SchemaRef], _: &Options) -> Result<Vec<Field>> {
        let item = inputs[0].field(1).data_type();
        Ok(vec![
            Field::new("item", item.clone(), false),
            Field::new("other", item.clone(), false),
            Field::new("score", DataType::Float64, false),
            Field::new("support", DataType::Int64, false),
            Field::new("rank", DataType::Int64, false),
        ])
    }

    fn start(&self, inputs: &[SchemaRef], options: &Options) -> Result<Box<dyn Run>> {
        Ok(Box::new(Views {
            visitors: Ids::new(inputs[0].field(0).data_type()),
            items: Ids::new(inputs[0].field(1).data_type()),
            visitor_codes: Vec::new(),
            item_codes: Vec::new(),
            held: None,
            options: kernel::Options {
                k: options.count("k"),
                measure: Measure::of(options.text("measure").unwrap_or_default()),
                min_support: options.count("min_support") as u64,
                max_items: options.count("max_items"),
            },
        }))
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}

struct Views {
    visitors: Ids,
    items: Ids,
    visitor_codes: Vec<u32>,
    item_codes: Vec<u32>,
    held: Option<Held>,
    options: kernel::Options,
}

impl Views {
    /// Asks for the memory that a batch will take.
    fn make_room(&mut self, rows: usize, work: &Work) -> Result<(), Halt> {
        let bytes = self.visitors.bytes_with(rows)
            + self.items.bytes_with(rows)
            + bytes_with(&self.visitor_codes, rows)
            + bytes_with(&self.item_codes, rows);
        match &mut self.held {
            Some(held) => held.at_least(bytes),
            None => {
                self.held = Some(work.reserve(bytes)?);
                Ok(())
            }
        }
    }
}

impl Run for Views {
    fn push(&mut self, _: usize, batch: &RecordBatch, work: &Work) -> Result<()> {
        self.make_room(batch.num_rows(), work).map_err(halted)?;
        self.visitors
            .encode(batch.column(0), &mut self.visitor_codes)?;
        self.items.encode(batch.column(1), &mut self.item_codes)
    }

    fn finish(self: Box<Self>, work: &Work, output: &mut Output) -> Result<()> {
        let _held = self.held;
        let ranks = self.items.ranks();
        let codes = self.visitor_codes.into_iter().zip(self.item_codes);
        let views = codes.filter(|&(visitor, item)| visitor != NO_CODE && item != NO_CODE);
        let views = views.collect();
        let found = kernel::item_to_item(views, &ranks, &self.options, work).map_err(halted)?;
        for rows in found.chunks(output.batch_size()) {
            let item: Vec<_> = rows.iter().map(|row| row.item).collect();
            let other: Vec<_> = rows.iter().map(|row| row.other).collect();
            let score = rows.iter().map(|row| row.score);
            let support = rows.iter().map(|row| row.support as i64);
            let rank = rows.iter().map(|row| row.rank as i64);
            output.send(vec![
                self.items.decode(&item)?,
                self.items.decode(&other)?,
                Arc::new(Float64Array::from_iter_values(score)),
                Arc::new(Int64Array::from_iter_values(support)),
                Arc::new(Int64Array::from_iter_values(rank)),
            ])?;
        }
        Ok(())
    }
}

fn halted(halt: Halt) -> DataFusionError {
    halt.into_error("item_to_item")
}
