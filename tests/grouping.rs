//! Aggregates by visitor: the operator against DataFusion's own.

#![cfg(test)]

use std::fmt::Write as _;
use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, AsArray, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray, UInt32Array,
};
use datafusion::arrow::compute::{SortOptions, cast, concat_batches, take_record_batch};
use datafusion::arrow::datatypes::{DataType, Int64Type, TimeUnit};
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::datasource::MemTable;
use datafusion::execution::SessionStateBuilder;
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::file::properties::WriterProperties;
use datafusion::physical_plan::{ExecutionPlan, collect, execute_stream};
use datafusion::prelude::{SessionConfig, SessionContext};
use futures::StreamExt;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A session with our operators, or without them.
fn session(ours: bool, threads: usize, runtime: &Arc<RuntimeEnv>) -> SessionContext {
    let mut config = SessionConfig::new()
        .with_target_partitions(threads)
        .with_batch_size(1000);
    let options = config.options_mut();
    options
        .set("datafusion.sql_parser.dialect", "duckdb")
        .unwrap();
    let state = SessionStateBuilder::new()
        .with_config(config)
        .with_runtime_env(Arc::clone(runtime))
        .with_default_features();
    let rules = jumeau_udfs::physical_optimizer_rules().into_iter();
    let rules = rules.filter(|_| ours);
    let state = rules.fold(state, SessionStateBuilder::with_physical_optimizer_rule);
    let mut context = SessionContext::new_with_state(state.build());
    let settings = context.copied_config();
    jumeau_udfs::register_all(&mut context, settings.options()).unwrap();
    context
}

fn unlimited() -> Arc<RuntimeEnv> {
    RuntimeEnvBuilder::new().build_arc().unwrap()
}

/// Visits: (id, kind, at, what), a few of each NULL.
fn visits(seed: u64, rows: usize, visitors: i64) -> RecordBatch {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut known = |value: i64| (random.random_range(0..20) > 0).then_some(value);
    let mut dice = ChaCha8Rng::seed_from_u64(seed + 1);
    let mut number = |most: i64| known(dice.random_range(0..most));
    let ids: Int64Array = (0..rows).map(|_| number(visitors)).collect();
    let texts = |number: Option<i64>, words: &[&str]| {
        number.map(|number| words[number as usize % words.len()].to_owned())
    };
    let kinds = [
        "a",
        "b",
        "a kind whose name is longer than twelve bytes",
        "",
    ];
    let kinds: StringArray = (0..rows).map(|_| texts(number(40), &kinds)).collect();
    let times: TimestampMicrosecondArray = (0..rows)
        .map(|_| number(200).map(|minute| minute * 60_000_000))
        .collect();
    let whats: StringArray = (0..rows)
        .map(|_| texts(number(40), &["view", "cart", "buy", "search"]))
        .collect();
    let columns: [(&str, ArrayRef); 4] = [
        ("id", Arc::new(ids)),
        ("kind", Arc::new(kinds)),
        ("at", Arc::new(times)),
        ("what", Arc::new(whats)),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true)))
        .unwrap()
}

fn with_ids_as(batch: &RecordBatch, data_type: &DataType) -> RecordBatch {
    let schema = batch.schema();
    let columns = schema
        .fields()
        .iter()
        .zip(batch.columns())
        .map(|(field, column)| {
            let column = match (field.name().as_str(), data_type) {
                ("id", DataType::Boolean | DataType::Timestamp(..) | DataType::Date64) => {
                    cast(column, data_type).unwrap()
                }
                // Texts of one to forty bytes.
                ("id", text) if text.to_string().contains("Utf8") => {
                    let texts = cast(column, &DataType::Utf8).unwrap();
                    let texts = texts.as_string::<i32>().clone();
                    let texts: StringArray = texts
                        .iter()
                        .map(|text| text.map(|text| text.repeat(1 + text.len() * 3)))
                        .collect();
                    cast(&texts, data_type).unwrap()
                }
                ("id", number) => cast(&cast(column, &DataType::Int32).unwrap(), number).unwrap(),
                _ => Arc::clone(column),
            };
            (field.name().clone(), column, true)
        });
    RecordBatch::try_from_iter_with_nullable(columns.collect::<Vec<_>>()).unwrap()
}

