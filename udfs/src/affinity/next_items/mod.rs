//! `next_items(past, current, …)`: what comes next in a session, from past sessions that went the same way.

mod kernel;

use arrow::array::{Array, RecordBatch};
use arrow::datatypes::{DataType, Field, SchemaRef};
use datafusion_common::{DataFusionError, Result};
use datafusion_expr::Documentation;
use datafusion_macros::user_doc;

use crate::common::kinds::Kind;
use crate::common::time::{Cutoffs, ticks};
use crate::relation::exec::Output;
use crate::relation::ids::{Ids, NO_CODE};
use crate::relation::inputs::{Column, Columns, Input};
use crate::relation::options::{OptionKind, OptionSpec, Options};
use crate::relation::shared_ids::{Place, SharedIds, one_kind};
use crate::relation::threads::in_order;
use crate::relation::work::{Halt, Held, Work, bytes_with, hold};
use crate::relation::{Relation, Run};
use kernel::{Current, Index, Past, Sessions};

const FUNCTION: &str = "next_items";

#[user_doc(
    doc_section(label = "Affinity"),
    description = "The items that are likely to come next in each current session, from the past sessions that resemble \
it most (VMIS-kNN; Kersbergen, Sprangers and Schelter, SIGMOD 2022): a table of session, item, score, neighbours and rank. \
Of the n last different items of the session, n at most `last_items`, the latest weighs n/n, the one before (n−1)/n, and \
so on to 1/n. Candidates are the `sample` latest past sessions with one of these items; a session is as late as its last \
event. The similarity of a candidate is the sum of the weights of the items that it shares, and the `neighbours` most \
similar ones are kept, the later first in a tie, then the smaller id. The score of an item is the sum, over the \
neighbours that have it, of similarity · (1 − p/10) · ln(N/N_item): p is how many steps back in the session (the last item \
is 1) the latest shared item stands, from 10 on nothing is said; N is the number of past sessions and N_item of those with \
the item. `neighbours` in the result is how many of them have it. The last item itself is left out; those before may come \
again. Nothing is learned from the future: past sessions whose last event is after that of the current one do not count, \
nor does a past session with the same id. A session that resembles no other has no row. Ties: more neighbours first, then \
the smaller id. To measure it, let `current` be the beginnings of sessions whose next item is known.",
    syntax_example = "next_items(past, current [, k => 20, sample => 1500, neighbours => 300, last_items => 4])",
    sql_example = r"```sql
WITH clicks AS (
    SELECT * FROM (VALUES (1, 'tent', TIMESTAMP '2026-06-01 10:00:00'), (1, 'stove', TIMESTAMP '2026-06-01 10:01:00'),
                          (2, 'tent', TIMESTAMP '2026-06-02 10:00:00'), (2, 'map', TIMESTAMP '2026-06-02 10:01:00'),
                          (3, 'map', TIMESTAMP '2026-06-03 10:00:00'), (3, 'rope', TIMESTAMP '2026-06-03 10:01:00'),
                          (4, 'map', TIMESTAMP '2026-06-04 10:00:00'), (4, 'tent', TIMESTAMP '2026-06-04 10:01:00'))
        AS c(session, item, event_time))
