//! The state of `next_best_channel`.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float64Array, ListBuilder, StringViewArray,
    StringViewBuilder, StructArray,
};
use arrow::datatypes::DataType;
use datafusion_common::{Result, exec_err, internal_err};
use datafusion_expr::EmitTo;
use datafusion_functions_aggregate_common::aggregate::groups_accumulator::nulls::filter_to_nulls;

use super::person::{Offer, Person};
use super::{ARGUMENTS, result_fields};
use crate::common::aggregate::{GroupState, Groups};
use crate::common::labels::Labels;
use crate::common::numbers::doubles;
use crate::common::sum::known;
use crate::common::time::{from_ticks, ticks};

/// As many as a set of channels in one word holds.
const MOST_CHANNELS: usize = u64::BITS as usize;

/// The choices of many people.
#[derive(Debug, Clone)]
pub(super) struct People {
    time: DataType,
    /// The channels seen so far; people refer to them by position.
    channels: Vec<String>,
    persons: Vec<Person>,
}

impl People {
    pub(super) fn new(time: DataType) -> Self {
        Self {
            time,
            channels: Vec::new(),
            persons: Vec::new(),
        }
    }

    /// The position of a channel, which may be new.
    fn channel(&mut self, name: &str) -> Result<u8> {
        let known = self.channels.iter().position(|known| known == name);
        let position = known.unwrap_or(self.channels.len());
        if position == MOST_CHANNELS {
            return exec_err!(
                "next_best_channel: more than {MOST_CHANNELS} different channels, among them '{name}'"
            );
        }
        if known.is_none() {
            self.channels.push(name.to_owned());
        }
        Ok(position as u8)
    }

    /// The rows of one batch in columns.
    fn add(&mut self, row: usize, group: usize, columns: &Columns<'_>) -> Result<()> {
        if columns.channels.is_null(row) {
            return Ok(());
        }
        let channel = self.channel(columns.channels.value(row))?;
        if columns.last_contact.is_valid(row) {
            self.persons[group].contact(columns.times[row], 1 << channel);
        }
        let margin = columns
            .margins
            .is_valid(row)
            .then(|| columns.margins.value(row));
        if let Some(margin) = margin {
            ARGUMENTS.check_number(1, margin)?;
        }
        let consented = columns.consented(row)?;
        let allowed = columns.under_cap(row)? && consented;
        let person = &mut self.persons[group];
        person.consented |= consented;
        person.allowed |= allowed;
        if let Some(margin) = margin
            && allowed
        {
            // −0 and 0 are one margin; adding 0 makes them one number.
            let margin = margin + 0.0;
            person.offer(&self.channels, Offer { margin, channel });
        }
        Ok(())
    }

    fn merge_row(&mut self, row: usize, group: usize, states: &States<'_>) -> Result<()> {
        if states.channel.is_valid(row) {
            let offer = Offer {
                channel: self.channel(states.channel.value(row))?,
                margin: states.margin.value(row),
            };
            self.persons[group].offer(&self.channels, offer);
        }
        if states.last_contact.is_valid(row) {
            let names = states.last_channels.value(row);
            let mut channels = 0;
            for name in names.as_string_view().iter().flatten() {
                channels |= 1 << self.channel(name)?;
            }
            self.persons[group].contact(states.times[row], channels);
        }
        let person = &mut self.persons[group];
        person.consented |= states.consented.value(row);
        person.allowed |= states.allowed.value(row);
        Ok(())
    }

    fn name(&self, channel: u8) -> &str {
        &self.channels[usize::from(channel)]
    }
}

/// The arguments of a batch.
struct Columns<'a> {
    channels: &'a StringViewArray,
    margins: &'a Float64Array,
    labels: [(&'a ArrayRef, Labels<'a>); 2],
    last_contact: &'a ArrayRef,
    times: &'a [i64],
}

impl Columns<'_> {
    fn consented(&self, row: usize) -> Result<bool> {
        let (column, labels) = &self.labels[0];
        Ok(column.is_valid(row) && labels.get(&ARGUMENTS, 2, row)?)
    }

    fn under_cap(&self, row: usize) -> Result<bool> {
        let (column, labels) = &self.labels[1];
        Ok(column.is_valid(row) && labels.get(&ARGUMENTS, 3, row)?)
    }
}

