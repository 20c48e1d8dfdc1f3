use proptest::prelude::*;

use super::hulls::{Hull, Step};
use super::market::{Contact, Market};
use super::*;

/// A candidate: person, channel, cost in micro-euros or [`BARRED`], value.
type Candidate = (u32, u32, i64, f64);

const CHANNELS: usize = 3;

/// Candidates in memory, and the limits of the channels.
struct Case {
    market: Market,
    quotas: Vec<Option<u64>>,
}

impl Case {
    fn plan(&self, budget: i128, work: &Work) -> (Summary, Vec<Contact>) {
        let planner = Planner {
            shares: &self.market,
            quotas: &self.quotas,
            work,
        };
        let plan = planner.plan(budget).unwrap();
        let contacts = self.market.contacts(&plan, &self.quotas, true, work);
        (planner.summary(&plan).unwrap(), contacts.unwrap().0)
    }
}

fn case(candidates: &[Candidate], persons: u32, quotas: Vec<Option<u64>>) -> Case {
    let choices = candidates.iter().zip(0..).map(|(c, row)| Choice {
        cost: c.2,
        value: c.3,
        channel: c.1,
        row,
    });
    let person: Vec<_> = candidates.iter().map(|c| c.0).collect();
    let (persons, channels): (Vec<_>, Vec<_>) =
        ((0..persons).collect(), (0..CHANNELS as u32).collect());
    let mut choices = choices.collect();
    let choices = (&mut choices, &mut None);
    let work = Work::unlimited(1);
    let market = Market::new(&person, choices, &persons, &channels, &work).unwrap();
    let market = market.map_err(|twice| format!("{twice:?}")).unwrap();
    Case { market, quotas }
}

/// The value of the best plan: every budget and every use of the quotas, person by person.
fn best(candidates: &[Candidate], persons: u32, quotas: &[Option<u64>], budget: i64) -> f64 {
    fn from(
        person: u32,
        persons: u32,
        candidates: &[Candidate],
        left: &mut Vec<u64>,
        budget: i64,
    ) -> f64 {
        if person == persons {
            return 0.0;
        }
        let mut best = from(person + 1, persons, candidates, left, budget);
        for &(_, channel, cost, value) in candidates.iter().filter(|c| c.0 == person) {
            if cost != BARRED && cost <= budget && left[channel as usize] > 0 && value > 0.0 {
                left[channel as usize] -= 1;
                let rest = from(person + 1, persons, candidates, left, budget - cost);
                left[channel as usize] += 1;
                best = best.max(value + rest);
            }
        }
        best
    }
    let mut left = quotas
        .iter()
        .map(|quota| quota.unwrap_or(u64::MAX))
        .collect();
    from(0, persons, candidates, &mut left, budget)
}

fn candidates() -> impl Strategy<Value = (u32, Vec<Candidate>)> {
    // Few different numbers, so that there are ties; one in ten must not be used.
    let cost = prop_oneof![1 => Just(BARRED), 1 => Just(0_i64), 4 => 1_i64..6, 4 => 1_i64..1000];
    let value = prop_oneof![1 => -2_i32..1, 4 => 1_i32..6, 4 => 1_i32..1000];
    let choice = proptest::option::weighted(0.7, (cost, value));
    let persons = prop_oneof![4 => 1_usize..6, 1 => 6_usize..12];
    persons
        .prop_flat_map(move |n| {
            proptest::collection::vec(proptest::array::uniform3(choice.clone()), n)
        })
        .prop_map(|persons| {
            let rows = persons.iter().zip(0_u32..).flat_map(|(choices, person)| {
                let choices = choices.iter().zip(0_u32..);
                choices.filter_map(move |(choice, channel)| {
                    choice.map(|(cost, value)| (person, channel, cost, f64::from(value) / 8.0))
                })
            });
            (persons.len() as u32, rows.collect())
        })
}

fn quotas() -> impl Strategy<Value = Vec<Option<u64>>> {
    proptest::collection::vec(proptest::option::weighted(0.4, 0_u64..4), CHANNELS)
}

