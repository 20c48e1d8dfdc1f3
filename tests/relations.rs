//! What every function in FROM owes to the mechanism: a readable plan with pruned inputs, and a quick end when nobody
//! waits for the result.

#![cfg(test)]

#[path = "support/slt.rs"]
mod support;

use std::sync::Arc;
use std::time::{Duration, Instant};

use datafusion::arrow::array::AsArray;
use futures::StreamExt;
use insta::assert_snapshot;

use crate::support::Session;

/// A table of many views, made when it is read: `n` rows, of 1,000 visitors and 5,000 items.
fn views(rows: usize) -> String {
    format!(
        "(SELECT value % 1000 AS visitor, (value * 7919) % 5003 AS item, value AS unused \
         FROM generate_series(1, {rows}))"
    )
}

fn explain(sql: &str) -> String {
    let session = Session::new(&[("datafusion.execution.target_partitions", "2")]).unwrap();
    session
        .query("CREATE TABLE views AS VALUES (1, 'tent', 5), (1, 'map', 6)")
        .unwrap();
    let batches = session.query(&format!("EXPLAIN {sql}")).unwrap();
    let plans: Vec<_> = batches
        .iter()
        .flat_map(|batch| batch.column(1).as_string::<i32>().iter().flatten())
        .collect();
    plans.join("\n")
}

#[test]
fn item_to_item_explains_itself_and_prunes() {
    let sql = "SELECT other FROM item_to_item((SELECT column1, column2 FROM views), k => 1 + 1) WHERE rank = 1";
    assert_snapshot!(explain(sql), @r"
    Projection: other
      Filter: rank = Int64(1)
        Projection: other, rank
          item_to_item: k => 2, measure => 'cosine', min_support => 1, max_items => 200
            Projection: views.column1 AS visitor, views.column2 AS item
              TableScan: views projection=[column1, column2]
    FilterExec: rank@1 = 1, projection=[other@0]
      RepartitionExec: partitioning=RoundRobinBatch(2), input_partitions=1
        ProjectionExec: expr=[other@1 as other, rank@4 as rank]
          RelationExec: item_to_item(k => 2, measure => 'cosine', min_support => 1, max_items => 200)
            ProjectionExec: expr=[column1@0 as visitor, column2@1 as item]
              DataSourceExec: partitions=1, partition_sizes=[1]
    ");
}

/// Starts the query, drops its stream, and waits until all memory is given back, which threads do last.
fn ends_soon(sql: &str) {
    let session = Session::new(&[("datafusion.execution.target_partitions", "2")]).unwrap();
    let pool = Arc::clone(&session.context.runtime_env().memory_pool);
    let mut stream = session.runtime.block_on(async {
        let frame = session.context.sql(sql).await.unwrap();
        frame.execute_stream().await.unwrap()
    });
    session.runtime.block_on(async {
        // Far enough for the kernel to be at work, not far enough for a first row.
        while pool.reserved() < 1_000_000 {
            tokio::select! {
                batch = stream.next() => panic!("it ended too early to be stopped: {batch:?}"),
                () = tokio::task::yield_now() => {}
            }
        }
    });
    drop(stream);
    let dropped = Instant::now();
    while pool.reserved() > 0 {
        assert!(
            dropped.elapsed() < Duration::from_mins(1),
            "still {} bytes held",
            pool.reserved()
        );
        std::thread::yield_now();
    }
}

#[test]
fn item_to_item_ends_when_nobody_waits() {
    let views = views(3_000_000).replace(", value AS unused", "");
    ends_soon(&format!(
        "SELECT * FROM item_to_item({views}, max_items => 10000)"
    ));
}