/// The states of a batch.
struct States<'a> {
    consented: &'a BooleanArray,
    allowed: &'a BooleanArray,
    channel: &'a StringViewArray,
    margin: &'a Float64Array,
    last_contact: &'a ArrayRef,
    times: &'a [i64],
    last_channels: &'a arrow::array::ListArray,
}

impl GroupState for People {
    fn empty(&self) -> Self {
        Self::new(self.time.clone())
    }

    fn resize(&mut self, groups: usize) {
        self.persons.resize(groups, Person::UNKNOWN);
    }

    fn update(
        &mut self,
        args: &[ArrayRef],
        groups: Groups<'_>,
        filter: Option<&BooleanArray>,
    ) -> Result<()> {
        let [channel, margin, consented, under_cap, last_contact] = args else {
            return internal_err!("next_best_channel: expected 5 arguments");
        };
        let filter = filter.map(filter_to_nulls);
        let columns = Columns {
            channels: channel.as_string_view(),
            margins: doubles(margin),
            labels: [consented, under_cap].map(|column| (column, Labels::new(column))),
            last_contact,
            times: &ticks(last_contact)?,
        };
        let mut outcome = Ok(());
        groups.visit(channel.len(), |row, group| {
            let kept = filter.as_ref().is_none_or(|filter| filter.is_valid(row));
            if outcome.is_ok() && kept {
                outcome = self.add(row, group, &columns);
            }
        });
        outcome
    }

    fn merge(&mut self, states: &[ArrayRef], groups: Groups<'_>) -> Result<()> {
        let [
            consented,
            allowed,
            channel,
            margin,
            last_contact,
            last_channels,
        ] = states
        else {
            return exec_err!("next_best_channel: expected six states");
        };
        let states = States {
            consented: consented.as_boolean(),
            allowed: allowed.as_boolean(),
            channel: channel.as_string_view(),
            margin: doubles(margin),
            last_contact,
            times: &ticks(last_contact)?,
            last_channels: last_channels.as_list(),
        };
        let mut outcome = Ok(());
        groups.visit(consented.len(), |row, group| {
            if outcome.is_ok() {
                outcome = self.merge_row(row, group, &states);
            }
        });
        outcome
    }

    fn take(&mut self, emit: EmitTo) -> Self {
        Self {
            time: self.time.clone(),
            channels: self.channels.clone(),
            persons: emit.take_needed(&mut self.persons),
        }
    }

    fn finish(self) -> Result<ArrayRef> {
        let mut channels = StringViewBuilder::with_capacity(self.persons.len());
        let mut reasons = StringViewBuilder::with_capacity(self.persons.len());
        let mut margins = Vec::with_capacity(self.persons.len());
        for person in &self.persons {
            let (channel, margin, reason) = person.next();
            channels.append_option(channel.map(|channel| self.name(channel)));
            margins.push(margin);
            reasons.append_value(reason);
        }
        let columns: Vec<ArrayRef> = vec![
            Arc::new(channels.finish()),
            Arc::new(Float64Array::from(margins)),
            Arc::new(reasons.finish()),
        ];
        Ok(Arc::new(StructArray::try_new_with_length(
            result_fields(),
            columns,
            None,
            self.persons.len(),
        )?))
    }