/// Many persons with costs and values that look random.
fn crowd(persons: u32) -> Vec<Candidate> {
    let mut state = 1_u64;
    let mut random = |below: u64| {
        state = state.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(1);
        (state >> 33) % below
    };
    let rows =
        (0..persons).flat_map(|person| (0..CHANNELS as u32).map(move |channel| (person, channel)));
    rows.map(|(person, channel)| {
        let cost = random(10_u64.pow(2 + 2 * channel)) as i64;
        (person, channel, cost, random(1 << 20) as f64 / 1024.0)
    })
    .collect()
}

/// Checks the cut for budgets that pay none, some and all of the steps; says how many steps there are.
fn is_cut_like_its_sorted_steps(case: &Case) -> usize {
    let work = Work::unlimited(2);
    let planner = Planner {
        shares: &case.market,
        quotas: &case.quotas,
        work: &work,
    };
    let free = [0.0; CHANNELS];
    let start = Vec::new;
    let steps = case
        .market
        .pass(&work, start, |steps: &mut Vec<Step>, share| {
            let mut hull = Hull::default();
            for own in share.persons() {
                steps.extend(hull.find(&own, &free, &case.quotas).steps());
            }
            Ok(())
        });
    let mut steps = steps.unwrap().concat();
    steps.sort_by_key(Step::key);
    let all = steps.iter().map(|step| i128::from(step.cost)).sum::<i128>();
    let shares = [1, 1_000, 300_000, 500_000, 999_990, 999_999, 1_000_000];
    let budgets = shares.map(|share| all * share / 1_000_000);
    for budget in budgets.into_iter().chain([0, all - 1, i128::MAX]) {
        let found = planner.paid(&free, budget, &[]).unwrap();
        let mut spent = 0;
        let fits = |step: &&Step| {
            let next = spent + i128::from(step.cost);
            let fits = next <= budget;
            spent = if fits { next } else { spent };
            fits
        };
        let paid = steps.iter().take_while(fits).count();
        assert_eq!(found.first_out, steps.get(paid).copied());
        assert_eq!(found.spend, spent, "budget {budget}");
    }
    steps.len()
}

#[test]
fn a_crowd_is_planned_like_its_sorted_steps_on_any_number_of_threads() {
    // More than fit one share, and more steps than are looked at without a sample.
    let persons = 40_000;
    let case = case(&crowd(persons), persons, vec![None; CHANNELS]);
    let steps = is_cut_like_its_sorted_steps(&case);
    assert!(steps > 1 << 16, "{steps}");
    for budget in [1_000_000, 70_000_000, 3_000_000_000] {
        let alone = case.plan(budget, &Work::unlimited(1));
        for threads in [2, 3, 7] {
            let plan = case.plan(budget, &Work::unlimited(threads));
            assert_eq!(plan, alone, "{threads} threads");
        }
    }
}

#[test]
fn people_who_are_all_alike_are_taken_in_their_order() {
    let persons = 300_000;
    let rows: Vec<_> = (0..persons).map(|person| (person, 0, 5, 3.0)).collect();
    is_cut_like_its_sorted_steps(&case(&rows, persons, vec![None; CHANNELS]));
}

