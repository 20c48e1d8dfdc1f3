//! `twins(prospects, customers, …)`: which customers are most like each prospect.

mod columns;
mod kernel;
mod people;
mod rows;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion_common::{DataFusionError, Result, ScalarValue, plan_err};
use datafusion_expr::Documentation;
use datafusion_macros::user_doc;

use crate::common::kinds::{Kind, Range};
use crate::relation::exec::Output;
use crate::relation::inputs::{Column, Columns, Input, Picked, pick_one};
use crate::relation::options::{OptionKind, OptionSpec, Options};
use crate::relation::work::{Halt, Work};
use crate::relation::{Relation, Run};
use columns::{block_type, features_type, pick, shape};
use people::Tables;
use rows::Rows;

const FUNCTION: &str = "twins";

#[user_doc(
    doc_section(label = "Look-alikes"),
    description = "The customers most like each prospect: a table of prospect, customer, similarity, shared and rank. \
Only people who are equal in every `block` column are compared; unknown equals nothing, not even unknown. Similarity is \
the cosine of vectors weighted by idf(c) = ln(1 + N/df(c)), where N and df are counted over all customers: to share a \
rare feature says more than to share one that everybody has. `shared` is the number of features that both have. A \
feature that no customer has counts for nothing; who has no features has no twins. The k best, exactly. Ties: more \
shared features first, then the smaller customer id. Somebody who is in both tables is a twin of himself.",
    syntax_example = "twins(prospects, customers [, k => 10, block => ['sex', 'age_band'], features => 'categories', \
min_similarity => 0.0, min_shared => 1])",
    sql_example = r"```sql
SELECT prospect, customer, round(similarity, 3) AS similarity, shared, rank
FROM twins(
    (SELECT * FROM (VALUES ('p1', 'f', '25-34', ['tents', 'maps'])) AS p(id, sex, age_band, categories)),
    (SELECT * FROM (VALUES ('c1', 'f', '25-34', ['tents', 'boots']), ('c2', 'f', '25-34', ['maps', 'tents']),
                           ('c3', 'm', '25-34', ['tents', 'maps'])) AS c(id, sex, age_band, categories)))
