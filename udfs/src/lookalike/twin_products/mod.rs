//! `twin_products(twins, orders, …)`: what the customers like a prospect bought.

mod kernel;
mod rows;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Field, Float64Type, IntervalMonthDayNano, SchemaRef};
use datafusion_common::{DataFusionError, Result, ScalarValue, exec_err};
use datafusion_expr::Documentation;
use datafusion_macros::user_doc;

use crate::common::arguments::{Argument, Arguments};
use crate::common::decay::decayed_weights;
use crate::common::kinds::{Kind, Range};
use crate::relation::exec::Output;
use crate::relation::ids::{Ids, NO_CODE};
use crate::relation::inputs::{Column, Columns, Input};
use crate::relation::options::{OptionKind, OptionSpec, Options};
use crate::relation::shared_ids::{Place, SharedIds, one_kind};
use crate::relation::work::{Held, Work, hold};
use crate::relation::{Relation, Run};
use kernel::{Fault, Orders, Sizes, Twins};
use rows::Rows;

const FUNCTION: &str = "twin_products";

#[user_doc(
    doc_section(label = "Look-alikes"),
    description = "What the twins of each prospect bought, more than others did: a table of prospect, product, score, \
lift, twins and rank. A customer's last purchase of a product counts, and fades by `half_life` (NULL: not at all); \
orders after `as_of` are ignored. prior(product) is the decayed share of all customers in `orders` who bought it; \
score = (Σ similarity · 2^(−age/half_life) over the twins who bought it + prior_strength · prior) ÷ (Σ similarity of all \
twins + prior_strength); lift = score ÷ prior, NULL when nothing is left of the prior; `twins` is how many bought it. \
Without the prior, the few purchases of a few twins lose to plain popularity. Ties: more twins first, then the smaller \
product id.",
    syntax_example = "twin_products(twins, orders, half_life => INTERVAL '60 days', as_of => TIMESTAMP '…' \
[, k => 10, min_twins => 2, prior_strength => 20])",
    sql_example = r"```sql
SELECT prospect, product, round(score, 3) AS score, round(lift, 3) AS lift, twins, rank
FROM twin_products(
    (SELECT * FROM (VALUES ('p1', 'c1', 0.9), ('p1', 'c2', 0.6)) AS t(prospect, customer, similarity)),
    (SELECT * FROM (VALUES ('c1', 'tent', DATE '2026-06-01'), ('c2', 'tent', DATE '2026-05-02'),
                           ('c2', 'map', DATE '2026-06-01'), ('c3', 'map', DATE '2026-06-01')) AS o(customer, product, day)),
    half_life => INTERVAL '30 days', as_of => DATE '2026-06-01', min_twins => 1)