SELECT * FROM next_items((SELECT * FROM clicks WHERE session < 4), (SELECT * FROM clicks WHERE session = 4));
+---------+-------+---------------------+------------+------+
| session | item  | score               | neighbours | rank |
+---------+-------+---------------------+------------+------+
| 4       | stove | 0.9887510598012988  | 1          | 1    |
| 4       | map   | 0.7095639391892876  | 2          | 2    |
| 4       | rope  | 0.43944491546724396 | 1          | 3    |
+---------+-------+---------------------+------------+------+
```",
    argument(
        name = "past",
        description = "A table (session, item, event_time), by position: integers or text, and a TIMESTAMP or DATE. A row \
with a NULL is ignored."
    ),
    argument(
        name = "current",
        description = "A table (session, item, event_time) of the sessions that are going on. A row with a NULL is ignored."
    ),
    argument(name = "k", description = "How many items a session gets at most."),
    argument(
        name = "sample",
        description = "How many past sessions that share an item are looked at, the latest."
    ),
    argument(
        name = "neighbours",
        description = "How many of them have a say, the most similar."
    ),
    argument(
        name = "last_items",
        description = "How many different items of the current session count, the last."
    )
)]
#[derive(Debug)]
pub(crate) struct NextItems;

static COLUMNS: [Column; 3] = [
    Column::new("session", Kind::Id),
    Column::new("item", Kind::Id),
    Column::new("event_time", Kind::Time),
];

static INPUTS: [Input; 2] = [
    Input {
        name: "past",
        columns: Columns::Positional(&COLUMNS),
    },
    Input {
        name: "current",
        columns: Columns::Positional(&COLUMNS),
    },
];

const SESSIONS: [Place; 2] = [(0, 0), (1, 0)];
const ITEMS: [Place; 2] = [(0, 1), (1, 1)];

static OPTIONS: [OptionSpec; 4] = [
    OptionSpec::new("k", OptionKind::Integer(1), || 20_i64.into()),
    OptionSpec::new("sample", OptionKind::Integer(1), || 1500_i64.into()),
    OptionSpec::new("neighbours", OptionKind::Integer(1), || 300_i64.into()),
    OptionSpec::new("last_items", OptionKind::Integer(1), || 4_i64.into()),
];

impl Relation for NextItems {
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
        one_kind(self, inputs, &SESSIONS)?;
        one_kind(self, inputs, &ITEMS)?;
        let [session, item] = [inputs[1].field(0), inputs[0].field(1)].map(Field::data_type);
        Ok(vec![
            Field::new("session", session.clone(), false),
            Field::new("item", item.clone(), false),
            Field::new("score", DataType::Float64, false),
            Field::new("neighbours", DataType::Int64, false),
            Field::new("rank", DataType::Int64, false),
        ])
    }

    fn start(&self, inputs: &[SchemaRef], options: &Options) -> Result<Box<dyn Run>> {
        let [past, current] = [&inputs[0], &inputs[1]].map(|input| input.field(2).data_type());
        Ok(Box::new(Clicks {
            item_type: inputs[0].field(1).data_type().clone(),
            items: SharedIds::new(FUNCTION, inputs, &ITEMS),
            past_sessions: SharedIds::new(FUNCTION, inputs, &SESSIONS),
            sessions: Ids::new(inputs[1].field(0).data_type()),
            past: Past::default(),
            current: Current::default(),
            cutoffs: Cutoffs::new(past, current)?,
            options: kernel::Options {
                k: options.count("k"),
                sample: options.count("sample"),
                neighbours: options.count("neighbours"),
                last_items: options.count("last_items"),
            },
            held: None,
        }))
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}

struct Clicks {
    item_type: DataType,
    items: SharedIds,
    past_sessions: SharedIds,
    sessions: Ids,
    past: Past,
    current: Current,
    cutoffs: Cutoffs,
    options: kernel::Options,
    held: Option<Held>,
}

impl Run for Clicks {
    fn push(&mut self, input: usize, batch: &RecordBatch, work: &Work) -> Result<()> {
        let rows = batch.num_rows();
        let bytes = self.items.ids().bytes_with(rows)
            + self.past_sessions.ids().bytes_with(rows)
            + self.sessions.bytes_with(rows)
            + self.past.bytes_with(rows)
            + self.current.bytes_with(rows);
        hold(&mut self.held, bytes, work).map_err(halted)?;
        match input {
            0 => self.push_past(batch),
            _ => self.push_current(batch),
        }
    }

    fn finish(self: Box<Self>, work: &Work, output: &mut Output) -> Result<()> {
        let Self {
            item_type,
            items,
            past_sessions,
            sessions,
            past,
            current,
            cutoffs,
            options,
            held: _held,
        } = *self;
        let codes = items.ids().len() + past_sessions.ids().len() + sessions.len();
        let _ranks = work.reserve(codes * 8).map_err(halted)?;
        let ranks = [items.ids().ranks(), sessions.ranks()];
        let past_ranks = past_sessions.ids().ranks();
        // Codes are enough from here on.
        drop(past_sessions);
        let index = Index::new(&past, ranks[0].len(), &past_ranks, work).map_err(halted)?;
        drop((past, past_ranks));
        let ranks = [ranks[0].as_slice(), &ranks[1]];
        let all = Sessions::new(&index, &current, ranks, cutoffs, options, work);
        let all = all.map_err(halted)?;
        work.expect_steps(all.shares());
        let worker = || all.worker(work);
        in_order(all.shares(), work.threads(), worker, |rows| {
            rows.map_err(halted)?.send(
                output,
                |codes| sessions.decode(codes),
                |codes| items.decode(codes, &item_type),
            )
        })
    }
}

impl Clicks {
    fn push_past(&mut self, batch: &RecordBatch) -> Result<()> {
        let rows = batch.num_rows();
        let (mut sessions, mut items) = (Vec::with_capacity(rows), Vec::with_capacity(rows));
        self.past_sessions.encode(batch, 0, &mut sessions)?;
        self.items.encode(batch, 1, &mut items)?;
        let past = &mut self.past;
        past.ends.resize(self.past_sessions.ids().len(), i64::MIN);
        let times = batch.column(2);
        let moments = ticks(times)?;
        for (row, (session, item)) in sessions.into_iter().zip(items).enumerate() {
            if session == NO_CODE || item == NO_CODE || times.is_null(row) {
                continue;
            }
            past.session.push(session);
            past.item.push(item);
            let end = &mut past.ends[session as usize];
            *end = moments[row].max(*end);
        }
        Ok(())
    }

    fn push_current(&mut self, batch: &RecordBatch) -> Result<()> {
        let rows = batch.num_rows();
        let (mut sessions, mut items) = (Vec::with_capacity(rows), Vec::with_capacity(rows));
        let mut same = Vec::with_capacity(rows);
        self.sessions.encode(batch.column(0), &mut sessions)?;
        self.past_sessions.find(batch, 0, &mut same)?;
        // Also those that the past does not know: they have a place among the last items.
        self.items.encode(batch, 1, &mut items)?;
        let current = &mut self.current;
        current.same.resize(self.sessions.len(), NO_CODE);
        let times = batch.column(2);
        let moments = ticks(times)?;
        for row in 0..rows {
            let (session, item) = (sessions[row], items[row]);
            if session == NO_CODE || item == NO_CODE || times.is_null(row) {
                continue;
            }
            current.session.push(session);
            current.item.push(item);
            current.time.push(moments[row]);
            current.same[session as usize] = same[row];
        }
        Ok(())
    }
}

impl Past {
    fn bytes_with(&self, rows: usize) -> usize {
        bytes_with(&self.session, rows)
            + bytes_with(&self.item, rows)
            + bytes_with(&self.ends, rows)
    }
}

impl Current {
    fn bytes_with(&self, rows: usize) -> usize {
        bytes_with(&self.session, rows)
            + bytes_with(&self.item, rows)
            + bytes_with(&self.time, rows)
            + bytes_with(&self.same, rows)
    }
}

fn halted(halt: Halt) -> DataFusionError {
    halt.into_error(FUNCTION)
}