/// The rows in other batches and partitions.
fn table(batch: &RecordBatch, partitions: usize) -> Arc<MemTable> {
    let rows = batch.num_rows();
    let mut parts = vec![Vec::new(); partitions];
    for (index, start) in (0..rows).step_by(777).enumerate() {
        parts[index % partitions].push(batch.slice(start, 777.min(rows - start)));
    }
    Arc::new(MemTable::try_new(batch.schema(), parts).unwrap())
}

const CALLS: &str = "window_funnel(INTERVAL '1 hour', at, (what = 'view'), (what = 'cart'), (what = 'buy')) AS depth,
    funnel_events(INTERVAL '1 hour', at, (what = 'view'), (what = 'cart')) AS chain,
    sequence_count('(?1)(?2)', at, (what = 'view'), (what = 'cart')) AS pairs,
    decayed_sum(2, at, INTERVAL '1 hour', TIMESTAMP '1970-01-01 02:00:00') AS faded,
    affinity(1, at, INTERVAL '1 hour', TIMESTAMP '1970-01-01 02:00:00') AS taste,
    decayed_sum(1, at, INTERVAL '1 hour', TIMESTAMP '1970-01-01 02:00:00') FILTER (WHERE what = 'buy') AS bought";

fn plan(context: &SessionContext, table: &Arc<MemTable>, sql: &str) -> Arc<dyn ExecutionPlan> {
    let runtime = runtime();
    runtime.block_on(async {
        context.deregister_table("visits").unwrap();
        context
            .register_table("visits", Arc::clone(table) as _)
            .unwrap();
        let frame = context.sql(sql).await.unwrap();
        frame.create_physical_plan().await.unwrap()
    })
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
}

fn shown(plan: &Arc<dyn ExecutionPlan>) -> String {
    datafusion::physical_plan::displayable(plan.as_ref())
        .indent(false)
        .to_string()
}

/// The rows as text, sorted.
fn rows(context: &SessionContext, plan: &Arc<dyn ExecutionPlan>) -> Vec<String> {
    let batches = runtime()
        .block_on(collect(Arc::clone(plan), context.task_ctx()))
        .unwrap();
    let batch = concat_batches(&plan.schema(), &batches).unwrap();
    let options = FormatOptions::default().with_null("NULL");
    let columns: Vec<_> = batch
        .columns()
        .iter()
        .map(|column| ArrayFormatter::try_new(column, &options).unwrap())
        .collect();
    let mut rows: Vec<_> = (0..batch.num_rows())
        .map(|row| {
            columns.iter().fold(String::new(), |mut text, column| {
                write!(text, "{}|", column.value(row)).unwrap();
                text
            })
        })
        .collect();
    rows.sort();
    rows
}

/// Both answers must be the same, and ours must come from our operator.
fn check(batch: &RecordBatch, sql: &str, threads: usize, partitions: usize) {
    let runtime = unlimited();
    let table = table(batch, partitions);
    let (ours, theirs) = (
        session(true, threads, &runtime),
        session(false, threads, &runtime),
    );
    let our_plan = plan(&ours, &table, sql);
    assert!(
        shown(&our_plan).contains("GroupingExec"),
        "{}",
        shown(&our_plan)
    );
    let expected = rows(&theirs, &plan(&theirs, &table, sql));
    assert!(!expected.is_empty());
    assert_eq!(
        rows(&ours, &our_plan),
        expected,
        "{threads} threads, {partitions} partitions, {sql}"
    );
}

