//! Runs a pack: every output is staged, checked, and published with the others at once.
//!
//! Nothing is seen by a reader before all queries and checks have passed; a failed or killed run
//! leaves the last good one in place.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::{Pack, PackQuery, check, checks, output::Output, publish::Staging, record};
use crate::engine::{Engine, Params, Progress};
use crate::error::Result;

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
    /// Whether `latest` leads to that folder now.
    pub is_latest: bool,
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
        is_latest: false,
        queries,
    };
    let record = record::to_json(pack, params, &outcome)?;
    (outcome.folder, outcome.is_latest) = if outcome.passed() {
        staging.publish(&record, pack.is_selection)?
    } else {
        (staging.reject(&record)?, false)
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
    let mut output = Output::create(&path, &running.schema(), engine.threads())?;
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
            let mut output = Output::create(&path, &first.schema(), 1)?;
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