    fn into_state(self) -> Result<Vec<ArrayRef>> {
        let mut channels = StringViewBuilder::with_capacity(self.persons.len());
        let mut last_channels = ListBuilder::new(StringViewBuilder::new());
        for person in &self.persons {
            channels.append_option(person.best.map(|best| self.name(best.channel)));
            let set = person.latest.map_or(0, |(_, channels)| channels);
            for (position, name) in self.channels.iter().enumerate() {
                if set & (1 << position) != 0 {
                    last_channels.values().append_value(name);
                }
            }
            last_channels.append(true);
        }
        let people = self.persons.iter();
        let flags = |part: fn(&Person) -> bool| -> ArrayRef {
            Arc::new(BooleanArray::from(
                people.clone().map(part).collect::<Vec<_>>(),
            ))
        };
        let margins = people
            .clone()
            .map(|person| person.best.map_or(f64::NAN, |best| best.margin));
        let latest = people
            .clone()
            .map(|person| person.latest.map_or(0, |(tick, _)| tick));
        let contacted = people.clone().map(|person| person.latest.is_some());
        Ok(vec![
            flags(|person| person.consented),
            flags(|person| person.allowed),
            Arc::new(channels.finish()),
            known(margins.collect()),
            from_ticks(latest.collect(), Some(contacted.collect()), &self.time)?,
            Arc::new(last_channels.finish()),
        ])
    }

