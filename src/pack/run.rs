//! Runs a pack: every output is staged, checked, and published with the others at once.
//!
//! Nothing is seen by a reader before all queries and checks have passed; a failed or killed run
//! leaves the last good one in place.

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};

use super::{Pack, PackQuery, check, checks, publish::Staging, record};
use crate::engine::{Engine, Params, Progress};
use crate::error::{Error, Result};
use crate::render::{Format, Shape, Writer};

/// Where a run goes.
#[derive(Debug, Clone)]
pub struct RunOptions {
    /// The folder that holds one folder a pack.
    pub out: PathBuf,
}

/// What a run tells while it goes on.
pub enum Event<'a> {
    /// A query starts.
    Started(&'a PackQuery),
    /// A query reads.
    Reading(Progress),
    /// A query has written its output, and its checks are known.
    Finished(&'a QueryOutcome),
}

/// What a run left behind.
#[derive(Debug)]
pub struct Outcome {
    /// The run's name, by its start.
    pub id: String,
    /// The folder of the outputs: published, or put aside when a check failed.
    pub folder: PathBuf,
    /// One entry a query, in the order of the run.
    pub queries: Vec<QueryOutcome>,
}

impl Outcome {
    /// Whether every check passed, and so whether the outputs are published.
    pub fn passed(&self) -> bool {
        self.queries
            .iter()
            .all(|query| query.checks.iter().all(|(_, passed)| *passed))
    }
}

/// What one query left behind.
#[derive(Debug)]
pub struct QueryOutcome {
    /// The query's name.
    pub name: String,
    /// Rows of its output.
    pub rows: usize,
    /// Time for the query and its checks.
    pub elapsed: Duration,
    /// Each check as written, and whether it passed.
    pub checks: Vec<(String, bool)>,
}

/// Runs every query of a pack.
///
/// # Errors
/// When a query does not plan or fails, or a file cannot be written. Nothing is published then. A
/// failed check is not an error here: see [`Outcome::passed`].
pub async fn run(
    engine: &Engine,
    pack: &Pack,
    params: &Params,
    options: &RunOptions,
    on_event: &mut dyn FnMut(Event<'_>),
) -> Result<Outcome> {
    check(engine, pack, params).await?;
    let staging = Staging::new(&options.out.join(&pack.name))?;
    let mut queries = Vec::with_capacity(pack.queries.len());
    for query in &pack.queries {
        on_event(Event::Started(query));
        let outcome = run_query(engine, query, params, &staging, on_event)
            .await
            .map_err(|error| {
                error.context(format_args!("{}, query '{}'", pack.name, query.name))
            })?;
        on_event(Event::Finished(&outcome));
        queries.push(outcome);
    }
    let mut outcome = Outcome {
        id: staging.id().to_owned(),
        folder: PathBuf::new(),
        queries,
    };
    let record = record::to_json(pack, params, &outcome)?;
    outcome.folder = if outcome.passed() {
        staging.publish(&record)?
    } else {
        staging.reject(&record)?
    };
    Ok(outcome)
}

async fn run_query(
    engine: &Engine,
    query: &PackQuery,
    params: &Params,
    staging: &Staging,
    on_event: &mut dyn FnMut(Event<'_>),
) -> Result<QueryOutcome> {
    const TICK: Duration = Duration::from_millis(100);
    let started = Instant::now();
    let path = staging.file(&query.name);
    let mut running = engine.query(query.statement.clone(), params).await?;
    let mut output = Output::create(&path, &running.schema())?;
    let mut tick = tokio::time::interval(TICK);
    loop {
        let batch = tokio::select! {
            batch = running.next() => batch?,
            _ = tick.tick() => {
                on_event(Event::Reading(running.progress()));
                continue;
            }
        };
        match batch {
            Some(batch) => output.write(&batch)?,
            None => break,
        }
    }
    let rows = output.finish()?;
    engine.add_file(&query.name, &path);

    let mut results = Vec::with_capacity(query.checks.len());
    for (index, check) in query.checks.iter().enumerate() {
        let finding = checks::run(engine, &query.name, check, params)
            .await
            .map_err(|error| error.context(format_args!("check \"{check}\"")))?;
        if let Some(first) = finding.failing.first() {
            // The rows that failed, beside the output, for whoever mends it.
            let path = staging.file(&format!("{}.failing-{}", query.name, index + 1));
            let mut output = Output::create(&path, &first.schema())?;
            for batch in &finding.failing {
                output.write(batch)?;
            }
            output.finish()?;
        }
        results.push((check.clone(), finding.passed));
    }
    Ok(QueryOutcome {
        name: query.name.clone(),
        rows,
        elapsed: started.elapsed(),
        checks: results,
    })
}

/// One Parquet file of a run.
struct Output {
    path: PathBuf,
    schema: SchemaRef,
    writer: Writer<BufWriter<File>>,
    rows: usize,
}

impl Output {
    fn create(path: &Path, schema: &SchemaRef) -> Result<Self> {
        let schema = output_schema(schema);
        let file = File::create(path).map_err(|error| Error::io(path.display(), &error))?;
        let writer = Writer::new(
            Format::Parquet,
            &schema,
            BufWriter::new(file),
            Shape::unlimited(),
        )?;
        Ok(Self {
            path: path.to_owned(),
            schema,
            writer,
            rows: 0,
        })
    }

    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let columns = batch
            .columns()
            .iter()
            .zip(self.schema.fields())
            .map(|(column, field)| cast(column, field.data_type()))
            .collect::<Result<Vec<_>, _>>()
            .and_then(|columns| RecordBatch::try_new(Arc::clone(&self.schema), columns))
            .map_err(|error| Error::data(error.to_string()))?;
        self.rows += columns.num_rows();
        self.writer.write(&columns)?;
        Ok(())
    }

    /// Ends the file and waits until the disk has it: a rename must not overtake the rows.
    fn finish(self) -> Result<usize> {
        let io = |error| Error::io(self.path.display(), &error);
        let file = self
            .writer
            .finish()?
            .into_inner()
            .map_err(|error| io(error.into_error()))?;
        file.sync_all().map_err(io)?;
        Ok(self.rows)
    }
}

/// The schema that readers of the output can all take: signed integers, microseconds, every column
/// nullable.
pub(super) fn output_schema(schema: &Schema) -> SchemaRef {
    let fields = schema.fields().iter().map(|field| {
        let data_type = match field.data_type() {
            DataType::UInt64 => DataType::Int64,
            DataType::Timestamp(TimeUnit::Nanosecond, zone) => {
                DataType::Timestamp(TimeUnit::Microsecond, zone.clone())
            }
            DataType::Null => DataType::Utf8,
            other => other.clone(),
        };
        Field::new(field.name(), data_type, true)
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}
