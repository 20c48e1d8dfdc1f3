//! Rows grouped by a code.

use crate::relation::work::{Halt, Held, Work};

/// The numbers of the rows of each group, in the order in which they came.
pub(super) struct Groups {
    /// Where each group starts, and the end of the last.
    starts: Vec<u32>,
    rows: Vec<u32>,
    _held: Held,
}

/// Rows between two looks at whether anybody still waits.
const STRETCH: usize = 1 << 20;

impl Groups {
    /// Groups rows by their codes, which are below `groups`. `input` is the name of the table that they come from.
    pub(super) fn new(
        codes: &[u32],
        groups: usize,
        input: &str,
        work: &Work,
    ) -> Result<Self, Halt> {
        let count = codes.len();
        if u32::try_from(count).is_err() {
            let most = u32::MAX;
            let fault = format!("'{input}' must have fewer than {most} rows, got {count}");
            return Err(Halt::Invalid(fault));
        }
        let held = work.reserve((groups + 2 + count) * 4)?;
        // One place later than in the end: filling the groups moves each start to the end of its group.
        let mut starts = vec![0_u32; groups + 2];
        for stretch in codes.chunks(STRETCH) {
            work.check()?;
            for &code in stretch {
                starts[code as usize + 2] += 1;
            }
        }
        for group in 1..starts.len() {
            starts[group] += starts[group - 1];
        }
        let mut rows = vec![0_u32; count];
        for (stretch, number) in codes.chunks(STRETCH).zip((0..).step_by(STRETCH)) {
            work.check()?;
            for (&code, row) in stretch.iter().zip(number..) {
                let place = &mut starts[code as usize + 1];
                rows[*place as usize] = row;
                *place += 1;
            }
        }
        Ok(Self {
            starts,
            rows,
            _held: held,
        })
    }

    /// The rows of a group.
    pub(super) fn of(&self, group: u32) -> &[u32] {
        let group = group as usize;
        &self.rows[self.starts[group] as usize..self.starts[group + 1] as usize]
    }
}

/// The codes in the order of their ids, given the place of each in that order.
pub(super) fn in_order_of_ids(ranks: &[u32]) -> Vec<u32> {
    let mut codes = vec![0; ranks.len()];
    for (code, &rank) in ranks.iter().enumerate() {
        codes[rank as usize] = code as u32;
    }
    codes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_keep_their_order() {
        let work = Work::unlimited(1);
        let groups = Groups::new(&[2, 0, 2, 3, 0], 5, "rows", &work).unwrap();
        let all: Vec<_> = (0..5).map(|group| groups.of(group)).collect();
        assert_eq!(all, [&[1, 4][..], &[], &[0, 2], &[3], &[]]);
        assert_eq!(
            Groups::new(&[], 1, "rows", &work).unwrap().of(0),
            [] as [u32; 0]
        );
    }
}