ORDER BY rank;
+----------+---------+-------+-------+-------+------+
| prospect | product | score | lift  | twins | rank |
+----------+---------+-------+-------+-------+------+
| p1       | map     | 0.648 | 0.972 | 1     | 1    |
| p1       | tent    | 0.521 | 1.042 | 2     | 2    |
+----------+---------+-------+-------+-------+------+
```",
    argument(
        name = "twins",
        description = "What `twins` gives: a table with the columns prospect, customer (integers or text) and similarity \
(zero or above). A row with a NULL is ignored."
    ),
    argument(
        name = "orders",
        description = "A table (customer, product, order_time), by position. A row with a NULL is ignored."
    ),
    argument(
        name = "half_life",
        description = "The time in which a purchase comes to say half as much; NULL for no decay."
    ),
    argument(
        name = "as_of",
        description = "The moment at which the question is asked."
    ),
    argument(name = "k", description = "How many products a prospect has at most."),
    argument(
        name = "min_twins",
        description = "How many twins must have bought a product."
    ),
    argument(
        name = "prior_strength",
        description = "The weight of what everybody buys, in twins of similarity 1."
    )
)]
#[derive(Debug)]
pub(crate) struct TwinProducts;

/// Where the twins and the orders stand among the inputs.
const TWINS: usize = 0;
const ORDERS: usize = 1;

static INPUTS: [Input; 2] = [
    Input {
        name: "twins",
        columns: Columns::Named(&[
            Column::new("prospect", Kind::Id),
            Column::new("customer", Kind::Id),
            Column::new("similarity", Kind::Number(Range::NonNegative)),
        ]),
    },
    Input {
        name: "orders",
        columns: Columns::Positional(&[
            Column::new("customer", Kind::Id),
            Column::new("product", Kind::Id),
            Column::new("order_time", Kind::Time),
        ]),
    },
];

/// The columns of customers.
const CUSTOMERS: [Place; 2] = [(TWINS, 1), (ORDERS, 0)];

static OPTIONS: [OptionSpec; 5] = [
    OptionSpec::required("half_life", OptionKind::HalfLife),
    OptionSpec::required("as_of", OptionKind::Moment),
    OptionSpec::new("k", OptionKind::Integer(1), || 10_i64.into()),
    OptionSpec::new("min_twins", OptionKind::Integer(1), || 2_i64.into()),
    OptionSpec::new(
        "prior_strength",
        OptionKind::Number(Range::NonNegative),
        || 20.0_f64.into(),
    ),
];

/// The arguments of the decay.
static DECAY: Arguments = Arguments {
    function: FUNCTION,
    counts: &[3],
    list: &[
        Argument::new("order_time", Kind::Time),
        Argument::new("half_life", Kind::HalfLife),
        Argument::new("as_of", Kind::Moment),
    ],
};

impl Relation for TwinProducts {
    fn name(&self) -> &'static str {
        FUNCTION
    }

    fn inputs(&self) -> &'static [Input] {
        &INPUTS
    }

    fn options(&self) -> &'static [OptionSpec] {
        &OPTIONS
    }

    fn output(&self, inputs: &[SchemaRef], _: &Options) -> Result<Vec<Field>> {
        one_kind(self, inputs, &CUSTOMERS)?;
        let given = |input: usize, column: usize| inputs[input].field(column).data_type().clone();
        Ok(vec![
            Field::new("prospect", given(TWINS, 0), false),
            Field::new("product", given(ORDERS, 1), false),
            Field::new("score", DataType::Float64, false),
            Field::new("lift", DataType::Float64, true),
            Field::new("twins", DataType::Int64, false),
            Field::new("rank", DataType::Int64, false),
        ])
    }

    fn start(&self, inputs: &[SchemaRef], options: &Options) -> Result<Box<dyn Run>> {
        let min_twins = options.count("min_twins");
        Ok(Box::new(Votes {
            prospects: Ids::new(inputs[TWINS].field(0).data_type()),
            customers: SharedIds::new(FUNCTION, inputs, &CUSTOMERS),
            products: Ids::new(inputs[ORDERS].field(1).data_type()),
            twins: Twins::default(),
            orders: Orders::default(),
            half_life: options.interval("half_life"),
            as_of: options
                .moment("as_of")
                .cloned()
                .unwrap_or(ScalarValue::Null),
            options: kernel::Options {
                k: options.count("k"),
                min_twins: u32::try_from(min_twins).unwrap_or(u32::MAX),
                prior_strength: options.number("prior_strength").unwrap_or(20.0),
            },
            held: None,
        }))
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}

struct Votes {
    prospects: Ids,
    customers: SharedIds,
    products: Ids,
    twins: Twins,
    orders: Orders,
    half_life: Option<IntervalMonthDayNano>,
    as_of: ScalarValue,
    options: kernel::Options,
    held: Option<Held>,
}

impl Run for Votes {
    fn push(&mut self, input: usize, batch: &RecordBatch, work: &Work) -> Result<()> {
        let rows = batch.num_rows();
        let rows_of = |this: usize| if this == input { rows } else { 0 };
        let bytes = self.prospects.bytes_with(rows_of(TWINS))
            + self.customers.ids().bytes_with(rows)
            + self.products.bytes_with(rows_of(ORDERS))
            + self.twins.bytes_with(rows_of(TWINS))
            + self.orders.bytes_with(rows_of(ORDERS));
        hold(&mut self.held, bytes, work).map_err(|halt| halt.into_error(FUNCTION))?;
        match input {
            TWINS => self.take_twins(batch),
            _ => self.take_orders(batch),
        }
    }

    fn finish(self: Box<Self>, work: &Work, output: &mut Output) -> Result<()> {
        let this = *self;
        let sizes = Sizes {
            prospects: this.prospects.len(),
            customers: this.customers.ids().len(),
            product_ranks: this.products.ranks(),
        };
        let mut rows = Rows::default();
        let size = output.batch_size();
        let (prospects, customers, products) =
            (&this.prospects, this.customers.ids(), &this.products);
        let result = kernel::twin_products(
            this.orders,
            this.twins,
            &sizes,
            &this.options,
            work,
            |prospect, offers| {
                rows.add(prospect, offers);
                if rows.len() >= size {
                    rows.send(prospects, products, output)?;
                }
                Ok::<(), Stop>(())
            },
        );
        match result {
            Ok(()) => rows.send(prospects, products, output)?,
            Err(Stop::Error(error)) => return Err(error),
            Err(Stop::Fault(Fault::Halt(halt))) => return Err(halt.into_error(FUNCTION)),
            Err(Stop::Fault(Fault::Twice(prospect, customer))) => {
                return exec_err!(
                    "{FUNCTION}: 'twins' must have one row a pair, got prospect {} and customer {} twice; hint: \
                     SELECT DISTINCT",
                    prospects.show(prospect),
                    customers.show(customer)
                );
            }
        }
        drop(this.held);
        Ok(())
    }
}

impl Votes {
    fn take_twins(&mut self, batch: &RecordBatch) -> Result<()> {
        let (mut prospects, mut customers) = (Vec::new(), Vec::new());
        let similarities = batch.column(2).as_primitive::<Float64Type>();
        self.prospects.encode(batch.column(0), &mut prospects)?;
        self.customers.encode(batch, 1, &mut customers)?;
        for (row, (prospect, customer)) in prospects.into_iter().zip(customers).enumerate() {
            if prospect == NO_CODE || customer == NO_CODE || similarities.is_null(row) {
                continue;
            }
            let similarity = similarities.value(row);
            if !Range::NonNegative.contains(similarity) {
                return exec_err!(
                    "{FUNCTION}: column 'similarity' of 'twins' must be {}, got {similarity}",
                    Range::NonNegative.expected()
                );
            }
            self.twins.prospects.push(prospect);
            self.twins.customers.push(customer);
            self.twins.similarities.push(similarity);
        }
        Ok(())
    }

    fn take_orders(&mut self, batch: &RecordBatch) -> Result<()> {
        let rows = batch.num_rows();
        let half_life = ScalarValue::IntervalMonthDayNano(self.half_life).to_array_of_size(rows)?;
        let as_of = self.as_of.to_array_of_size(rows)?;
        let weights = decayed_weights(
            &DECAY,
            &[Arc::clone(batch.column(2)), half_life, as_of],
            None,
        )?;
        let (mut customers, mut products) = (Vec::new(), Vec::new());
        self.customers.encode(batch, 0, &mut customers)?;
        self.products.encode(batch.column(1), &mut products)?;
        for (weight, (customer, product)) in
            weights.into_iter().zip(customers.into_iter().zip(products))
        {
            if customer != NO_CODE && product != NO_CODE && !weight.is_nan() {
                self.orders.customers.push(customer);
                self.orders.products.push(product);
                self.orders.weights.push(weight);
            }
        }
        Ok(())
    }
}

/// Why the kernel stopped.
enum Stop {
    Fault(Fault),
    Error(DataFusionError),
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<DataFusionError> for Stop {
    fn from(error: DataFusionError) -> Self {
        Self::Error(error)
    }
}
