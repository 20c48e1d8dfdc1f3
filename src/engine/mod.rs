//! The only place that builds a DataFusion session.
//!
//! An [`Engine`] knows the tables of a project, the functions of Jumeau, and its limits. It turns
//! SQL and typed parameters into a [`Query`]: a stream of record batches that reports its progress
//! and ends when it is dropped.

mod bind;
mod catalog;
mod data_files;
mod diagnose;
mod dialect;
mod files;
mod join_order;
mod memory;
mod one_file;
pub(crate) mod opposition;
mod planner;
mod query;
mod sql;
mod stores;

use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{CatalogProvider, MemoryCatalogProvider};
use datafusion::execution::SessionStateBuilder;
use datafusion::execution::context::SQLOptions;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::{SessionConfig, SessionContext};
use datafusion::sql::parser::Statement;

pub use bind::{Params, Value};
pub(crate) use bind::{is_date, is_number};
pub use data_files::DataFiles;
pub(crate) use dialect::AnalystDialect;
pub use query::{Progress, Query};
pub use sql::{parse, tables_read};

use crate::error::{Error, Result};
use crate::project::{KeySource, Limits, Project, Table};
use crate::transaction;
use catalog::ProjectSchema;

const CATALOG: &str = "jumeau";
const SCHEMA: &str = "main";

/// A session over the tables of a project.
pub struct Engine {
    context: SessionContext,
    tables: Arc<ProjectSchema>,
    read_only: bool,
}

impl Engine {
    /// Builds the session. Nothing is read yet but the view files: a table is opened when a
    /// statement first names it.
    ///
    /// # Errors
    /// When a limit or a tariff price is not usable, views form a cycle, or a change of files that a crash cut
    /// short cannot be completed.
    pub fn new(project: &Project, limits: &Limits, read_only: bool) -> Result<Self> {
        transaction::recover(&project.folder, read_only)?;
        let limits = project.limits.clone().overridden_by(limits.clone());
        let threads = match limits.threads {
            Some(threads) => threads.get(),
            None => std::thread::available_parallelism().map_or(1, usize::from),
        };
        let mut runtime = RuntimeEnvBuilder::new()
            .with_memory_pool(memory::pool(
                limits.memory.map_or_else(memory::granted, |b| b.0),
            ))
            .with_object_store_registry(Arc::new(stores::Stores::default()))
            .with_object_list_cache_ttl(Some(std::time::Duration::from_secs(1)));
        if let Some(folder) = &limits.temp_dir {
            std::fs::create_dir_all(folder).map_err(|error| {
                Error::io(format_args!("temp dir {}", folder.display()), &error)
            })?;
            runtime = runtime.with_temp_file_path(folder.clone());
        }
        let runtime = runtime
            .build_arc()
            .map_err(|error| diagnose::explain(error, &[]))?;

        let mut config = SessionConfig::new()
            .with_target_partitions(threads)
            .with_information_schema(true)
            .with_create_default_catalog_and_schema(false)
            .with_default_catalog_and_schema(CATALOG, SCHEMA)
            .with_option_extension(jumeau_udfs::Tariff::default())
            .with_option_extension(jumeau_udfs::Privacy::default());
        let options = config.options_mut();
        options
            .set("datafusion.sql_parser.dialect", "duckdb")
            .map_err(|error| diagnose::explain(error, &[]))?;
        // Rows that lie together by visitor also do by visitor and session: with few threads, moving
        // them again costs more than an uneven share.
        options.optimizer.subset_repartition_threshold = 1;
        // A prospect has two or three clicks: to aggregate them before they are brought together
        // halves the rows at best, and costs a hash table of nearly all visitors for each thread.
        options
            .execution
            .skip_partial_aggregation_probe_ratio_threshold = 0.2;
        for (channel, price) in &project.tariff {
            options
                .set(&format!("tariff.{channel}"), price)
                .map_err(|error| diagnose::explain(error, &[]).into_usage())?;
        }
        if let Some(source) = &project.key {
            let (name, value) = match source {
                KeySource::Environment(name) => ("privacy.key_env", name),
                KeySource::File(path) => ("privacy.key_file", path),
            };
            options
                .set(name, value)
                .map_err(|error| diagnose::explain(error, &[]).into_usage())?;
        }

        let state = SessionStateBuilder::new()
            .with_config(config)
            .with_runtime_env(runtime)
            .with_default_features()
            .with_relation_planners(vec![jumeau_udfs::relation_planner()])
            .with_query_planner(Arc::new(planner::Planner))
            .with_physical_optimizer_rules(join_order::physical_optimizer_rules())
            .build();
        let context = SessionContext::new_with_state(state);
        let options = Arc::clone(context.state_ref().read().config_options());
        jumeau_udfs::register_all(&mut *context.state_ref().write(), &options)
            .map_err(|error| diagnose::explain(error, &[]))?;

        let tables = Arc::new(ProjectSchema::new(project, context.state_weak_ref())?);
        let catalog = MemoryCatalogProvider::new();
        catalog
            .register_schema(SCHEMA, Arc::clone(&tables) as _)
            .map_err(|error| diagnose::explain(error, &[]))?;
        context.register_catalog(CATALOG, Arc::new(catalog));
        Ok(Self {
            context,
            tables,
            read_only,
        })
    }

