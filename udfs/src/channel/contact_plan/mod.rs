//! `contact_plan(candidates, budget => …)`: whom to contact, by which channel, for a budget.

pub(crate) mod candidates;
mod columns;
pub(crate) mod kernel;
mod rows;
mod shelf;

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Decimal128Array, Float64Array, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef, UInt32Type};
use datafusion_common::{Result, ScalarValue};
use datafusion_expr::Documentation;
use datafusion_macros::user_doc;

use crate::relation::exec::Output;
use crate::relation::inputs::{Input, Picked};
use crate::relation::options::{OptionKind, OptionSpec, Options};
use crate::relation::work::Work;
use crate::relation::{Relation, Run};
use candidates::Candidates;
use kernel::Planner;
use kernel::market::{Contact, Market};
use rows::Rows;

const NAME: &str = "contact_plan";

// The columns, in order.
const PERSON: usize = 0;
const CHANNEL: usize = 1;
const COST: usize = 2;
const VALUE: usize = 3;
const EFFICIENCY: usize = 4;
const RANK: usize = 5;

#[user_doc(
    doc_section(label = "Channels"),
    description = "The contacts that bring most for a budget: at most one row a person, never more than the budget \
and the quotas, and only rows that are `consented` and `allowed` where there are such columns; NULL is no consent. \
`efficiency` is what the last euro for this person brings, over the best cheaper choice (NULL when free); `rank` \
orders by it, then by person. A contact whose value is zero or below is never made. `plan_frontier` tells how far \
the plan can be from the best one. A row may stand for a sequence such as `'email > sms'`, with the cost and value \
of all its steps: it is a channel of its own, and a quota on `sms` does not count it. Beyond the memory limit the plan \
is made from disk, and is the same.",
    syntax_example = "contact_plan(candidates, budget => 1500 [, quota => MAP {'sms': 2000}])",
    sql_example = r"```sql
SELECT * FROM contact_plan((
    SELECT * FROM (VALUES ('ann', 'email', 0.0005, 0.2), ('ann', 'sms', 0.06, 0.5), ('ann', 'email > sms', 0.05, 0.6),
                          ('bob', 'sms', 0.06, 0.3)) AS t(person_id, channel, cost, value)), budget => 0.10)
