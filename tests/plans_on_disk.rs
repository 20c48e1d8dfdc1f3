//! Plans of contacts beyond the memory limit: the same as in memory, to the last digit.

#![cfg(test)]

#[path = "support/slt.rs"]
mod support;

use std::sync::Arc;

use datafusion::arrow::array::AsArray;
use datafusion::arrow::util::pretty::pretty_format_batches;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::{FairSpillPool, MemoryPool};
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};

use futures::StreamExt;

use crate::support::Session;

const MIB: usize = 1 << 20;

/// 120,000 persons in no order, by up to three channels: some rows of nobody or of no channel, or without cost; some
/// without consent; few different costs and values, so that there are ties.
fn candidates(person: &str, value: &str) -> String {
    format!(
        "(SELECT CASE WHEN row % 1009 > 0 THEN {person} END AS person_id, \
         CASE WHEN row % 997 > 0 THEN ['email', 'sms', 'a letter by post'][row % 3 + 1] END AS channel, \
         CASE WHEN row % 991 > 0 THEN ([1, 60, 800][row % 3 + 1] + person % 5)::DOUBLE / 1000 END AS cost, \
         {value} AS value, CASE person % 17 WHEN 0 THEN NULL ELSE person % 13 > 0 END AS consented \
         FROM (SELECT value AS row, value / 3 * 48271 % 120011 AS person FROM generate_series(3, 360002)))"
    )
}

const LEVELS: &str = "([3, 9, 20][row % 3 + 1] * (row * 7919 % 53 - 2))::DOUBLE / 8";

fn limited(bytes: usize) -> Arc<RuntimeEnv> {
    let pool = Arc::new(FairSpillPool::new(bytes));
    RuntimeEnvBuilder::new()
        .with_memory_pool(pool)
        .build_arc()
        .unwrap()
}

const SETTINGS: [(&str, &str); 2] = [
    ("datafusion.execution.target_partitions", "2"),
    (
        "datafusion.execution.sort_spill_reservation_bytes",
        "262144",
    ),
];

/// The rows, and whether the disk was used.
fn run(sql: &str, session: &Session) -> Result<(String, bool), String> {
    let rows = session.query(sql);
    let rows = rows.map_err(|error| error.strip_backtrace())?;
    let rows = pretty_format_batches(&rows).unwrap().to_string();
    let plan = session.query(&format!("EXPLAIN ANALYZE {sql}"));
    let plan = plan.map_err(|error| error.strip_backtrace())?;
    let plan = plan[0].column(1).as_string::<i32>().value(0).to_owned();
    let ours = plan.lines().find(|line| line.contains("RelationExec"));
    let ours = ours.unwrap();
    assert!(ours.contains("spill_count="), "{ours}");
    Ok((rows, !ours.contains("spill_count=0")))
}

fn run_within(environment: &Arc<RuntimeEnv>, sql: &str) -> Result<(String, bool), String> {
    let session = Session::within(Arc::clone(environment), &SETTINGS).unwrap();
    run(sql, &session)
}

/// Runs with ever less memory; says how often the disk was used.
fn is_the_same_in(limits: &[usize], sql: &str) -> usize {
    let (expected, spilled) = run(sql, &Session::new(&SETTINGS).unwrap()).unwrap();
    assert!(!spilled);
    let spills = limits.iter().filter(|&&limit| {
        let environment = limited(limit);
        let (rows, spilled) = run_within(&environment, sql).unwrap();
        assert!(rows == expected, "another plan in {limit} bytes");
        assert_eq!(environment.memory_pool.reserved(), 0);
        spilled
    });
    spills.count()
}

#[test]
fn contacts_are_the_same() {
    // Too little while the candidates come, to order them, and to order the contacts.
    let limits: Vec<_> = (2..=26).map(|step| step * 3 * MIB).collect();
    let candidates = candidates("person", &format!("({LEVELS})::DECIMAL(9, 3)"));
    let plan = format!("SELECT * FROM contact_plan({candidates}, budget => 1500)");
    let spills = is_the_same_in(&limits, &plan);
    assert!((5..25).contains(&spills), "{spills}");
}

#[test]
fn contacts_of_people_with_texts_for_ids_are_the_same_with_quotas() {
    let candidates = candidates("'somebody with the number ' || person", LEVELS);
    let plan = format!(
        "SELECT * FROM contact_plan({candidates}, budget => 4000, quota => MAP {{'sms': 9000, 'a letter by post': 2000}})"
    );
    let spills = is_the_same_in(&[16 * MIB, 24 * MIB], &plan);
    assert_eq!(spills, 2);
}

