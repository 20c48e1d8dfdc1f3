use proptest::prelude::*;

use super::*;
use crate::relation::ids::NO_CODE;

/// Persons as rows of a text column, a number column and a set column.
#[derive(Debug, Clone)]
struct Person {
    text: Option<u32>,
    number: Option<f64>,
    set: Option<Vec<u32>>,
    lot: u32,
}

const TEXTS: u32 = 4;

fn cells(people: &[Person]) -> (Vec<Cells>, Vec<u32>) {
    let texts = people.iter().map(|p| p.text.unwrap_or(NO_CODE)).collect();
    let numbers = people.iter().map(|p| p.number.unwrap_or(f64::NAN));
    let (mut codes, mut ends) = (Vec::new(), Vec::new());
    for person in people {
        match &person.set {
            Some(set) => codes.extend(set),
            None => codes.push(NO_CODE),
        }
        ends.push(codes.len());
    }
    let ranks: Vec<u32> = (0..TEXTS).rev().collect();
    let columns = vec![
        Cells::Codes {
            codes: texts,
            ranks: ranks.clone(),
        },
        Cells::Numbers(numbers.collect()),
        Cells::Sets { codes, ends, ranks },
    ];
    (columns, people.iter().map(|person| person.lot).collect())
}

fn options(method: Method) -> Options {
    Options {
        method,
        alpha: 0.7,
        min_support: 2,
        bins: 3,
    }
}

fn found(people: &[Person], seed: usize, method: Method, threads: usize) -> Found {
    let (columns, lots) = cells(people);
    let work = Work::unlimited(threads);
    weights(columns, &lots, seed, &options(method), &work).unwrap()
}

fn people(most: usize) -> impl Strategy<Value = Vec<Person>> {
    let set = proptest::collection::btree_set(0..TEXTS, 0..4);
    let person = (
        proptest::option::of(0..TEXTS),
        proptest::option::of((-3..6_i32).prop_map(f64::from)),
        proptest::option::of(set.prop_map(|set| set.into_iter().collect())),
        any::<u32>(),
    );
    let person = person.prop_map(|(text, number, set, lot)| Person {
        text,
        number,
        set,
        lot,
    });
    proptest::collection::vec(person, 8..most)
}

/// What everybody has, found by looking at each person: a row of zeros and ones in the order of the values.
fn dense(people: &[Person], values: &[Vec<Value>]) -> Vec<Vec<f64>> {
    let has = |person: &Person, column: usize, what: What| match (column, what) {
        (0, What::Unknown) => person.text.is_none(),
        (0, What::Code(code)) => person.text == Some(code),
        (1, What::Unknown) => person.number.is_none(),
        (1, What::Number(number)) => person.number == Some(number),
        (1, What::Bin { low, high }) => person.number.is_some_and(|n| low <= n && n < high),
        (2, What::Unknown) => person.set.is_none(),
        (2, What::Code(code)) => person.set.as_ref().is_some_and(|set| set.contains(&code)),
        other => panic!("{other:?}"),
    };
    let row = |person| {
        let columns = values.iter().enumerate();
        let row = columns.flat_map(|(column, values)| {
            values
                .iter()
                .map(move |value| f64::from(u8::from(has(person, column, value.what))))
        });
        row.collect()
    };
    people.iter().map(row).collect()
}

