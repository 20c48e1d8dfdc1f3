//! `contact_plan(candidates, budget => …)`: whom to contact, by which channel, for a budget.

pub(crate) mod candidates;
pub(crate) mod kernel;

use std::sync::Arc;

use arrow::array::{ArrayRef, Decimal128Array, Float64Array, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion_common::{Result, ScalarValue};
use datafusion_expr::Documentation;
use datafusion_macros::user_doc;

use crate::relation::exec::Output;
use crate::relation::inputs::{Input, Picked};
use crate::relation::options::{OptionKind, OptionSpec, Options};
use crate::relation::work::Work;
use crate::relation::{Relation, Run};
use candidates::Candidates;

const NAME: &str = "contact_plan";

#[user_doc(
    doc_section(label = "Channels"),
    description = "The contacts that bring most for a budget: at most one row a person, never more than the budget \
and the quotas, and only rows that are `consented` and `allowed` where there are such columns; NULL is no consent. \
`efficiency` is what the last euro for this person brings, over the best cheaper choice (NULL when free); `rank` \
orders by it, then by person. A contact whose value is zero or below is never made. `plan_frontier` tells how far \
the plan can be from the best one. A row may stand for a sequence such as `'email > sms'`, with the cost and value \
of all its steps: it is a channel of its own, and a quota on `sms` does not count it.",
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
            value: inputs[0].field(3).data_type().clone(),
            budget: options.money("budget").unwrap_or(0),
        }))
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}

struct Planning {
    candidates: Candidates,
    value: DataType,
    budget: i128,
}

impl Run for Planning {
    fn push(&mut self, _: usize, batch: &RecordBatch, work: &Work) -> Result<()> {
        self.candidates.push(batch, work)
    }

    fn finish(mut self: Box<Self>, work: &Work, output: &mut Output) -> Result<()> {
        let market = self.candidates.market(work)?;
        let candidates = &self.candidates;
        let plan = market.plan(self.budget, work);
        let contacts = plan.and_then(|plan| market.contacts(&plan, work));
        let (contacts, _held) = contacts.map_err(|halt| halt.into_error(NAME))?;
        let mut rank = 0_i64;
        for contacts in contacts.chunks(output.batch_size()) {
            let choices = contacts.iter().map(|contact| market.choice(contact));
            let choices: Vec<_> = choices.collect();
            let rows = choices.iter().map(|choice| choice.row as usize);
            let persons: Vec<_> = rows.clone().map(|row| candidates.person[row]).collect();
            let channels: Vec<_> = choices.iter().map(|choice| choice.channel).collect();
            let costs = choices.iter().map(|choice| choice.cost.into());
            let costs = Decimal128Array::from_iter_values(costs);
            let values: ArrayRef = if let DataType::Decimal128(precision, scale) = self.value {
                let values = rows.map(|row| candidates.exact[row]);
                let values = Decimal128Array::from_iter_values(values);
                Arc::new(values.with_precision_and_scale(precision, scale)?)
            } else {
                let values = choices.iter().map(|choice| choice.value);
                Arc::new(Float64Array::from_iter_values(values))
            };
            let next = rank + contacts.len() as i64;
            let efficiency = contacts.iter().map(|contact| contact.efficiency);
            let efficiency = efficiency.map(|euros| euros.is_finite().then_some(euros));
            output.send(vec![
                candidates.persons.decode(&persons)?,
                candidates.channels.decode(&channels)?,
                Arc::new(costs.with_precision_and_scale(18, 6)?),
                values,
                Arc::new(efficiency.collect::<Float64Array>()),
                Arc::new(Int64Array::from_iter_values(rank + 1..=next)),
            ])?;
            rank = next;
        }
        Ok(())
    }
}