#[test]
fn the_frontier_is_the_same() {
    let candidates = candidates("(person)::BIGINT UNSIGNED", LEVELS);
    for quota in ["", ", quota => MAP {'sms': 9000}"] {
        let plan = format!(
            "SELECT * FROM plan_frontier({candidates}, budgets => [0, 0.5, 90, 1500, 1000000]{quota})"
        );
        assert_eq!(is_the_same_in(&[12 * MIB], &plan), 1);
    }
}

#[test]
fn two_rows_of_a_person_and_channel_are_an_error_on_disk_too() {
    let candidates = candidates("person", LEVELS);
    let twice = format!(
        "SELECT * FROM contact_plan((SELECT * FROM {candidates} UNION ALL \
         SELECT person_id, channel, cost, value, true FROM {candidates} WHERE person_id = 777 AND channel = 'sms'), budget => 9)"
    );
    let error = run_within(&limited(12 * MIB), &twice).unwrap_err();
    let expected = "contact_plan: 'candidates' must have one row a person and channel, got two for 777 and 'sms'";
    assert!(error.contains(expected), "{error}");
}

#[test]
fn one_person_with_more_rows_than_memory_is_an_error_that_says_so() {
    let rows = "(SELECT 5 AS person_id, 'sms' AS channel, 0.06::DOUBLE AS cost, value::DOUBLE AS value \
                FROM generate_series(1, 600000))";
    let plan = format!("SELECT * FROM contact_plan({rows}, budget => 9)");
    let error = run_within(&limited(12 * MIB), &plan).unwrap_err();
    assert!(error.contains("contact_plan: 'candidates' must have one row a person and channel, got two for 5 and 'sms'"), "{error}");
}

#[test]
fn many_moves_after_a_quota_are_made_in_rounds_of_bounded_memory() {
    // A tie between both channels at the price of the first one: all but one of the persons are left to the filling.
    let rows = "(SELECT value / 2 AS person_id, ['a', 'b'][value % 2 + 1] AS channel, 1.0::DOUBLE AS cost, \
                [10.0, 5.0][value % 2 + 1]::DOUBLE AS value FROM generate_series(0, 1199999))";
    let plan = format!(
        "SELECT count(*), sum(cost), sum(value) FROM contact_plan({rows}, budget => 10000000, quota => MAP {{'a': 1}})"
    );
    assert_eq!(is_the_same_in(&[48 * MIB], &plan), 1);
}

#[test]
fn without_a_disk_the_error_says_what_is_missing() {
    let pool: Arc<dyn MemoryPool> = Arc::new(FairSpillPool::new(8 * MIB));
    let none = DiskManagerBuilder::default().with_mode(DiskManagerMode::Disabled);
    let environment = RuntimeEnvBuilder::new()
        .with_memory_pool(pool)
        .with_disk_manager_builder(none)
        .build_arc()
        .unwrap();
    let candidates = candidates("person", LEVELS);
    let plan = format!("SELECT * FROM contact_plan({candidates}, budget => 1500)");
    let error = run_within(&environment, &plan).unwrap_err();
    assert!(
        error.contains("contact_plan: ") && error.contains("DiskManager is disabled"),
        "{error}"
    );
    assert_eq!(environment.memory_pool.reserved(), 0);
}

#[test]
fn whoever_stops_waiting_gets_memory_and_disk_back() {
    let environment = limited(16 * MIB);
    let candidates = candidates("person", LEVELS);
    let plan = format!("SELECT * FROM contact_plan({candidates}, budget => 1500)");
    let session = Session::within(Arc::clone(&environment), &SETTINGS).unwrap();
    let used = || environment.disk_manager.used_disk_space();
    session.runtime.block_on(async {
        let state = session.context.state();
        let plan = state.create_logical_plan(&plan).await.unwrap();
        let plan = state.create_physical_plan(&plan).await.unwrap();
        let mut stream = plan.execute(0, session.context.task_ctx()).unwrap();
        assert!(stream.next().await.unwrap().unwrap().num_rows() > 0);
        assert!(used() > 0);
    });
    // Waits for the tasks that were ended.
    drop(session);
    assert_eq!((environment.memory_pool.reserved(), used()), (0, 0));
}