ORDER BY rank;
+-----------+-------------+----------+-------+------------------+------+
| person_id | channel     | cost     | value | efficiency       | rank |
+-----------+-------------+----------+-------+------------------+------+
| ann       | email > sms | 0.050000 | 0.6   | 8.08080808080808 | 1    |
+-----------+-------------+----------+-------+------------------+------+
```",
    argument(
        name = "candidates",
        description = "A table with the columns person_id, channel, cost (euros), value (DOUBLE or DECIMAL, kept as it is) and, where it has them, consented and allowed. One row a person and channel; a row with a NULL in the first four is ignored."
    ),
    argument(name = "budget", description = "Euros, zero or above."),
    argument(
        name = "quota",
        description = "The largest number of contacts by a channel, by the text in `channel`; NULL for none."
    )
)]
#[derive(Debug)]
pub(crate) struct ContactPlan;

static OPTIONS: [OptionSpec; 2] = [
    OptionSpec::required("budget", OptionKind::Money),
    OptionSpec::new("quota", OptionKind::Quota, || ScalarValue::Null),
];

impl Relation for ContactPlan {
    fn name(&self) -> &'static str {
        NAME
    }

    fn inputs(&self) -> &'static [Input] {
        &candidates::INPUTS
    }

    fn options(&self) -> &'static [OptionSpec] {
        &OPTIONS
    }

    fn spills(&self) -> bool {
        true
    }

    fn columns(&self, _: usize, schema: &Schema, _: &Options) -> Result<Vec<Picked>> {
        candidates::columns(NAME, schema)
    }

    fn output(&self, inputs: &[SchemaRef], options: &Options) -> Result<Vec<Field>> {
        candidates::check_amount(NAME, "budget", options.money("budget").unwrap_or(0))?;
        let given = |column: usize| inputs[0].field(column).data_type().clone();
        Ok(vec![
            Field::new("person_id", given(0), false),
            Field::new("channel", given(1), false),
            Field::new("cost", DataType::Decimal128(18, 6), false),
            Field::new("value", given(3), false),
            Field::new("efficiency", DataType::Float64, true),
            Field::new("rank", DataType::Int64, false),
        ])
    }

    fn start(&self, inputs: &[SchemaRef], options: &Options) -> Result<Box<dyn Run>> {
        Ok(Box::new(Planning {
            candidates: Candidates::new(NAME, &inputs[0], options),
            budget: options.money("budget").unwrap_or(0),
        }))
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}

struct Planning {
    candidates: Candidates,
    budget: i128,
}

impl Run for Planning {
    fn push(&mut self, _: usize, batch: &RecordBatch, work: &Work) -> Result<()> {
        self.candidates.push(batch, work)
    }

    fn finish(mut self: Box<Self>, work: &Work, output: &mut Output) -> Result<()> {
        let quotas = self.candidates.quotas()?;
        // Without these the order of the contacts tells nothing.
        let ranked = [PERSON, EFFICIENCY, RANK];
        let ranked = ranked.iter().any(|&column| output.wants(column));
        if let Some((market, rows)) = self.candidates.market(work)? {
            let planner = Planner {
                shares: &market,
                quotas: &quotas,
                work,
            };
            let plan = planner.plan(self.budget);
            let contacts = plan.and_then(|plan| market.contacts(&plan, &quotas, ranked, work));
            match contacts {
                Ok((contacts, _held)) => return self.send(&contacts, &market, &rows, output),
                Err(halt) => self
                    .candidates
                    .move_to_disk(rows.with(market), halt, work)?,
            }
        }
        let shelf = self.candidates.shelf(work)?;
        let planner = Planner {
            shares: &shelf,
            quotas: &quotas,
            work,
        };
        let plan = planner.plan(self.budget);
        let contacts = plan.and_then(|plan| shelf.contacts(&plan, &quotas, ranked, work));
        let contacts = contacts.map_err(|halt| halt.into_error(NAME))?;
        let mut rank = 0;
        for batch in contacts {
            let batch = batch.map_err(|error| candidates::named(error, NAME))?;
            output.send_wanted(batch.num_rows(), |column| match column {
                CHANNEL => {
                    let codes = batch.column(CHANNEL).as_primitive::<UInt32Type>();
                    self.candidates.channels.decode(codes.values())
                }
                COST => {
                    let costs = batch.column(COST).as_primitive::<Int64Type>().values();
                    euros(costs.iter().copied())
                }
                VALUE => {
                    let exact = batch.column_by_name("exact");
                    Ok(Arc::clone(exact.unwrap_or_else(|| batch.column(VALUE))))
                }
                EFFICIENCY => Ok(Arc::clone(&batch["efficiency"])),
                RANK => Ok(ranks(rank, batch.num_rows())),
                _ => Ok(Arc::clone(batch.column(column))),
            })?;
            rank += batch.num_rows() as i64;
        }
        Ok(())
    }
}

impl Planning {
    fn send(
        &self,
        contacts: &[Contact],
        market: &Market,
        rows: &Rows,
        output: &mut Output,
    ) -> Result<()> {
        let mut rank = 0;
        for contacts in contacts.chunks(output.batch_size()) {
            let choices = contacts.iter().map(|contact| market.choice(contact));
            let choices: Vec<_> = choices.collect();
            output.send_wanted(contacts.len(), |column| match column {
                PERSON => rows.persons(&choices),
                CHANNEL => {
                    let codes: Vec<_> = choices.iter().map(|choice| choice.channel).collect();
                    self.candidates.channels.decode(&codes)
                }
                COST => euros(choices.iter().map(|choice| choice.cost)),
                VALUE => {
                    let values = choices.iter().map(|choice| choice.value);
                    let exact = rows.exact(&choices, self.candidates.value())?;
                    Ok(exact.unwrap_or_else(|| Arc::new(Float64Array::from_iter_values(values))))
                }
                EFFICIENCY => {
                    let efficiency = contacts.iter().map(|contact| contact.efficiency);
                    let efficiency = efficiency.map(|euros| euros.is_finite().then_some(euros));
                    Ok(Arc::new(efficiency.collect::<Float64Array>()))
                }
                _ => Ok(ranks(rank, contacts.len())),
            })?;
            rank += contacts.len() as i64;
        }
        Ok(())
    }
}

fn euros(micros: impl Iterator<Item = i64>) -> Result<ArrayRef> {
    let micros = Decimal128Array::from_iter_values(micros.map(i128::from));
    Ok(Arc::new(micros.with_precision_and_scale(18, 6)?))
}

/// The ranks after one.
fn ranks(rank: i64, count: usize) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values(rank + 1..=rank + count as i64))
}
