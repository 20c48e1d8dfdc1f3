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
use crate::relation::ids::Ids;
use crate::relation::inputs::{Column, Columns, Input};
use crate::relation::options::{OptionKind, OptionSpec, Options};
use crate::relation::work::{Halt, Held, Work, hold};
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
    columns: Columns::Positional(&[
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
            codes: kernel::Views::default(),
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
    codes: kernel::Views,
    held: Option<Held>,
    options: kernel::Options,
}

impl Run for Views {
    fn push(&mut self, _: usize, batch: &RecordBatch, work: &Work) -> Result<()> {
        let rows = batch.num_rows();
        let bytes = self.visitors.bytes_with(rows) + self.items.bytes_with(rows);
        hold(&mut self.held, bytes, work).map_err(halted)?;
        let (mut visitors, mut items) = (Vec::with_capacity(rows), Vec::with_capacity(rows));
        self.visitors.encode(batch.column(0), &mut visitors)?;
        self.items.encode(batch.column(1), &mut items)?;
        self.codes.push(&visitors, &items, work).map_err(halted)
    }

    fn finish(self: Box<Self>, work: &Work, output: &mut Output) -> Result<()> {
        let this = *self;
        let ranks = this.items.ranks();
        // Codes are enough from here on.
        drop(this.visitors);
        let found = kernel::item_to_item(this.codes, &ranks, &this.options, work);
        let found = found.map_err(halted)?;
        let size = output.batch_size();
        for start in (0..found.item.len()).step_by(size) {
            let rows = start..found.item.len().min(start + size);
            let integers = |values: &[u32]| {
                let values = values[rows.clone()].iter().map(|&value| i64::from(value));
                Arc::new(Int64Array::from_iter_values(values))
            };
            let score = found.score[rows.clone()].iter().copied();
            output.send(&[
                this.items.decode(&found.item[rows.clone()])?,
                this.items.decode(&found.other[rows.clone()])?,
                Arc::new(Float64Array::from_iter_values(score)),
                integers(&found.support),
                integers(&found.rank),
            ])?;
        }
        drop(this.held);
        Ok(())
    }
}

fn halted(halt: Halt) -> DataFusionError {
    halt.into_error("item_to_item")
}
