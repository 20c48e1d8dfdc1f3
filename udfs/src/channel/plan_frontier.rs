//! `plan_frontier(candidates, budgets => […])`: what each budget would bring, and how good the plan for it is.

use std::sync::Arc;

use arrow::array::{ArrayRef, Decimal128Array, Float64Array, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion_common::{Result, ScalarValue};
use datafusion_expr::Documentation;
use datafusion_macros::user_doc;

use super::contact_plan::candidates::{self, Candidates};
use super::contact_plan::kernel::{Planner, Shares, Summary};
use crate::relation::exec::Output;
use crate::relation::inputs::{Input, Picked};
use crate::relation::options::{OptionKind, OptionSpec, Options};
use crate::relation::work::{Halt, Work};
use crate::relation::{Relation, Run};

const NAME: &str = "plan_frontier";

#[user_doc(
    doc_section(label = "Channels"),
    description = "What `contact_plan` would reach with each budget, a row a budget, the smallest first: what is \
spent, the value, a bound that no plan can exceed, `gap` = (bound − value) ÷ bound, the contacts, and \
`marginal_value`, what one more euro would bring. The bound is the optimum of the linear relaxation; with quotas it is \
the Lagrangian dual. Where `marginal_value` falls below 1, the next euro costs more than it brings.",
    syntax_example = "plan_frontier(candidates, budgets => [500, 1000, 1500] [, quota => MAP {'sms': 2000}])",
    sql_example = r"```sql
SELECT budget, spend, value, bound, gap, contacts, marginal_value FROM plan_frontier((
    SELECT * FROM (VALUES ('ann', 'email', 1, 4.0), ('ann', 'sms', 3, 6.0), ('bob', 'sms', 2, 4.0))
        AS t(person_id, channel, cost, value)), budgets => [1, 3, 5]);
+----------+----------+-------+-------+-----+----------+----------------+
| budget   | spend    | value | bound | gap | contacts | marginal_value |
+----------+----------+-------+-------+-----+----------+----------------+
| 1.000000 | 1.000000 | 4.0   | 4.0   | 0.0 | 1        | 2.0            |
| 3.000000 | 3.000000 | 8.0   | 8.0   | 0.0 | 2        | 1.0            |
| 5.000000 | 5.000000 | 10.0  | 10.0  | 0.0 | 2        | 0.0            |
+----------+----------+-------+-------+-----+----------+----------------+
```",
    argument(name = "candidates", description = "As for `contact_plan`."),
    argument(
        name = "budgets",
        description = "A list of amounts of euros, zero or above."
    ),
    argument(name = "quota", description = "As for `contact_plan`.")
)]
#[derive(Debug)]
pub(crate) struct PlanFrontier;

static OPTIONS: [OptionSpec; 2] = [
    OptionSpec::required("budgets", OptionKind::Moneys),
    OptionSpec::new("quota", OptionKind::Quota, || ScalarValue::Null),
];

impl Relation for PlanFrontier {
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

    fn output(&self, _: &[SchemaRef], options: &Options) -> Result<Vec<Field>> {
        for budget in options.moneys("budgets") {
            candidates::check_amount(NAME, "budgets", budget)?;
        }
        let money = DataType::Decimal128(18, 6);
        Ok(vec![
            Field::new("budget", money.clone(), false),
            Field::new("spend", money, false),
            Field::new("value", DataType::Float64, false),
            Field::new("bound", DataType::Float64, false),
            Field::new("gap", DataType::Float64, false),
            Field::new("contacts", DataType::Int64, false),
            Field::new("marginal_value", DataType::Float64, false),
        ])
    }

    fn start(&self, inputs: &[SchemaRef], options: &Options) -> Result<Box<dyn Run>> {
        let mut budgets = options.moneys("budgets");
        budgets.sort_unstable();
        budgets.dedup();
        Ok(Box::new(Frontier {
            candidates: Candidates::new(NAME, &inputs[0], options),
            budgets,
        }))
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}

struct Frontier {
    candidates: Candidates,
    budgets: Vec<i128>,
}

impl Run for Frontier {
    fn push(&mut self, _: usize, batch: &RecordBatch, work: &Work) -> Result<()> {
        self.candidates.push(batch, work)
    }

    fn finish(mut self: Box<Self>, work: &Work, output: &mut Output) -> Result<()> {
        let quotas = self.candidates.quotas()?;
        work.expect_steps(self.budgets.len());
        let mut summaries = Vec::new();
        if let Some((market, rows)) = self.candidates.market(work)? {
            match self.summarize(&market, &quotas, work, &mut summaries) {
                Ok(()) => return self.send(&summaries, output),
                Err(halt) => self
                    .candidates
                    .move_to_disk(rows.with(market), halt, work)?,
            }
        }
        let shelf = self.candidates.shelf(work)?;
        let done = self.summarize(&shelf, &quotas, work, &mut summaries);
        done.map_err(|halt| halt.into_error(NAME))?;
        self.send(&summaries, output)
    }
}

impl Frontier {
    /// Plans for the budgets that are still missing.
    fn summarize(
        &self,
        shares: &impl Shares,
        quotas: &[Option<u64>],
        work: &Work,
        summaries: &mut Vec<Summary>,
    ) -> Result<(), Halt> {
        let planner = Planner {
            shares,
            quotas,
            work,
        };
        for &budget in &self.budgets[summaries.len()..] {
            summaries.push(planner.summary(&planner.plan(budget)?)?);
            work.done_steps(1);
        }
        Ok(())
    }

    fn send(&self, summaries: &[Summary], output: &mut Output) -> Result<()> {
        let money = |micros: &mut dyn Iterator<Item = i128>| {
            let money = Decimal128Array::from_iter_values(micros);
            money.with_precision_and_scale(18, 6)
        };
        let all = || summaries.iter();
        let numbers = |numbers: &mut dyn Iterator<Item = f64>| -> ArrayRef {
            Arc::new(Float64Array::from_iter_values(numbers))
        };
        let contacts = all().map(|plan| plan.contacts as i64);
        output.send(&[
            Arc::new(money(&mut self.budgets.iter().copied())?),
            Arc::new(money(&mut all().map(|plan| plan.spend))?),
            numbers(&mut all().map(|plan| plan.value)),
            numbers(&mut all().map(|plan| plan.bound)),
            numbers(&mut all().map(Summary::gap)),
            Arc::new(Int64Array::from_iter_values(contacts)),
            numbers(&mut all().map(|plan| plan.marginal)),
        ])
    }
}