#[test]
fn every_type_of_id_groups_as_in_datafusion() {
    let visits = visits(1, 5000, 300);
    let second = DataType::Timestamp(TimeUnit::Second, Some("Europe/Paris".into()));
    for data_type in [
        DataType::Int8,
        DataType::Int32,
        DataType::Int64,
        DataType::UInt16,
        DataType::UInt64,
        DataType::Float64,
        DataType::Decimal128(20, 2),
        DataType::Date32,
        DataType::Date64,
        second,
        DataType::Boolean,
        DataType::Utf8,
        DataType::LargeUtf8,
        DataType::Utf8View,
        DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8)),
    ] {
        let ids = if data_type == DataType::Int8 {
            self::visits(2, 2000, 100)
        } else {
            visits.clone()
        };
        let batch = with_ids_as(&ids, &data_type);
        for keys in ["id", "id, kind"] {
            check(
                &batch,
                &format!("SELECT {keys}, {CALLS} FROM visits GROUP BY {keys}"),
                3,
                2,
            );
        }
    }
}

#[test]
fn threads_and_partitions_do_not_matter() {
    let visits = visits(3, 20_000, 2000);
    for threads in 1..5 {
        for partitions in [1, 3] {
            let sql = format!("SELECT id, {CALLS} FROM visits WHERE kind <> 'b' GROUP BY id");
            check(&visits, &sql, threads, partitions);
        }
    }
}

#[test]
fn nothing_and_one_giant_group() {
    let none = visits(4, 1, 5).slice(0, 0);
    let runtime = unlimited();
    let context = session(true, 2, &runtime);
    let sql = format!("SELECT id, {CALLS} FROM visits GROUP BY id");
    assert!(rows(&context, &plan(&context, &table(&none, 1), &sql)).is_empty());
    check(&visits(5, 300_000, 1), &sql, 2, 2);
}

#[test]
fn the_order_of_the_rows_does_not_matter() {
    let visits = visits(6, 30_000, 3000);
    let runtime = unlimited();
    let context = session(true, 2, &runtime);
    let sql = format!("SELECT id, kind, {CALLS} FROM visits GROUP BY id, kind");
    let expected = rows(&context, &plan(&context, &table(&visits, 2), &sql));
    let mut order: Vec<u32> = (0..visits.num_rows() as u32).collect();
    order.shuffle(&mut ChaCha8Rng::seed_from_u64(7));
    let shuffled = take_record_batch(&visits, &UInt32Array::from(order)).unwrap();
    assert_eq!(
        rows(&context, &plan(&context, &table(&shuffled, 3), &sql)),
        expected
    );
}

#[test]
fn what_it_does_not_know_stays_with_datafusion() {
    let table = table(&visits(8, 100, 9), 2);
    let runtime = unlimited();
    let context = session(true, 2, &runtime);
    for sql in [
        "SELECT id, count(*) FROM visits GROUP BY id",
        "SELECT decayed_sum(1, at, INTERVAL '1 hour', TIMESTAMP '1970-01-01') FROM visits",
        "SELECT id, kind, affinity(1, at, INTERVAL '1 hour', TIMESTAMP '1970-01-01') FROM visits GROUP BY CUBE (id, kind)",
    ] {
        let plan = plan(&context, &table, sql);
        assert!(!shown(&plan).contains("GroupingExec"), "{}", shown(&plan));
    }
}

#[test]
fn joins_find_the_groups_where_datafusion_would_have_put_them() {
    let visits = visits(9, 5000, 400);
    let sql = "SELECT a.id, depth, n FROM (
            SELECT id, window_funnel(INTERVAL '1 hour', at, (what = 'view')) AS depth FROM visits GROUP BY id) a
        JOIN (SELECT id, count(*) AS n FROM visits GROUP BY id) b ON a.id = b.id";
    check(&visits, sql, 4, 3);
}

fn spilled(plan: &Arc<dyn ExecutionPlan>) -> usize {
    let here = plan
        .metrics()
        .and_then(|metrics| metrics.spilled_rows())
        .unwrap_or(0);
    let below = plan.children().into_iter();
    here + below.map(spilled).sum::<usize>()
}

