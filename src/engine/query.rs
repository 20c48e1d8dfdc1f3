//! A running query: batches as they come, progress while they come, an end when it is dropped.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::error::ArrowError;
use datafusion::common::runtime::SpawnedTask;
use datafusion::common::stats::Precision;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfig};
use datafusion::datasource::source::DataSourceExec;
use datafusion::error::DataFusionError;
use datafusion::execution::TaskContext;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use futures::StreamExt;
use jumeau_udfs::{STEPS, STEPS_DONE};
use tokio::sync::mpsc;

use super::diagnose;
use crate::error::{Error, Result};

/// A query that runs. Dropping it stops its threads and frees its memory.
pub struct Query {
    plan: Arc<dyn ExecutionPlan>,
    schema: SchemaRef,
    batches: mpsc::Receiver<Result<RecordBatch, DataFusionError>>,
    task: Option<SpawnedTask<()>>,
    scanned: Option<usize>,
    started: Instant,
}

/// How far a query has come.
#[derive(Debug, Clone, PartialEq)]
pub struct Progress {
    /// Rows read from files so far.
    pub rows: usize,
    /// Rows that the files hold in all, when their footers tell.
    pub total: Option<usize>,
    /// The function in FROM that works on what it has read, and the share of its work that is done.
    pub working: Option<(String, f64)>,
    /// Time since the query started.
    pub elapsed: Duration,
}

impl Query {
    pub(super) fn start(
        plan: Arc<dyn ExecutionPlan>,
        task: Arc<TaskContext>,
    ) -> Result<Self, DataFusionError> {
        let scanned = rows_to_scan(&plan);
        let mut stream = execute_stream(Arc::clone(&plan), task)?;
        let schema = stream.schema();
        // The query works in a task of its own, so that whoever waits for it can also listen to
        // Ctrl-C and a clock, and so that the next batch is made while this one is written.
        let (sender, batches) = mpsc::channel(1);
        let task = SpawnedTask::spawn(async move {
            while let Some(batch) = stream.next().await {
                if sender.send(batch).await.is_err() {
                    return;
                }
            }
        });
        Ok(Self {
            plan,
            schema,
            batches,
            task: Some(task),
            scanned,
            started: Instant::now(),
        })
    }

    /// The columns of the result.
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// The next batch; `None` at the end.
    ///
    /// # Errors
    /// When the query fails, its data are broken, or memory runs out.
    pub async fn next(&mut self) -> Result<Option<RecordBatch>> {
        match self.batches.recv().await {
            // The end, unless the task broke: then the rows so far are not the result.
            None => match self.task.take() {
                Some(task) => task
                    .join()
                    .await
                    .map(|()| None)
                    .map_err(|error| Error::data(format!("the query broke off: {error}"))),
                None => Ok(None),
            },
            Some(Ok(batch)) => Ok(Some(batch)),
            Some(Err(error)) => Err(self.explain(error)),
        }
    }

    /// All batches at once, for results that are known to be small.
    ///
    /// # Errors
    /// As [`Self::next`].
    pub async fn collect(mut self) -> Result<Vec<RecordBatch>> {
        let mut batches = Vec::new();
        while let Some(batch) = self.next().await? {
            batches.push(batch);
        }
        Ok(batches)
    }

    /// How far the query has come; cheap enough to ask ten times a second.
    pub fn progress(&self) -> Progress {
        let mut rows = 0;
        visit_scans(&self.plan, &mut |scan| {
            rows += scan
                .metrics()
                .and_then(|metrics| metrics.output_rows())
                .unwrap_or(0);
        });
        let total = self.scanned.map(|total| total.max(rows));
        Progress {
            rows,
            total,
            working: working(&self.plan),
            elapsed: self.started.elapsed(),
        }
    }

    /// Names the file when the error is about the contents of one.
    fn explain(&self, error: DataFusionError) -> Error {
        let root = error.find_root();
        let file_type = match root {
            DataFusionError::ArrowError(inner, _) => match inner.as_ref() {
                ArrowError::CsvError(_) | ArrowError::ParseError(_) => Some("csv"),
                ArrowError::JsonError(_) => Some("json"),
                ArrowError::ParquetError(_) => Some("parquet"),
                _ => None,
            },
            DataFusionError::ParquetError(_) => Some("parquet"),
            _ => None,
        };
        let files = file_type.map(|kind| self.files(kind)).unwrap_or_default();
        let explained = diagnose::explain(error, &[]);
        match files.len() {
            1..=3 => explained.context(files.into_iter().collect::<Vec<_>>().join(" or ")),
            _ => explained,
        }
    }

    fn files(&self, kind: &str) -> BTreeSet<String> {
        let mut files = BTreeSet::new();
        visit_scans(&self.plan, &mut |scan| {
            let Some(config) = scan.data_source().downcast_ref::<FileScanConfig>() else {
                return;
            };
            if config.file_source().file_type() != kind {
                return;
            }
            let root = match config.object_store_url.as_str() {
                local if local.starts_with("file:") => "/",
                remote => remote,
            };
            for file in config.file_groups.iter().flat_map(FileGroup::iter) {
                files.insert(format!("{root}{}", file.object_meta.location));
            }
        });
        files
    }
}

/// Rows in all files that the plan scans; `None` when one of them does not tell.
fn rows_to_scan(plan: &Arc<dyn ExecutionPlan>) -> Option<usize> {
    let mut total = Some(0);
    visit_scans(plan, &mut |scan| {
        let rows = scan
            .data_source()
            .partition_statistics(None)
            .ok()
            .and_then(|statistics| match statistics.num_rows {
                Precision::Exact(rows) | Precision::Inexact(rows) => Some(rows),
                Precision::Absent => None,
            });
        total = total.zip(rows).map(|(total, rows)| total + rows);
    });
    total
}

/// The operator that has told how much work it has and has not done all of it; the deepest, when there are several.
fn working(plan: &Arc<dyn ExecutionPlan>) -> Option<(String, f64)> {
    let below = plan.children().into_iter().find_map(working);
    below.or_else(|| {
        let metrics = plan.metrics()?;
        let count = |name| metrics.sum_by_name(name).map(|value| value.as_usize());
        let (all, done) = (count(STEPS)?, count(STEPS_DONE)?);
        (done < all).then(|| (plan.name().to_owned(), done as f64 / all as f64))
    })
}

fn visit_scans(plan: &Arc<dyn ExecutionPlan>, visit: &mut impl FnMut(&DataSourceExec)) {
    if let Some(scan) = plan.downcast_ref::<DataSourceExec>() {
        visit(scan);
    }
    for child in plan.children() {
        visit_scans(child, visit);
    }
}
