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
        RelationExec: item_to_item(k => 2, measure => 'cosine', min_support => 1, max_items => 200), columns=[other, rank]
          ProjectionExec: expr=[column1@0 as visitor, column2@1 as item]
            DataSourceExec: partitions=1, partition_sizes=[1]
    ");
}

#[test]
fn explain_analyze_tells_what_was_done() {
    let plan = explain("ANALYZE SELECT * FROM item_to_item((SELECT column1, column2 FROM views))");
    let operator = plan.lines().find(|line| line.contains("RelationExec"));
    let operator = operator.unwrap();
    for metric in [
        "output_rows=2",
        "output_batches=1",
        "pairs_scored=1",
        "pairs_pruned=0",
        "left_out=0",
        "peak_memory=",
    ] {
        assert!(operator.contains(metric), "{metric} in {operator}");
    }
    assert!(!operator.contains("output_bytes=0.0 B"), "{operator}");
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

#[test]
fn recommend_explains_itself_and_prunes() {
    let sql = "SELECT item FROM recommend((SELECT column1, column2 FROM views), \
               (SELECT *, 7 AS unused FROM item_to_item((SELECT column1, column2 FROM views))), k => 3)";
    assert_snapshot!(explain(sql), @r"
    Projection: item
      recommend: k => 3
        Projection: views.column1 AS visitor, views.column2 AS item
          TableScan: views projection=[column1, column2]
        Projection: item, other, score
          item_to_item: k => 10, measure => 'cosine', min_support => 1, max_items => 200
            Projection: views.column1 AS visitor, views.column2 AS item
              TableScan: views projection=[column1, column2]
    RelationExec: recommend(k => 3), columns=[item]
      ProjectionExec: expr=[column1@0 as visitor, column2@1 as item]
        DataSourceExec: partitions=1, partition_sizes=[1]
      RelationExec: item_to_item(k => 10, measure => 'cosine', min_support => 1, max_items => 200), columns=[item, other, score]
        ProjectionExec: expr=[column1@0 as visitor, column2@1 as item]
          DataSourceExec: partitions=1, partition_sizes=[1]
    ");
}

#[test]
fn recommend_ends_when_nobody_waits() {
    let pairs = "(SELECT value % 5003 AS item, value / 5003 AS other, 1.0 AS score FROM generate_series(0, 500000))";
    let views = views(3_000_000).replace(", value AS unused", "");
    ends_soon(&format!("SELECT * FROM recommend({views}, {pairs})"));
}

/// Many clicks: views of sessions, at moments of one day.
fn clicks(rows: usize) -> String {
    views(rows).replace("value AS unused", "to_timestamp_seconds(value % 86400)")
}

#[test]
fn next_items_explains_itself_and_prunes() {
    let clicks =
        "SELECT column1, column2, to_timestamp_seconds(column3) AS t, column3 AS unused FROM views";
    let sql = format!(
        "SELECT item FROM next_items((SELECT column1, column2, t FROM ({clicks})), \
         (SELECT column1, column2, t FROM ({clicks}) WHERE column1 = 1), k => 3)"
    );
    assert_snapshot!(explain(&sql), @r"
    Projection: item
      next_items: k => 3, sample => 1500, neighbours => 300, last_items => 4
        Projection: views.column1 AS session, views.column2 AS item, to_timestamp_seconds(views.column3) AS event_time
          TableScan: views projection=[column1, column2, column3]
        Projection: views.column1 AS session, views.column2 AS item, to_timestamp_seconds(views.column3) AS event_time
          Filter: views.column1 = Int64(1)
            TableScan: views projection=[column1, column2, column3]
    RelationExec: next_items(k => 3, sample => 1500, neighbours => 300, last_items => 4), columns=[item]
      ProjectionExec: expr=[column1@0 as session, column2@1 as item, to_timestamp_seconds(column3@2) as event_time]
        DataSourceExec: partitions=1, partition_sizes=[1]
      CoalescePartitionsExec
        ProjectionExec: expr=[column1@0 as session, column2@1 as item, to_timestamp_seconds(column3@2) as event_time]
          RepartitionExec: partitioning=RoundRobinBatch(2), input_partitions=1
            FilterExec: column1@0 = 1
              DataSourceExec: partitions=1, partition_sizes=[1]
    ");
}

#[test]
fn next_items_end_when_nobody_waits() {
    let clicks = clicks(3_000_000);
    ends_soon(&format!("SELECT * FROM next_items({clicks}, {clicks})"));
}

#[test]
fn lookalike_weights_explains_itself_and_prunes() {
    let sql = "SELECT weight FROM lookalike_weights((SELECT column1, column2 AS likes FROM views WHERE column3 > 5), \
               (SELECT column1, column2 AS likes FROM views), method => 'Logistic', alpha => 2)";
    assert_snapshot!(explain(sql), @r#"
    Projection: weight
      lookalike_weights: method => 'logistic', alpha => 2, min_support => 5, bins => 10
        Projection: views.column1 AS column1, CAST(views.column2 AS Utf8View) AS likes
          Filter: views.column3 > Int64(5)
            TableScan: views projection=[column1, column2, column3]
        Projection: views.column1 AS column1, CAST(views.column2 AS Utf8View) AS likes
          TableScan: views projection=[column1, column2]
    RelationExec: lookalike_weights(method => 'logistic', alpha => 2, min_support => 5, bins => 10), columns=[weight]
      CoalescePartitionsExec
        ProjectionExec: expr=[column1@0 as column1, CAST(column2@1 AS Utf8View) as likes]
          RepartitionExec: partitioning=RoundRobinBatch(2), input_partitions=1
            FilterExec: column3@2 > 5
              DataSourceExec: partitions=1, partition_sizes=[1]
      ProjectionExec: expr=[column1@0 as column1, CAST(column2@1 AS Utf8View) as likes]
        DataSourceExec: partitions=1, partition_sizes=[1]
    "#);
}

#[test]
fn lookalike_score_explains_itself_and_prunes() {
    let sql = "SELECT id FROM lookalike_score((SELECT column1, column2 AS likes FROM views), \
               (SELECT * FROM lookalike_weights((SELECT column1, column2 AS likes FROM views), (SELECT 3, 'map' AS likes))))";
    assert_snapshot!(explain(sql), @r#"
    Projection: id
      lookalike_score
        Projection: views.column1 AS column1, CAST(views.column2 AS Utf8View) AS likes
          TableScan: views projection=[column1, column2]
        Projection: CAST(feature AS Utf8View), CAST(value AS Utf8View), weight, low, high, seed_n
          lookalike_weights: method => 'log_odds', alpha => 1, min_support => 5, bins => 10
            Projection: views.column1 AS column1, CAST(views.column2 AS Utf8View) AS likes
              TableScan: views projection=[column1, column2]
            Projection: Int64(3), Utf8View("map") AS likes
              EmptyRelation: rows=1
    RelationExec: lookalike_score(), columns=[id]
      ProjectionExec: expr=[column1@0 as column1, CAST(column2@1 AS Utf8View) as likes]
        DataSourceExec: partitions=1, partition_sizes=[1]
      CoalescePartitionsExec
        ProjectionExec: expr=[CAST(feature@0 AS Utf8View) as feature, CAST(value@1 AS Utf8View) as value, weight@4 as weight, low@2 as low, high@3 as high, seed_n@5 as seed_n]
          RepartitionExec: partitioning=RoundRobinBatch(2), input_partitions=1
            RelationExec: lookalike_weights(method => 'log_odds', alpha => 1, min_support => 5, bins => 10)
              ProjectionExec: expr=[column1@0 as column1, CAST(column2@1 AS Utf8View) as likes]
                DataSourceExec: partitions=1, partition_sizes=[1]
              ProjectionExec: expr=[3 as Int64(3), map as likes]
                PlaceholderRowExec
    "#);
}

#[test]
fn lookalike_expand_explains_itself_and_prunes() {
    let sql = "SELECT id FROM lookalike_expand((SELECT column1, column2 AS likes FROM views), \
               (SELECT 'likes' AS feature, column2 AS value, 1.0 AS weight, column3 FROM views), share => 0.5)";
    assert_snapshot!(explain(sql), @r#"
    Projection: id
      lookalike_expand: size => NULL, share => 0.5, force => false
        Projection: views.column1 AS column1, CAST(views.column2 AS Utf8View) AS likes
          TableScan: views projection=[column1, column2]
        Projection: Utf8View("likes") AS feature, CAST(views.column2 AS Utf8View) AS value, Float64(1) AS weight
          TableScan: views projection=[column2]
    RelationExec: lookalike_expand(size => NULL, share => 0.5, force => false), columns=[id]
      ProjectionExec: expr=[column1@0 as column1, CAST(column2@1 AS Utf8View) as likes]
        DataSourceExec: partitions=1, partition_sizes=[1]
      ProjectionExec: expr=[likes as feature, CAST(column2@0 AS Utf8View) as value, 1 as weight]
        DataSourceExec: partitions=1, partition_sizes=[1]
    "#);
}

/// Many people with many features: an id and 40 numbers and texts.
fn people(rows: usize, first: usize) -> String {
    let features = (0..40).map(|feature| {
        let value = format!("(value * {}) % {}", 7919 + 2 * feature, 5003 + feature);
        if feature % 2 == 0 {
            format!("{value} AS f{feature}")
        } else {
            format!("(({value}) % 50)::TEXT AS f{feature}")
        }
    });
    let features = features.collect::<Vec<_>>().join(", ");
    format!(
        "(SELECT value AS id, {features} FROM generate_series({first}, {}))",
        first + rows
    )
}

#[test]
fn lookalike_weights_ends_when_nobody_waits() {
    let (seed, base) = (people(20_000, 0), people(200_000, 1_000_000));
    ends_soon(&format!(
        "SELECT * FROM lookalike_weights({seed}, {base}, method => 'logistic')"
    ));
}

#[test]
fn lookalike_scores_end_when_nobody_waits() {
    let people = people(400_000, 0);
    let weights = "(SELECT 'f1' AS feature, '7' AS value, 1.0 AS weight)";
    ends_soon(&format!(
        "SELECT * FROM lookalike_score({people}, {weights})"
    ));
    ends_soon(&format!(
        "SELECT * FROM lookalike_expand({people}, {weights}, size => 10, force => true)"
    ));
}

/// Many candidates, made when they are read: `n` persons by two channels.
fn contacts(persons: usize) -> String {
    format!(
        "(SELECT value / 2 AS person_id, CASE value % 2 WHEN 0 THEN 'email' ELSE 'sms' END AS channel, \
         (1 + value % 2)::DOUBLE AS cost, (value * 7919 % 5003)::DOUBLE AS value FROM generate_series(1, {}))",
        2 * persons
    )
}

#[test]
fn contact_plan_explains_itself_and_prunes() {
    let candidates = "SELECT column1 AS person_id, column2 AS channel, 0.5::DOUBLE AS cost, 2.0::DOUBLE AS value, \
                      column3 AS unused FROM views";
    let plan = format!(
        "SELECT person_id FROM contact_plan(({candidates}), budget => 10, quota => MAP {{'tent': 1}})"
    );
    assert_snapshot!(explain(&plan), @r"
    Projection: person_id
      contact_plan: budget => 10.000000, quota => [{tent:1}]
        Projection: views.column1 AS person_id, CAST(views.column2 AS Utf8View) AS channel, Float64(0.5) AS cost, Float64(2) AS value
          TableScan: views projection=[column1, column2]
    RelationExec: contact_plan(budget => 10.000000, quota => [{tent:1}]), columns=[person_id]
      ProjectionExec: expr=[column1@0 as person_id, CAST(column2@1 AS Utf8View) as channel, 0.5 as cost, 2 as value]
        DataSourceExec: partitions=1, partition_sizes=[1]
    ");
}

#[test]
fn plan_frontier_explains_itself_and_prunes() {
    let sql = "SELECT budget, gap FROM plan_frontier((SELECT column1 AS person_id, column2 AS channel, \
               0.5::DOUBLE AS cost, 2.0::DOUBLE AS value, column3 > 5 AS consented, column3 AS unused FROM views), \
               budgets => [2.5, 10])";
    assert_snapshot!(explain(sql), @r"
    Projection: budget, gap
      plan_frontier: budgets => [2.500000, 10.000000], quota => NULL
        Projection: views.column1 AS person_id, CAST(views.column2 AS Utf8View) AS channel, Float64(0.5) AS cost, Float64(2) AS value, views.column3 > Int64(5) AS consented
          TableScan: views projection=[column1, column2, column3]
    RelationExec: plan_frontier(budgets => [2.500000, 10.000000], quota => NULL), columns=[budget, gap]
      ProjectionExec: expr=[column1@0 as person_id, CAST(column2@1 AS Utf8View) as channel, 0.5 as cost, 2 as value, column3@2 > 5 as consented]
        DataSourceExec: partitions=1, partition_sizes=[1]
    ");
}

#[test]
fn plans_end_when_nobody_waits() {
    let candidates = contacts(1_000_000);
    ends_soon(&format!(
        "SELECT * FROM contact_plan({candidates}, budget => 1000)"
    ));
    ends_soon(&format!(
        "SELECT * FROM plan_frontier({candidates}, budgets => [10, 100, 1000])"
    ));
}

#[test]
fn a_plan_is_the_same_on_any_number_of_threads_and_in_any_order() {
    let plan = |threads: &str, order: &str| {
        let session = Session::new(&[("datafusion.execution.target_partitions", threads)]).unwrap();
        let candidates = contacts(3_000);
        let batches = session.query(&format!(
            "SELECT sum(rank * person_id) AS a, sum(cost) AS b, sum(hash) AS c FROM (SELECT *, \
             CASE channel WHEN 'sms' THEN rank ELSE -rank END AS hash FROM contact_plan((SELECT * FROM {candidates} \
             ORDER BY {order}), budget => 2500, quota => MAP {{'sms': 400}}))"
        ));
        format!("{:?}", batches.unwrap())
    };
    let first = plan("1", "person_id, channel");
    assert_eq!(plan("4", "value, channel, person_id"), first);
    assert_eq!(plan("3", "person_id DESC, channel DESC"), first);
}

#[test]
fn twins_explain_themselves_and_prune() {
    let sql = "SELECT customer FROM twins((SELECT column1 AS id, column3, [column2] AS categories, 1 AS band FROM views), \
               (SELECT column1 + 10 AS id, [column2] AS categories, 1 AS band, column3 FROM views), block => 'band', k => 3)";
    assert_snapshot!(explain(sql), @r"
    Projection: customer
      twins: k => 3, block => ['band'], features => 'categories', min_similarity => 0, min_shared => 1
        Projection: views.column1 AS id, Int64(1) AS band, CAST(make_array(views.column2) AS List(Utf8View)) AS categories
          TableScan: views projection=[column1, column2]
        Projection: views.column1 + Int64(10) AS id, Int64(1) AS band, CAST(make_array(views.column2) AS List(Utf8View)) AS categories
          TableScan: views projection=[column1, column2]
    RelationExec: twins(k => 3, block => ['band'], features => 'categories', min_similarity => 0, min_shared => 1), columns=[customer]
      ProjectionExec: expr=[column1@0 as id, 1 as band, CAST(make_array(column2@1) AS List(Utf8View)) as categories]
        DataSourceExec: partitions=1, partition_sizes=[1]
      ProjectionExec: expr=[column1@0 + 10 as id, 1 as band, CAST(make_array(column2@1) AS List(Utf8View)) as categories]
        DataSourceExec: partitions=1, partition_sizes=[1]
    ");
}

#[test]
fn twin_products_explain_themselves_and_prune() {
    let sql = "SELECT product FROM twin_products((SELECT column1 AS prospect, 7 AS customer, 0.5::DOUBLE AS similarity, column3 FROM views), \
               (SELECT column1, column2, DATE '2026-06-01' FROM views), half_life => INTERVAL '7 days', as_of => DATE '2026-06-30')";
    assert_snapshot!(explain(sql), @r#"
    Projection: product
      twin_products: half_life => INTERVAL '7 days', as_of => DATE '2026-06-30', k => 10, min_twins => 2, prior_strength => 20
        Projection: views.column1 AS prospect, Int64(7) AS customer, Float64(0.5) AS similarity
          TableScan: views projection=[column1]
        Projection: views.column1 AS customer, views.column2 AS product, Date32("2026-06-01") AS order_time
          TableScan: views projection=[column1, column2]
    RelationExec: twin_products(half_life => INTERVAL '7 days', as_of => DATE '2026-06-30', k => 10, min_twins => 2, prior_strength => 20), columns=[product]
      ProjectionExec: expr=[column1@0 as prospect, 7 as customer, 0.5 as similarity]
        DataSourceExec: partitions=1, partition_sizes=[1]
      ProjectionExec: expr=[column1@0 as customer, column2@1 as product, 2026-06-01 as order_time]
        DataSourceExec: partitions=1, partition_sizes=[1]
    "#);
}

/// Many people of one block: a million profiles of customers.
fn alike(rows: usize, first: usize) -> String {
    format!(
        "(SELECT value AS id, [value % 3, 10 + value % 101, 1000 + value % 997, 10000 + value % 4999] AS categories \
         FROM generate_series({first}, {}))",
        first + rows
    )
}

#[test]
fn twins_end_when_nobody_waits() {
    let (prospects, customers) = (alike(200_000, 0), alike(400_000, 1_000_000));
    ends_soon(&format!(
        "SELECT * FROM twins({prospects}, {customers}, block => [])"
    ));
}

#[test]
fn twin_products_end_when_nobody_waits() {
    let twins = "(SELECT value / 10 AS prospect, (value * 7919) % 5003 AS customer, 0.5 AS similarity \
                 FROM generate_series(1, 2000000))";
    let orders = "(SELECT value % 5003, value % 1009, arrow_cast(value, 'Timestamp(Second, None)') \
                  FROM generate_series(1, 1000000))";
    ends_soon(&format!(
        "SELECT * FROM twin_products({twins}, {orders}, half_life => INTERVAL '7 days', as_of => DATE '2026-06-30')"
    ));
}