#[test]
fn a_sample_that_misses_the_dear_ones_does_no_harm() {
    // Half of all money is in the steps of a few persons, half of the rest in those of a few more, and so on.
    let persons = 100_000_u32;
    let rows = (0..persons).map(|person| {
        let spread = person.wrapping_mul(0x85EB_CA6B).leading_zeros();
        let cost = 1_i64 << (2 * spread);
        (person, 0, cost, f64::from(person % 1000 + 1) * cost as f64)
    });
    let rows: Vec<_> = rows.collect();
    is_cut_like_its_sorted_steps(&case(&rows, persons, vec![None; CHANNELS]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn keeps_the_rules_and_is_within_its_gap_of_the_best(
        (persons, rows) in candidates(), quotas in quotas(), budget in 0_i64..3000,
    ) {
        let case = case(&rows, persons, quotas.clone());
        let (plan, contacts) = case.plan(i128::from(budget), &Work::unlimited(1));
        let taken: Vec<_> = contacts.iter().map(|contact| rows[case.market.choice(contact).row as usize]).collect();
        let mut people: Vec<_> = taken.iter().map(|row| row.0).collect();
        people.sort_unstable();
        people.dedup();
        prop_assert_eq!(people.len(), taken.len(), "one contact a person");
        prop_assert!(taken.iter().all(|row| row.2 != BARRED && row.3 > 0.0));
        let spend: i64 = taken.iter().map(|row| row.2).sum();
        prop_assert!(spend <= budget && i128::from(spend) == plan.spend);
        for (channel, quota) in quotas.iter().enumerate() {
            let used = taken.iter().filter(|row| row.1 as usize == channel).count() as u64;
            prop_assert!(quota.is_none_or(|quota| used <= quota));
        }
        let value: f64 = taken.iter().map(|row| row.3).sum();
        prop_assert!((value - plan.value).abs() < 1e-9);
        let best = best(&rows, persons, &quotas, budget);
        prop_assert!(value <= best + 1e-9, "{value} is above the best, {best}");
        prop_assert!(best <= plan.bound * (1.0 + 1e-12), "{best} is above the bound {}", plan.bound);
        prop_assert!(value >= best - plan.gap() * plan.bound - 1e-9);
    }

    #[test]
    fn the_order_of_rows_does_not_matter(
        (persons, rows) in candidates(), quotas in quotas(), budget in 0_i64..3000, seed: u64,
    ) {
        let mut shuffled = rows.clone();
        shuffled.sort_by_key(|row| (u64::from(row.0 * 3 + row.1) ^ seed).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let result = |rows: &[Candidate]| {
            let case = case(rows, persons, quotas.clone());
            let (plan, contacts) = case.plan(i128::from(budget), &Work::unlimited(1));
            let contacts = contacts.iter().map(|contact| (rows[case.market.choice(contact).row as usize], contact.efficiency));
            (contacts.collect::<Vec<_>>(), plan.bound.to_bits(), plan.marginal.to_bits())
        };
        prop_assert_eq!(result(&rows), result(&shuffled));
    }

    #[test]
    fn the_frontier_is_concave_and_ends_at_the_best_of_each_person((persons, rows) in candidates()) {
        let case = case(&rows, persons, vec![None; CHANNELS]);
        let plans: Vec<_> = (0..=24)
            .map(|step| case.plan(step * 500, &Work::unlimited(1)).0)
            .collect();
        for three in plans.windows(3) {
            let (a, b) = (three[1].bound - three[0].bound, three[2].bound - three[1].bound);
            prop_assert!(a >= -1e-9 && b <= a + 1e-9, "the bound rises ever more slowly: {a}, {b}");
            prop_assert!(three[1].marginal <= three[0].marginal);
        }
        let usable = |person| rows.iter().filter(move |row| row.0 == person && row.2 != BARRED);
        let most: f64 = (0..persons).map(|p| usable(p).map(|row| row.3).fold(0.0, f64::max)).sum();
        let last = &plans[24];
        prop_assert!((last.value - most).abs() < 1e-9 && last.marginal == 0.0 && last.gap() == 0.0);
    }
}

#[test]
fn one_quota_reaches_the_optimum_of_the_relaxation() {
    // Three persons by channel 0 or 1; channel 1 is worth 3, 2 and 1 more, but may be used once only.
    let rows: Vec<_> = (0..3)
        .flat_map(|person| [(person, 0, 1, 1.0), (person, 1, 1, 4.0 - f64::from(person))])
        .collect();
    let case = case(&rows, 3, vec![None, Some(1), None]);
    let (plan, _) = case.plan(100, &Work::unlimited(1));
    assert!(
        (plan.value - 6.0).abs() < 1e-12 && (plan.bound - 6.0).abs() < 1e-9,
        "{plan:?}"
    );
}

#[test]
fn memory_is_asked_for_first() {
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;
    let refuse = Box::new(|bytes| {
        if bytes > 100 {
            Err("no more".to_owned())
        } else {
            Ok(())
        }
    });
    let work = Work::new(
        1,
        Arc::new(AtomicBool::new(false)),
        refuse,
        Box::new(|_| ()),
    );
    let choice = Choice {
        cost: 1,
        value: 1.0,
        channel: 0,
        row: 0,
    };
    let mut choices = vec![choice; 50];
    let ranks: Vec<_> = (0..50).collect();
    let halt = Market::new(&ranks, (&mut choices, &mut None), &ranks, &[0], &work).err();
    assert_eq!(halt, Some(Halt::Memory("no more".to_owned())));
    assert_eq!(choices.len(), 50, "nothing is lost");
}