#[test]
fn beyond_the_memory_limit_it_spills_and_gives_the_same() {
    let visits = visits(10, 600_000, 200_000);
    let table = table(&visits, 2);
    let sql = "SELECT id, kind, window_funnel(INTERVAL '1 hour', at, (what = 'view'), (what = 'cart')) AS depth,
        decayed_sum(1, at, INTERVAL '1 hour', TIMESTAMP '1970-01-01 02:00:00') AS faded
        FROM visits GROUP BY id, kind";
    let free = unlimited();
    let context = session(true, 2, &free);
    let expected = rows(&context, &plan(&context, &table, sql));
    let pool = Arc::new(FairSpillPool::new(24 << 20));
    let limited = RuntimeEnvBuilder::new()
        .with_memory_pool(pool)
        .build_arc()
        .unwrap();
    let context = session(true, 2, &limited);
    let plan = plan(&context, &table, sql);
    assert_eq!(rows(&context, &plan), expected);
    assert!(spilled(&plan) > 0);
    drop(plan);
    assert_eq!(limited.memory_pool.reserved(), 0);
}

#[test]
fn whoever_stops_reading_gets_the_memory_back() {
    let table = table(&visits(11, 600_000, 200_000), 2);
    let sql = format!("SELECT id, {CALLS} FROM visits GROUP BY id");
    let pool = Arc::new(FairSpillPool::new(1 << 30));
    let limited = RuntimeEnvBuilder::new()
        .with_memory_pool(pool)
        .build_arc()
        .unwrap();
    let context = session(true, 2, &limited);
    let plan = plan(&context, &table, &sql);
    let runtime = runtime();
    runtime.block_on(async {
        let mut stream = execute_stream(plan, context.task_ctx()).unwrap();
        assert!(stream.next().await.unwrap().unwrap().num_rows() > 0);
        assert!(limited.memory_pool.reserved() > 0);
    });
    // Waits for the tasks that were ended.
    drop(runtime);
    assert_eq!(limited.memory_pool.reserved(), 0);
}

#[test]
fn few_groups_are_folded_and_take_little_memory() {
    let visits = visits(12, 3_000_000, 30);
    let table = table(&visits, 2);
    let sql =
        "SELECT kind, affinity(1, at, INTERVAL '1 hour', TIMESTAMP '1970-01-01 02:00:00') AS taste,
        decayed_sum(1, at, INTERVAL '1 hour', TIMESTAMP '1970-01-01 02:00:00') AS faded
        FROM visits GROUP BY kind";
    let free = unlimited();
    let theirs = session(false, 2, &free);
    let expected = rows(&theirs, &plan(&theirs, &table, sql));
    // Less than a third of what the rows would take.
    let pool = Arc::new(FairSpillPool::new(64 << 20));
    let limited = RuntimeEnvBuilder::new()
        .with_memory_pool(pool)
        .build_arc()
        .unwrap();
    let context = session(true, 2, &limited);
    let plan = plan(&context, &table, sql);
    assert!(shown(&plan).contains("GroupingExec"));
    assert_eq!(rows(&context, &plan), expected);
    assert_eq!(spilled(&plan), 0);
}

/// A Parquet file with small row groups, in the order of id and time, and a session that knows it.
fn ordered(batch: &RecordBatch, ours: bool, threads: usize) -> (SessionContext, tempfile::TempDir) {
    use datafusion::arrow::compute::{SortColumn, lexsort_to_indices};
    let by = |column: &str| SortColumn {
        values: Arc::clone(batch.column_by_name(column).unwrap()),
        options: Some(SortOptions::new(false, false)),
    };
    let order = lexsort_to_indices(&[by("id"), by("at")], None).unwrap();
    let sorted = take_record_batch(batch, &order).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("visits.parquet");
    let properties = WriterProperties::builder()
        .set_max_row_group_row_count(Some(500))
        .build();
    let file = std::fs::File::create(&path).unwrap();
    let mut writer = ArrowWriter::try_new(file, sorted.schema(), Some(properties)).unwrap();
    writer.write(&sorted).unwrap();
    writer.close().unwrap();
    let mut config = SessionConfig::new()
        .with_target_partitions(threads)
        .with_batch_size(100)
        .with_repartition_file_min_size(1);
    let options = config.options_mut();
    options
        .set("datafusion.sql_parser.dialect", "duckdb")
        .unwrap();
    let state = SessionStateBuilder::new()
        .with_config(config)
        .with_default_features();
    // All scans of this test are of one file.
    let rules = jumeau_udfs::physical_optimizer_rules_with(|_| true).into_iter();
    let rules = rules.filter(|_| ours);
    let state = rules.fold(state, SessionStateBuilder::with_physical_optimizer_rule);
    let mut context = SessionContext::new_with_state(state.build());
    let settings = context.copied_config();
    jumeau_udfs::register_all(&mut context, settings.options()).unwrap();
    runtime().block_on(async {
        let sql = format!(
            "CREATE EXTERNAL TABLE visits STORED AS PARQUET LOCATION '{}' WITH ORDER (id ASC NULLS LAST, at ASC NULLS LAST)",
            path.display()
        );
        context.sql(&sql).await.unwrap();
    });
    (context, folder)
}

