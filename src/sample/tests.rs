//! What the sample promises, measured.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::sync::Arc;

use datafusion::arrow::array::{AsArray, RecordBatch};
use datafusion::arrow::compute::concat_batches;
use datafusion::arrow::datatypes::{Int64Type, TimestampMicrosecondType};
use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use tempfile::TempDir;

use super::clock::{END, START, instant};
use super::life::Motive;
use super::*;

/// One written sample.
struct Sample {
    folder: TempDir,
    written: Vec<Written>,
}

impl Sample {
    fn new(visitors: u64, seed: u64) -> Self {
        let folder = TempDir::new().unwrap();
        let written = write(folder.path(), &Options { visitors, seed }, &mut |_| {}).unwrap();
        Self { folder, written }
    }

    fn bytes(&self) -> Vec<Vec<u8>> {
        self.written
            .iter()
            .map(|file| std::fs::read(&file.path).unwrap())
            .collect()
    }

    fn reader(&self, table: &str) -> ParquetRecordBatchReaderBuilder<File> {
        let file = File::open(self.folder.path().join(format!("{table}.parquet"))).unwrap();
        ParquetRecordBatchReaderBuilder::try_new(file).unwrap()
    }

    fn table(&self, table: &str) -> Rows {
        let reader = self.reader(table);
        let schema = Arc::clone(reader.schema());
        let batches: Vec<_> = reader.build().unwrap().map(Result::unwrap).collect();
        Rows(concat_batches(&schema, &batches).unwrap())
    }
}

/// The rows of one table.
struct Rows(RecordBatch);

impl Rows {
    /// A column of integers or times.
    fn optional(&self, name: &str) -> Vec<Option<i64>> {
        let column = self.0.column_by_name(name).unwrap();
        match column.as_primitive_opt::<Int64Type>() {
            Some(values) => values.iter().collect(),
            None => column
                .as_primitive::<TimestampMicrosecondType>()
                .iter()
                .collect(),
        }
    }

    fn integers(&self, name: &str) -> Vec<i64> {
        self.optional(name)
            .into_iter()
            .map(Option::unwrap)
            .collect()
    }

    fn texts(&self, name: &str) -> Vec<&str> {
        let column = self.0.column_by_name(name).unwrap().as_string::<i32>();
        column.iter().map(|text| text.unwrap_or("NULL")).collect()
    }

    /// The column of ids as keys of a column of times.
    fn by_id(&self, id: &str, time: &str) -> HashMap<i64, i64> {
        self.integers(id)
            .into_iter()
            .zip(self.integers(time))
            .collect()
    }
}

#[test]
fn same_seed_same_bytes() {
    let sample = Sample::new(1_000, 1);
    assert!(sample.bytes() == Sample::new(1_000, 1).bytes());
    assert!(sample.bytes() != Sample::new(1_000, 2).bytes());
}

#[test]
fn only_the_tables_and_their_dictionary_are_left() {
    let sample = Sample::new(1_000, 1);
    let mut names: Vec<_> = std::fs::read_dir(sample.folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let mut expected: Vec<_> = sample
        .written
        .iter()
        .map(|file| format!("{}.parquet", file.table))
        .collect();
    expected.push("README.md".to_owned());
    expected.sort();
    assert_eq!(names, expected);
    for file in &sample.written {
        assert_eq!(file.bytes, std::fs::metadata(&file.path).unwrap().len());
        assert_eq!(file.rows, sample.table(file.table).0.num_rows() as u64);
    }
}

#[test]
fn the_dictionary_names_every_column() {
    let sample = Sample::new(1_000, 1);
    for file in &sample.written {
        assert!(DATA_DICTIONARY.contains(&format!("**{}**", file.table)));
        for field in sample.table(file.table).0.schema().fields() {
            assert!(DATA_DICTIONARY.contains(field.name()), "{}", field.name());
        }
    }
}

#[test]
fn impossible_numbers_of_visitors_are_refused() {
    let folder = TempDir::new().unwrap();
    for visitors in [0, 999, 10_000_001] {
        let options = Options { visitors, seed: 1 };
        let error = write(folder.path(), &options, &mut |_| {}).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("the number of visitors must be from 1000 to 10000000, got {visitors}")
        );
    }
}