ORDER BY rank;
+----------+----------+------------+--------+------+
| prospect | customer | similarity | shared | rank |
+----------+----------+------------+--------+------+
| p1       | c2       | 1.0        | 2      | 1    |
| p1       | c1       | 0.27       | 1      | 2    |
+----------+----------+------------+--------+------+
```",
    argument(
        name = "prospects",
        description = "The people to find twins for, one row each: the id (an integer or text) first, the others by name."
    ),
    argument(
        name = "customers",
        description = "The people to find them among: the id first, and the same columns."
    ),
    argument(name = "k", description = "How many twins a prospect has at most."),
    argument(
        name = "block",
        description = "The columns in which twins must be equal: text, integers, BOOLEAN or DATE. `[]` compares all with all."
    ),
    argument(
        name = "features",
        description = "The column of features: a LIST, which is a set, or a MAP from feature to weight, zero or above."
    ),
    argument(
        name = "min_similarity",
        description = "The least similarity, from 0 to 1."
    ),
    argument(
        name = "min_shared",
        description = "How many features twins must share."
    )
)]
#[derive(Debug)]
pub(crate) struct Twins;

/// Where the prospects and the customers stand among the inputs.
const PROSPECTS: usize = 0;
const CUSTOMERS: usize = 1;

static INPUTS: [Input; 2] = [
    Input {
        name: "prospects",
        columns: Columns::Chosen,
    },
    Input {
        name: "customers",
        columns: Columns::Chosen,
    },
];

static OPTIONS: [OptionSpec; 5] = [
    OptionSpec::new("k", OptionKind::Integer(1), || 10_i64.into()),
    OptionSpec::new("block", OptionKind::Names, || {
        let names = ["sex", "age_band"].map(ScalarValue::from);
        ScalarValue::List(ScalarValue::new_list_nullable(&names, &DataType::Utf8))
    }),
    OptionSpec::new("features", OptionKind::Name, || {
        ScalarValue::from("categories")
    }),
    OptionSpec::new(
        "min_similarity",
        OptionKind::Number(Range::Probability),
        || 0.0_f64.into(),
    ),
    OptionSpec::new("min_shared", OptionKind::Integer(1), || 1_i64.into()),
];

impl Relation for Twins {
    fn name(&self) -> &'static str {
        FUNCTION
    }

    fn inputs(&self) -> &'static [Input] {
        &INPUTS
    }

    fn options(&self) -> &'static [OptionSpec] {
        &OPTIONS
    }

    /// The customers first: what none of them has need not be kept of the prospects.
    fn reading_order(&self) -> Vec<usize> {
        vec![CUSTOMERS, PROSPECTS]
    }

    fn columns(&self, input: usize, schema: &Schema, options: &Options) -> Result<Vec<Picked>> {
        let name = INPUTS[input].name;
        let id = pick_one(FUNCTION, name, &Column::new("id", Kind::Id), 0, schema)?;
        let mut picked = vec![Picked {
            name: schema.field(0).name().clone(),
            ..id
        }];
        for block in options.texts("block") {
            pick(
                &mut picked,
                name,
                &block,
                schema,
                block_type,
                "text, an integer, a BOOLEAN or a DATE",
            )?;
        }
        let features = options.text("features").unwrap_or_default();
        let expected = "a LIST of text or integers, or a MAP from those to numbers";
        pick(&mut picked, name, features, schema, features_type, expected)?;
        Ok(picked)
    }

    fn output(&self, inputs: &[SchemaRef], options: &Options) -> Result<Vec<Field>> {
        let features = options.text("features").unwrap_or_default();
        for name in options
            .texts("block")
            .iter()
            .map(String::as_str)
            .chain([features])
        {
            let types = [PROSPECTS, CUSTOMERS].map(|input| {
                let field = inputs[input].field_with_name(name)?;
                Ok::<_, DataFusionError>(shape(field.data_type()))
            });
            let [prospects, customers] = types;
            let (prospects, customers) = (prospects?, customers?);
            if prospects != customers {
                return plan_err!(
                    "{FUNCTION}: '{name}' must be of one kind in 'prospects' and 'customers', got {prospects} and \
                     {customers}; hint: cast one of them"
                );
            }
        }
        Ok(vec![
            Field::new(
                "prospect",
                inputs[PROSPECTS].field(0).data_type().clone(),
                false,
            ),
            Field::new(
                "customer",
                inputs[CUSTOMERS].field(0).data_type().clone(),
                false,
            ),
            Field::new("similarity", DataType::Float64, false),
            Field::new("shared", DataType::Int64, false),
            Field::new("rank", DataType::Int64, false),
        ])
    }

    fn start(&self, inputs: &[SchemaRef], options: &Options) -> Result<Box<dyn Run>> {
        let features = options.text("features").unwrap_or_default();
        let min_shared = options.count("min_shared");
        Ok(Box::new(Search {
            tables: Tables::new(inputs, &options.texts("block"), features)?,
            options: kernel::Options {
                k: options.count("k"),
                min_similarity: options.number("min_similarity").unwrap_or(0.0),
                min_shared: u32::try_from(min_shared).unwrap_or(u32::MAX),
            },
        }))
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}

struct Search {
    tables: Tables,
    options: kernel::Options,
}

impl Run for Search {
    fn push(&mut self, input: usize, batch: &RecordBatch, work: &Work) -> Result<()> {
        self.tables.push(input, batch, work)
    }

    fn finish(self: Box<Self>, work: &Work, output: &mut Output) -> Result<()> {
        let (ids, sides, held) = self.tables.take();
        let mut rows = Rows::new(ids);
        let size = output.batch_size();
        kernel::twins(sides, &self.options, work, |prospects, twins| {
            for &prospect in prospects {
                rows.add(prospect, twins);
                if rows.len() >= size {
                    rows.send(rows.len() / size * size, output)?;
                }
            }
            Ok::<(), Fault>(())
        })
        .map_err(|fault| fault.0)?;
        rows.send(rows.len(), output)?;
        drop(held);
        Ok(())
    }
}

/// An error of the kernel or of the reader.
struct Fault(DataFusionError);

impl From<Halt> for Fault {
    fn from(halt: Halt) -> Self {
        Self(halt.into_error(FUNCTION))
    }
}

impl From<DataFusionError> for Fault {
    fn from(error: DataFusionError) -> Self {
        Self(error)
    }
}