fn plan_of(context: &SessionContext, sql: &str) -> Arc<dyn ExecutionPlan> {
    runtime().block_on(async {
        let frame = context.sql(sql).await.unwrap();
        frame.create_physical_plan().await.unwrap()
    })
}

#[test]
fn an_ordered_file_is_grouped_as_it_is_read() {
    // Many visitors, few, and one who fills several parts of the file alone.
    for (seed, visitors) in [(13, 3000), (14, 7), (15, 1)] {
        let visits = visits(seed, 20_000, visitors);
        for data_type in [DataType::Int64, DataType::Utf8View] {
            let visits = with_ids_as(&visits, &data_type);
            for threads in 1..5 {
                let (ours, _one) = ordered(&visits, true, threads);
                let (theirs, _other) = ordered(&visits, false, threads);
                for keys in ["id", "id, kind"] {
                    let sql = format!(
                        "SELECT {keys}, {CALLS} FROM visits WHERE kind <> 'b' GROUP BY {keys}"
                    );
                    let plan = plan_of(&ours, &sql);
                    assert!(
                        shown(&plan).contains("OrderedGroupingExec"),
                        "{}",
                        shown(&plan)
                    );
                    let expected = rows(&theirs, &plan_of(&theirs, &sql));
                    assert_eq!(
                        rows(&ours, &plan),
                        expected,
                        "{threads} threads, {visitors} visitors, {keys}"
                    );
                }
            }
        }
    }
}

#[test]
fn results_of_an_ordered_file_stay_in_order() {
    let visits = visits(16, 20_000, 3000);
    let (context, _folder) = ordered(&visits, true, 3);
    let sql = "SELECT id, window_funnel(INTERVAL '1 hour', at, (what = 'view')) AS depth
        FROM visits GROUP BY id ORDER BY id LIMIT 1000";
    let plan = plan_of(&context, sql);
    assert!(
        shown(&plan).contains("OrderedGroupingExec"),
        "{}",
        shown(&plan)
    );
    assert!(!shown(&plan).contains("SortExec"), "{}", shown(&plan));
    let batches = runtime()
        .block_on(collect(Arc::clone(&plan), context.task_ctx()))
        .unwrap();
    let batch = concat_batches(&plan.schema(), &batches).unwrap();
    let ids = batch.column(0).as_primitive::<Int64Type>().values();
    assert_eq!(ids.len(), 1000);
    assert!(ids.is_sorted());
}

#[test]
fn who_relies_on_where_groups_are_gets_them_there() {
    let visits = visits(17, 20_000, 3000);
    let (ours, _one) = ordered(&visits, true, 3);
    let (theirs, _other) = ordered(&visits, false, 3);
    let sql = "SELECT a.id, depth, n FROM (
            SELECT id, window_funnel(INTERVAL '1 hour', at, (what = 'view')) AS depth FROM visits GROUP BY id) a
        JOIN (SELECT id, count(*) AS n FROM visits GROUP BY id) b ON a.id = b.id";
    assert_eq!(
        rows(&ours, &plan_of(&ours, sql)),
        rows(&theirs, &plan_of(&theirs, sql))
    );
}