#[test]
fn failure_leaves_nothing_behind() {
    let folder = TempDir::new().unwrap();
    // No file can take the name of a folder.
    std::fs::create_dir(folder.path().join("events.parquet")).unwrap();
    let options = Options {
        visitors: 1_000,
        seed: 1,
    };
    let error = write(folder.path(), &options, &mut |_| {}).unwrap_err();
    assert!(error.to_string().starts_with("cannot write"), "{error}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn progress_ends_with_all_visitors() {
    let folder = TempDir::new().unwrap();
    let mut heard = Vec::new();
    let options = Options {
        visitors: 2_500,
        seed: 1,
    };
    write(folder.path(), &options, &mut |done| heard.push(done)).unwrap();
    assert_eq!(heard, [1_000, 2_000, 2_500]);
}

#[test]
fn lives_do_not_depend_on_how_many_follow() {
    let small = Sample::new(1_000, 1);
    let large = Sample::new(3_000, 1);
    for file in &small.written {
        let (few, many) = (small.table(file.table).0, large.table(file.table).0);
        assert_eq!(few, many.slice(0, few.num_rows()), "{}", file.table);
    }
}

#[test]
fn most_visitors_have_two_or_three_clicks() {
    for visitors in [2_000, 5_000] {
        let events = Sample::new(visitors, 1).table("events");
        let mut counts = HashMap::new();
        for visitor in events.integers("visitor_id") {
            *counts.entry(visitor).or_insert(0) += 1;
        }
        let mut counts: Vec<_> = counts.into_values().collect();
        counts.sort_unstable();
        let mean = events.0.num_rows() as f64 / visitors as f64;
        assert_eq!(counts.len() as u64, visitors);
        assert!((2.4..3.3).contains(&mean), "{mean}");
        assert!((2..=3).contains(&counts[counts.len() / 2]));
        assert!(*counts.last().unwrap() > 15);
    }
}

#[test]
fn events_are_in_order_and_in_time() {
    let sample = Sample::new(3_000, 1);
    let events = sample.table("events");
    let (visitors, times) = (events.integers("visitor_id"), events.integers("event_time"));
    let keys: Vec<_> = visitors.into_iter().zip(times).collect();
    assert!(keys.is_sorted());
    assert!(keys.iter().all(|(_, time)| (START..END).contains(time)));
    let metadata = Arc::clone(sample.reader("events").metadata());
    let order = metadata.row_group(0).sorting_columns().unwrap();
    assert_eq!(
        order
            .iter()
            .map(|column| column.column_idx)
            .collect::<Vec<_>>(),
        [1, 0]
    );
    assert!(
        metadata
            .file_metadata()
            .created_by()
            .unwrap()
            .starts_with("jumeau version ")
    );
}

#[test]
fn people_are_known_from_their_sign_up_on() {
    let sample = Sample::new(3_000, 1);
    let created = sample.table("people").by_id("person_id", "created_at");
    let events = sample.table("events");
    let rows = || {
        let ids = events
            .integers("visitor_id")
            .into_iter()
            .zip(events.optional("person_id"));
        ids.zip(events.integers("event_time"))
            .zip(events.texts("event_type"))
    };
    let person_of: HashMap<_, _> = rows()
        .filter_map(|(((visitor, person), _), _)| Some((visitor, person?)))
        .collect();
    let persons: HashSet<_> = person_of.values().collect();
    assert_eq!(persons.len(), person_of.len(), "a person has one visitor");
    assert!(persons.len() < created.len(), "some people never visited");
    for (((visitor, person), time), kind) in rows() {
        let known = person_of
            .get(&visitor)
            .filter(|person| created[person] <= time)
            .copied();
        assert_eq!(person, known);
        if kind == "signup" {
            assert_eq!(created[&person.unwrap()], time);
        }
    }
}

#[test]
fn every_order_has_its_person_product_and_event() {
    let sample = Sample::new(5_000, 1);
    let created = sample.table("people").by_id("person_id", "created_at");
    let orders = sample.table("orders");
    let buyers: HashSet<_> = orders.integers("person_id").into_iter().collect();
    let share = buyers.len() as f64 / created.len() as f64;
    assert!((0.15..0.23).contains(&share), "{share}");
    let mut bought = Vec::new();
    for ((person, time), product) in orders
        .integers("person_id")
        .into_iter()
        .zip(orders.integers("order_time"))
        .zip(orders.integers("product_id"))
    {
        assert!(created[&person] < time && time < END);
        assert!((1..=300).contains(&product));
        bought.push((person, time, product));
    }
    let events = sample.table("events");
    let kinds = events.texts("event_type");
    let (persons, products) = (events.optional("person_id"), events.optional("product_id"));
    let times = events.integers("event_time");
    let mut seen: Vec<_> = (0..kinds.len())
        .filter(|row| kinds[*row] == "purchase")
        .map(|row| (persons[row].unwrap(), times[row], products[row].unwrap()))
        .collect();
    seen.sort_unstable();
    bought.sort_unstable();
    assert_eq!(seen, bought);
}

#[test]
fn addresses_reach_nobody() {
    let addresses = Sample::new(3_000, 1).table("addresses");
    let mut emails = HashSet::new();
    for (channel, address) in addresses
        .texts("channel")
        .into_iter()
        .zip(addresses.texts("address"))
    {
        if channel == "email" {
            assert!(
                address.ends_with(".invalid") && address.contains('@'),
                "{address}"
            );
            assert!(emails.insert(address), "{address} is there twice");
        } else {
            assert!(
                address.starts_with("+3363998") && address.len() == 12,
                "{address}"
            );
        }
    }
}

#[test]
fn nobody_is_contacted_without_consent() {
    let sample = Sample::new(5_000, 1);
    let consents = sample.table("consents");
    let contacts = sample.table("contacts");
    let decisions: Vec<_> = consents
        .integers("person_id")
        .into_iter()
        .zip(consents.texts("channel"))
        .zip(consents.texts("status"))
        .zip(consents.integers("decided_at"))
        .collect();
    let mut by_person: HashMap<_, Vec<_>> = HashMap::new();
    for (((person, channel), status), time) in decisions {
        by_person
            .entry((person, channel))
            .or_default()
            .push((time, status));
    }
    let sent = contacts.integers("sent_at");
    let people = contacts.integers("person_id");
    for ((person, channel), sent) in people.iter().zip(contacts.texts("channel")).zip(&sent) {
        let last = by_person[&(*person, channel)]
            .iter()
            .rfind(|(time, _)| time <= sent);
        assert_eq!(last.unwrap().1, "opt_in");
    }
    let steps = ["opened_at", "clicked_at", "responded_at"].map(|step| contacts.optional(step));
    for row in 0..sent.len() {
        let mut before = Some(sent[row]);
        for step in &steps {
            assert!(step[row].is_none() || (before.is_some() && step[row] > before));
            assert!(step[row].is_none_or(|time| time < END));
            before = step[row];
        }
    }
}

#[test]
fn referrers_come_first() {
    let people = Sample::new(5_000, 1).table("people");
    let created = people.by_id("person_id", "created_at");
    let referred = people.optional("referred_by");
    let pairs = people.integers("person_id").into_iter().zip(referred);
    let pairs: Vec<_> = pairs
        .filter_map(|(person, by)| Some((person, by?)))
        .collect();
    assert!(pairs.len() > 50);
    assert!(
        pairs
            .iter()
            .all(|(person, by)| by < person && created[by] < created[person])
    );
}

/// The share of (positive, negative) pairs in the right order; ties count half.
fn auc(mut scored: Vec<(f64, bool)>) -> f64 {
    scored.sort_by(|left, right| left.0.total_cmp(&right.0));
    let positives = scored.iter().filter(|(_, label)| *label).count() as f64;
    let negatives = scored.len() as f64 - positives;
    let mut pairs = 0.0;
    let mut below = 0.0;
    for tie in scored.chunk_by(|left, right| left.0.total_cmp(&right.0).is_eq()) {
        let ups = tie.iter().filter(|(_, label)| *label).count() as f64;
        let downs = tie.len() as f64 - ups;
        pairs += ups * (below + downs / 2.0);
        below += downs;
    }
    pairs / (positives * negatives)
}

/// The numbers that the dictionary states: how much of the orders is noise, and how well a score
/// that knew everything would do in the pack `audience`.
#[test]
fn noise_and_ceiling_are_as_stated() {
    const CUT_OFF: u32 = 150;
    const HORIZON: u32 = 30;
    let mut scored = Vec::new();
    let mut motives = HashMap::new();
    let world = World::new(1);
    live(&world, &Options::default(), |_, life| {
        for order in &life.orders {
            *motives.entry(order.motive).or_insert(0.0) += 1.0;
        }
        let first = life.orders.first().map_or(END, |order| order.time);
        let truth = life.readiness.iter().find(|(day, ..)| *day == CUT_OFF - 1);
        if let Some((_, fit, interest)) = truth
            && first > instant(CUT_OFF, 0)
        {
            // The interest of the eve fades over the horizon: 13 full days of it are left.
            let score = fit * (world::IDLE_INTEREST * f64::from(HORIZON) + interest * 13.0);
            scored.push((score, first <= instant(CUT_OFF + HORIZON, 0)));
        }
        Ok(life.person.is_some().then_some(1))
    })
    .unwrap();
    let orders: f64 = motives.values().sum();
    let noise = motives[&Motive::Noise] / orders;
    let message = motives[&Motive::Message] / orders;
    assert!((0.11..0.13).contains(&noise), "{noise}");
    assert!((0.10..0.12).contains(&message), "{message}");
    assert!(scored.iter().filter(|(_, label)| *label).count() >= 1_000);
    let ceiling = auc(scored);
    assert!((0.715..0.735).contains(&ceiling), "{ceiling}");
}