/// The gradient of the penalised log-loss, by the book; the intercept comes last.
fn gradient(rows: &[Vec<f64>], seed: usize, alpha: f64, weights: &Weights) -> Vec<f64> {
    let mut gradient: Vec<f64> = weights.values.iter().map(|w| alpha * w).collect();
    gradient.push(0.0);
    for (person, row) in rows.iter().enumerate() {
        let z: f64 = row.iter().zip(&weights.values).map(|(x, w)| x * w).sum();
        let p = 1.0 / (1.0 + (-z - weights.intercept).exp());
        let residual = p - f64::from(u8::from(person < seed));
        for (sum, x) in gradient.iter_mut().zip(row.iter().chain([&1.0])) {
            *sum += residual * x;
        }
    }
    gradient
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn log_odds_are_counted(people in people(60), seed in 1..7_usize) {
        let (values, weights) = found(&people, seed, Method::LogOdds, 2);
        let rows = dense(&people, &values);
        let k = 0.7 / (seed.min(people.len() - seed) as f64);
        let flat: Vec<Value> = values.concat();
        for (place, (value, weight)) in flat.iter().zip(weights.unwrap().values).enumerate() {
            let count = |rows: &[Vec<f64>]| rows.iter().map(|row| row[place]).sum::<f64>();
            let (s, b) = (count(&rows[..seed]), count(&rows[seed..]));
            prop_assert_eq!((value.seed_n as f64, value.base_n as f64), (s, b));
            prop_assert!(s + b >= 2.0);
            let expected = ((s / seed as f64 + k) / (b / (people.len() - seed) as f64 + k)).ln();
            prop_assert!((weight - expected).abs() < 1e-12);
        }
    }

    /// The function is convex, so that a point without slope is the only lowest one.
    #[test]
    fn logistic_weights_have_no_slope_left(people in people(60), seed in 1..7_usize) {
        let (values, weights) = found(&people, seed, Method::Logistic, 2);
        let rows = dense(&people, &values);
        let weights = weights.unwrap();
        for slope in gradient(&rows, seed, 0.7, &weights) {
            prop_assert!(slope.abs() < 1e-6, "{}", slope);
        }
    }

    #[test]
    fn neither_order_nor_threads_change_a_digit(
        people in people(200), seed in 1..7_usize, turn in 0..100_usize, logistic in any::<bool>(),
    ) {
        let method = if logistic { Method::Logistic } else { Method::LogOdds };
        let expected = found(&people, seed, method, 1);
        let mut turned = people;
        let (seeds, base) = turned.split_at_mut(seed);
        seeds.reverse();
        base.rotate_left(turn % base.len());
        for threads in [1, 3] {
            prop_assert_eq!(&found(&turned, seed, method, threads), &expected);
        }
    }
}

/// A pattern without a plan, by multiplication.
fn noise(seed: u64) -> u64 {
    let mixed = (seed ^ (seed >> 31)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (mixed ^ (mixed >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 20
}

/// So many people that the curvature comes from a sample, and more values than have bonds.
#[test]
fn a_sample_leads_to_the_same_place() {
    let (people, seed) = (60_000_usize, 9_000);
    let mut columns = Vec::new();
    for column in 0..12_u64 {
        let values = if column == 0 { 3_000 } else { 5 + column };
        let codes = (0..people).map(|person| {
            let draw = noise(person as u64 * 64 + column);
            // The seed likes low values; squares make some values rare.
            let share = (draw % 10_000) as f64 / 10_000.0;
            let share = if person < seed {
                share.powi(3)
            } else {
                share * share
            };
            (share * values as f64) as u32
        });
        columns.push(Cells::Codes {
            codes: codes.collect(),
            ranks: (0..values as u32).collect(),
        });
    }
    let copies: Vec<Vec<u32>> = columns
        .iter()
        .map(|column| match column {
            Cells::Codes { codes, .. } => codes.clone(),
            other => panic!("{other:?}"),
        })
        .collect();
    let lots: Vec<u32> = (0..people).map(|p| noise(p as u64) as u32).collect();
    let options = Options {
        alpha: 1.0,
        min_support: 5,
        ..options(Method::Logistic)
    };
    let (values, weights) = weights(columns, &lots, seed, &options, &Work::unlimited(2)).unwrap();
    let weights = weights.unwrap();
    let features: usize = values.iter().map(Vec::len).sum();
    assert!(features > 1_500, "{features} features");

    let mut offset = 0;
    let mut of_code = Vec::new();
    for column in &values {
        let pairs = column
            .iter()
            .zip(offset..)
            .map(|(value, feature)| match value.what {
                What::Code(code) => (code, feature),
                other => panic!("{other:?}"),
            });
        of_code.push(pairs.collect::<std::collections::HashMap<_, usize>>());
        offset += column.len();
    }
    let mut gradient: Vec<f64> = weights.values.clone();
    let mut all = 0.0;
    for person in 0..people {
        let own: Vec<usize> = copies
            .iter()
            .zip(&of_code)
            .filter_map(|(codes, of_code)| of_code.get(&codes[person]).copied())
            .collect();
        let z: f64 = own.iter().map(|feature| weights.values[*feature]).sum();
        let p = 1.0 / (1.0 + (-z - weights.intercept).exp());
        let residual = p - f64::from(u8::from(person < seed));
        for feature in own {
            gradient[feature] += residual;
        }
        all += residual;
    }
    let worst = gradient.iter().fold(all.abs(), |most, g| most.max(g.abs()));
    assert!(worst < 1e-4, "{worst}");
}