    /// The names of the tables and views that statements can use, sorted.
    pub fn table_names(&self) -> Vec<String> {
        self.tables.listed()
    }

    /// How many threads queries use.
    pub fn threads(&self) -> usize {
        self.context.copied_config().target_partitions()
    }

    /// Makes a file known as a table, in place of one of the same name.
    pub fn add_file(&self, name: &str, path: &Path) {
        // Not a path of the project: it starts where the user stands.
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let path = path.to_string_lossy().into_owned();
        self.tables.add(
            name,
            Table {
                path,
                ..Table::default()
            },
        );
    }

    /// Makes an empty table of this schema known: what `check` plans against.
    pub fn add_empty_table(&self, name: &str, schema: SchemaRef) {
        self.tables.add_empty(name, schema);
    }

    /// Binds the parameters of a statement and plans it against the real schemas. Scans nothing.
    ///
    /// # Errors
    /// When a table, column, function or parameter is unknown, or types do not fit.
    pub async fn plan(&self, statement: Statement, params: &Params) -> Result<LogicalPlan> {
        let statement = bind::bind(statement, params)?;
        let plan = self
            .context
            .state()
            .statement_to_plan(statement)
            .await
            .map_err(|error| self.explain(error))?;
        if self.read_only {
            SQLOptions::new()
                .with_allow_ddl(false)
                .with_allow_dml(false)
                .verify_plan(&plan)
                .map_err(|_| {
                    Error::usage("this statement writes, and the session is read-only")
                        .hint("leave --read-only out")
                })?;
        }
        Ok(plan)
    }

    /// Analyses and optimises a plan without running it: what `check` needs to find type errors.
    ///
    /// # Errors
    /// When the plan does not hold together.
    pub fn optimize(&self, plan: &LogicalPlan) -> Result<LogicalPlan> {
        self.context
            .state()
            .optimize(plan)
            .map_err(|error| self.explain(error))
    }

    /// Starts a plan. Rows come as the query's stream is read.
    ///
    /// # Errors
    /// When no physical plan can be made, or the statement (such as CREATE TABLE) fails.
    pub async fn run(&self, plan: LogicalPlan) -> Result<Query> {
        let frame = self
            .context
            .execute_logical_plan(plan)
            .await
            .map_err(|error| self.explain(error))?;
        let task = Arc::new(frame.task_ctx());
        let plan = frame
            .create_physical_plan()
            .await
            .map_err(|error| self.explain(error))?;
        Query::start(plan, task).map_err(|error| self.explain(error))
    }

    /// Plans and starts one statement.
    ///
    /// # Errors
    /// As [`Self::plan`] and [`Self::run`].
    pub async fn query(&self, statement: Statement, params: &Params) -> Result<Query> {
        let plan = self.plan(statement, params).await?;
        self.run(plan).await
    }

    fn explain(&self, error: datafusion::error::DataFusionError) -> Error {
        diagnose::explain(error, &self.tables.names())
    }
}
