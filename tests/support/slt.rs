//! A session for the SQL cases: DuckDB's dialect, all functions, the tariff.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::array::{Array, RecordBatch};
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::common::Result;
use datafusion::config::Dialect;
use datafusion::execution::SessionStateBuilder;
use datafusion::execution::context::QueryPlanner;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_planner::{DefaultPhysicalPlanner, PhysicalPlanner};
use datafusion::prelude::{SessionConfig, SessionContext};
use jumeau_udfs::{Privacy, Tariff};
use sqllogictest::{DB, DBOutput, DefaultColumnType};

/// Runs statements one after the other, as `sqllogictest` asks for.
pub(crate) struct Session {
    pub(crate) context: SessionContext,
    pub(crate) runtime: tokio::runtime::Runtime,
}

impl Session {
    /// A new session with these settings on top of the common ones.
    pub(crate) fn new(settings: &[(&str, &str)]) -> Result<Self> {
        Self::within(Arc::default(), settings)
    }

    /// As [`Self::new`], with the memory and the disk of an environment.
    pub(crate) fn within(environment: Arc<RuntimeEnv>, settings: &[(&str, &str)]) -> Result<Self> {
        let mut config = SessionConfig::new().with_information_schema(true);
        let options = config.options_mut();
        options.extensions.insert(Tariff::default());
        options.extensions.insert(Privacy::default());
        options.set("datafusion.sql_parser.dialect", "duckdb")?;
        for (name, value) in settings {
            options.set(name, value)?;
        }
        let state = SessionStateBuilder::new()
            .with_config(config)
            .with_runtime_env(environment)
            .with_default_features()
            .with_relation_planners(vec![jumeau_udfs::relation_planner()])
            .with_query_planner(Arc::new(Planner));
        let state = jumeau_udfs::physical_optimizer_rules()
            .into_iter()
            .fold(state, SessionStateBuilder::with_physical_optimizer_rule)
            .build();
        let mut context = SessionContext::new_with_state(state);
        let options = context.copied_config();
        jumeau_udfs::register_all(&mut context, options.options())?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .build()?;
        Ok(Self { context, runtime })
    }

    /// The result of one statement.
    pub(crate) fn query(&self, sql: &str) -> Result<Vec<RecordBatch>> {
        self.runtime.block_on(async {
            let state = self.context.state();
            let mut statement = state.sql_to_statement(sql, &Dialect::DuckDB)?;
            jumeau_udfs::name_tables(&mut statement);
            let plan = state.statement_to_plan(statement).await?;
            let frame = self.context.execute_logical_plan(plan).await?;
            frame.collect().await
        })
    }
}

/// DataFusion's planner, and the operators of the functions that stand in FROM.
#[derive(Debug)]
struct Planner;

#[async_trait]
impl QueryPlanner for Planner {
    async fn create_physical_plan(
        &self,
        plan: &LogicalPlan,
        session: &dyn datafusion::catalog::Session,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        DefaultPhysicalPlanner::with_extension_planners(vec![jumeau_udfs::extension_planner()])
            .create_physical_plan(plan, session)
            .await
    }
}

impl DB for Session {
    type Error = datafusion::error::DataFusionError;
    type ColumnType = DefaultColumnType;

    fn run(&mut self, sql: &str) -> Result<DBOutput<DefaultColumnType>> {
        let batches = self.query(sql)?;
        let Some(first) = batches.first().filter(|batch| batch.num_columns() > 0) else {
            return Ok(DBOutput::StatementComplete(0));
        };
        let types = first
            .schema()
            .fields()
            .iter()
            .map(|f| column_type(f.data_type()))
            .collect();
        let mut rows = Vec::new();
        for batch in &batches {
            rows.extend(printed(batch)?);
        }
        Ok(DBOutput::Rows { types, rows })
    }

    fn engine_name(&self) -> &'static str {
        "jumeau"
    }
}

fn column_type(data_type: &DataType) -> DefaultColumnType {
    match data_type {
        integer if integer.is_integer() => DefaultColumnType::Integer,
        float if float.is_floating() => DefaultColumnType::FloatingPoint,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => DefaultColumnType::Text,
        _ => DefaultColumnType::Any,
    }
}

/// The cells of each row; a NULL reads `NULL`, empty text `(empty)`.
fn printed(batch: &RecordBatch) -> Result<Vec<Vec<String>>> {
    let options = FormatOptions::default().with_null("NULL");
    let columns = batch.columns();
    let formatters = columns
        .iter()
        .map(|column| ArrayFormatter::try_new(column, &options))
        .collect::<std::result::Result<Vec<_>, _>>()?;
    let cell = |(column, row): (usize, usize)| match formatters[column].value(row).to_string() {
        text if text.is_empty() && columns[column].is_valid(row) => "(empty)".to_owned(),
        text if text.is_empty() => "NULL".to_owned(),
        text => text,
    };
    Ok((0..batch.num_rows())
        .map(|row| {
            (0..columns.len())
                .map(|column| cell((column, row)))
                .collect()
        })
        .collect())
}