    fn size(&self) -> usize {
        self.persons.capacity() * size_of::<Person>() + self.channels.len() * size_of::<String>()
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::TimestampSecondArray;
    use arrow::datatypes::TimeUnit;
    use datafusion_common::ScalarValue;
    use proptest::prelude::*;

    use super::*;
    use crate::common::testing::{check_group_state, plain_result};

    #[derive(Debug, Clone)]
    struct Row {
        channel: Option<&'static str>,
        margin: Option<f64>,
        consented: Option<bool>,
        under_cap: Option<bool>,
        last_contact: Option<i64>,
    }

    fn row(channel: &'static str, margin: f64, last_contact: Option<i64>) -> Row {
        Row {
            channel: Some(channel),
            margin: Some(margin),
            consented: Some(true),
            under_cap: Some(true),
            last_contact,
        }
    }

    fn columns(rows: &[Row]) -> Vec<ArrayRef> {
        vec![
            Arc::new(
                rows.iter()
                    .map(|row| row.channel)
                    .collect::<StringViewArray>(),
            ),
            Arc::new(rows.iter().map(|row| row.margin).collect::<Float64Array>()),
            Arc::new(
                rows.iter()
                    .map(|row| row.consented)
                    .collect::<BooleanArray>(),
            ),
            Arc::new(
                rows.iter()
                    .map(|row| row.under_cap)
                    .collect::<BooleanArray>(),
            ),
            Arc::new(
                rows.iter()
                    .map(|row| row.last_contact)
                    .collect::<TimestampSecondArray>(),
            ),
        ]
    }

    fn people() -> People {
        People::new(DataType::Timestamp(TimeUnit::Second, None))
    }

    type Next = (Option<String>, Option<f64>, String);

    fn next(rows: &[Row]) -> Next {
        let ScalarValue::Struct(next) = plain_result(&people(), &columns(rows)) else {
            panic!("no STRUCT");
        };
        let text = |position: usize| {
            let column = next.column(position).as_string_view();
            column.is_valid(0).then(|| column.value(0).to_owned())
        };
        let margin = doubles(next.column(1));
        (
            text(0),
            margin.is_valid(0).then(|| margin.value(0)),
            text(2).unwrap(),
        )
    }

    fn is(channel: Option<&str>, margin: Option<f64>, reason: &str) -> Next {
        (channel.map(str::to_owned), margin, reason.to_owned())
    }

    #[test]
    fn the_reasons() {
        let email = row("email", 0.5, Some(1));
        let sms = row("sms", 1.0, None);
        assert_eq!(next(&[]), is(None, None, "no_consent"));
        let mut refused = email.clone();
        refused.consented = None;
        assert_eq!(next(&[refused.clone()]), is(None, None, "no_consent"));
        let mut full = sms.clone();
        full.under_cap = Some(false);
        assert_eq!(
            next(&[refused.clone(), full.clone()]),
            is(None, None, "cap")
        );
        assert_eq!(
            next(&[email.clone(), full]),
            is(Some("email"), Some(0.5), "best")
        );
        assert_eq!(
            next(&[email.clone(), sms.clone()]),
            is(Some("sms"), Some(1.0), "switch")
        );
        assert_eq!(
            next(&[row("email", 0.0, None)]),
            is(None, Some(0.0), "stop")
        );
        assert_eq!(
            next(std::slice::from_ref(&sms)),
            is(Some("sms"), Some(1.0), "best")
        );
        let unknown = Row {
            margin: None,
            ..sms
        };
        assert_eq!(next(std::slice::from_ref(&unknown)), is(None, None, "stop"));
        assert_eq!(
            next(&[unknown, email]),
            is(Some("email"), Some(0.5), "best")
        );
    }

    #[test]
    fn ties_are_decided_by_the_name() {
        let (a, b) = (row("a", 1.0, Some(5)), row("b", 1.0, Some(5)));
        assert_eq!(
            next(&[b.clone(), a.clone()]),
            is(Some("a"), Some(1.0), "best")
        );
        assert_eq!(
            next(&[a.clone(), b.clone()]),
            is(Some("a"), Some(1.0), "best")
        );
        // The latest contact was by both, so neither is a switch.
        assert_eq!(
            next(&[a, row("b", 2.0, Some(5))]),
            is(Some("b"), Some(2.0), "best")
        );
    }

    #[test]
    fn more_channels_than_a_word_has_bits_are_refused() {
        let mut people = people();
        for number in 0..MOST_CHANNELS {
            people.channel(&format!("c{number}")).unwrap();
        }
        assert_eq!(people.channel("c63").unwrap(), 63);
        assert_eq!(
            people.channel("fax").unwrap_err().strip_backtrace(),
            "Execution error: next_best_channel: more than 64 different channels, among them 'fax'"
        );
    }

    #[test]
    fn margins_must_be_finite() {
        let mut state = people();
        state.resize(1);
        let error = state.update(&columns(&[row("sms", f64::NAN, None)]), Groups::One, None);
        assert_eq!(
            error.unwrap_err().strip_backtrace(),
            "Execution error: next_best_channel: argument 'expected_margin' must be a finite number, got NaN"
        );
    }

    fn rows() -> impl Strategy<Value = Vec<Row>> {
        let channel = proptest::option::weighted(
            0.95,
            proptest::sample::select(vec!["email", "sms", "post", "fax"]),
        );
        let margin = proptest::option::weighted(0.9, (-2_i8..3).prop_map(f64::from));
        let flag = || proptest::option::weighted(0.95, proptest::bool::weighted(0.7));
        let time = proptest::option::weighted(0.6, 0_i64..4);
        let row = (channel, margin, flag(), flag(), time).prop_map(
            |(channel, margin, consented, under_cap, last_contact)| Row {
                channel,
                margin,
                consented,
                under_cap,
                last_contact,
            },
        );
        proptest::collection::vec(row, 0..12)
    }

    proptest! {
        #[test]
        fn every_way_to_aggregate_gives_the_same(rows in rows(), seed: u64) {
            check_group_state(&people(), &columns(&rows), seed)?;
        }

        #[test]
        fn equals_the_rule_read_aloud(rows in rows()) {
            let rows: Vec<_> = rows.into_iter().filter(|row| row.channel.is_some()).collect();
            let consented: Vec<_> = rows.iter().filter(|row| row.consented == Some(true)).collect();
            let allowed: Vec<_> = consented.iter().filter(|row| row.under_cap == Some(true)).collect();
            let mut priced: Vec<_> = allowed.iter().filter_map(|row| Some((-row.margin?, row.channel?))).collect();
            priced.sort_by(|a, b| a.partial_cmp(b).unwrap());
            let latest = rows.iter().filter_map(|row| row.last_contact).max();
            let by: Vec<_> = rows
                .iter()
                .filter(|row| latest.is_some() && row.last_contact == latest)
                .filter_map(|row| row.channel)
                .collect();
            let expected = match priced.first() {
                _ if consented.is_empty() => is(None, None, "no_consent"),
                _ if allowed.is_empty() => is(None, None, "cap"),
                Some(&(loss, channel)) if loss < 0.0 => {
                    let same = by.is_empty() || by.contains(&channel);
                    is(Some(channel), Some(-loss), if same { "best" } else { "switch" })
                }
                best => is(None, best.map(|best| -best.0), "stop"),
            };
            prop_assert_eq!(next(&rows), expected);
        }
    }
}
