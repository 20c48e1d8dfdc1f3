//! The past sessions by time, and those of each item.

use super::super::super::groups::Groups;
use crate::relation::work::{Halt, Held, Work};

/// What happened in the past sessions, in codes, none of them NULL.
#[derive(Debug, Default)]
pub(in super::super) struct Past {
    pub(in super::super) session: Vec<u32>,
    pub(in super::super) item: Vec<u32>,
    /// The time of the last event of each session code; of sessions without any it means nothing.
    pub(in super::super) ends: Vec<i64>,
}

/// The past sessions, numbered by their ends.
pub(in super::super) struct Index {
    /// When each session ended; ascending.
    ends: Vec<i64>,
    /// The number of each session code.
    number_of: Vec<u32>,
    /// Where the items of each session start, and the end of the last.
    item_starts: Vec<u32>,
    /// Each item once a session, ascending.
    items: Vec<u32>,
    /// Where the sessions of each item start, and the end of the last.
    session_starts: Vec<u32>,
    /// Ascending.
    sessions: Vec<u32>,
    _held: [Held; 2],
}

impl Index {
    /// `items` is the number of item codes; `ranks` are the places of the sessions in the order of ids.
    pub(in super::super) fn new(
        past: &Past,
        items: usize,
        ranks: &[u32],
        work: &Work,
    ) -> Result<Self, Halt> {
        let codes = ranks.len();
        let rows = past.session.len();
        let groups = Groups::new(&past.session, codes, "past", work)?;
        let held = work.reserve(codes * (8 + 4 + 4 + 4 + 1) + rows * 4)?;
        // Of sessions that end at the same time the one with the smaller id counts as later: it comes first in a tie.
        let mut order: Vec<u32> = (0..codes as u32)
            .filter(|&code| !groups.of(code).is_empty())
            .collect();
        order.sort_unstable_by_key(|&code| {
            let code = code as usize;
            (past.ends[code], std::cmp::Reverse(ranks[code]))
        });
        work.check()?;
        let mut number_of = vec![u32::MAX; codes];
        let mut ends = Vec::with_capacity(order.len());
        let mut item_starts = Vec::with_capacity(order.len() + 1);
        let mut session_items: Vec<u32> = Vec::with_capacity(rows);
        let mut session_starts = vec![0_u32; items + 2];
        let mut mine = Vec::new();
        item_starts.push(0);
        for (number, &code) in (0..).zip(&order) {
            if number % 4096 == 0 {
                work.check()?;
            }
            number_of[code as usize] = number;
            ends.push(past.ends[code as usize]);
            mine.clear();
            mine.extend(groups.of(code).iter().map(|&row| past.item[row as usize]));
            mine.sort_unstable();
            mine.dedup();
            for &item in &mine {
                session_starts[item as usize + 2] += 1;
            }
            session_items.extend_from_slice(&mine);
            item_starts.push(session_items.len() as u32);
        }
        drop((order, groups));

        let held_too = work.reserve((items + 2 + session_items.len()) * 4)?;
        for item in 1..session_starts.len() {
            session_starts[item] += session_starts[item - 1];
        }
        let mut sessions = vec![0_u32; session_items.len()];
        for (number, bounds) in (0_u32..).zip(item_starts.windows(2)) {
            if number % 4096 == 0 {
                work.check()?;
            }
            for &item in &session_items[bounds[0] as usize..bounds[1] as usize] {
                let place = &mut session_starts[item as usize + 1];
                sessions[*place as usize] = number;
                *place += 1;
            }
        }
        Ok(Self {
            ends,
            number_of,
            item_starts,
            items: session_items,
            session_starts,
            sessions,
            _held: [held, held_too],
        })
    }

    /// How many there are.
    pub(super) fn sessions(&self) -> usize {
        self.ends.len()
    }

    /// How many had ended by a time: their numbers are below it.
    pub(super) fn ended_by(&self, time: i64) -> u32 {
        self.ends.partition_point(|&end| end <= time) as u32
    }

    /// The number of a session code; one that no session has for unknown codes.
    pub(super) fn number(&self, code: u32) -> u32 {
        let number = self.number_of.get(code as usize);
        number.copied().unwrap_or(u32::MAX)
    }

    /// The items of a session, ascending.
    pub(super) fn items(&self, session: u32) -> &[u32] {
        let session = session as usize;
        let (start, end) = (self.item_starts[session], self.item_starts[session + 1]);
        &self.items[start as usize..end as usize]
    }

    /// The sessions with an item among the first so many, ascending.
    pub(super) fn with(&self, item: u32, known: u32) -> &[u32] {
        let item = item as usize;
        let (start, end) = (self.session_starts[item], self.session_starts[item + 1]);
        let all = &self.sessions[start as usize..end as usize];
        if known as usize == self.ends.len() {
            return all;
        }
        &all[..all.partition_point(|&session| session < known)]
    }
}
