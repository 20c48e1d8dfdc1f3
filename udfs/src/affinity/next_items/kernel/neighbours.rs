//! The past sessions that a session resembles most.

use super::Options;
use super::index::Index;

/// A past session that shares an item with the current one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Neighbour {
    /// The weights of the shared items, in units of one over the number of last items.
    pub(super) similarity: u64,
    pub(super) session: u32,
    /// Where the latest of them stands: 0 is the last item.
    pub(super) matched: u32,
}

/// The neighbours of one session.
#[derive(Debug, Default)]
pub(super) struct Neighbours(Vec<Neighbour>);

impl Neighbours {
    /// In no order.
    pub(super) fn all(&self) -> &[Neighbour] {
        &self.0
    }

    /// Finds the neighbours of a session with these last items among the first `known` past sessions but `same`.
    pub(super) fn find(
        &mut self,
        index: &Index,
        last: &[u32],
        known: u32,
        same: u32,
        options: &Options,
    ) {
        self.0.clear();
        let count = last.len() as u64;
        let lists = last.iter().zip(0_u32..).map(|(&item, place)| List {
            sessions: index.with(item, known),
            place,
        });
        let mut lists: Vec<_> = lists.filter(|list| !list.sessions.is_empty()).collect();
        // The lists are merged from their ends: the latest session is the largest number.
        while let Some(session) = lists.iter().filter_map(List::latest).max() {
            let mut neighbour = Neighbour {
                similarity: 0,
                session,
                matched: u32::MAX,
            };
            for list in &mut lists {
                if list.latest() == Some(session) {
                    list.sessions = &list.sessions[..list.sessions.len() - 1];
                    neighbour.similarity += count - u64::from(list.place);
                    neighbour.matched = neighbour.matched.min(list.place);
                }
            }
            if session != same {
                self.0.push(neighbour);
                if self.0.len() == options.sample {
                    break;
                }
            }
        }
        if self.0.len() > options.neighbours {
            self.0
                .select_nth_unstable_by_key(options.neighbours - 1, |neighbour| {
                    std::cmp::Reverse((neighbour.similarity, neighbour.session))
                });
            self.0.truncate(options.neighbours);
        }
    }
}

/// The past sessions with one of the last items, and the place of that.
#[derive(Debug, Clone, Copy)]
struct List<'a> {
    sessions: &'a [u32],
    place: u32,
}

impl List<'_> {
    fn latest(&self) -> Option<u32> {
        self.sessions.last().copied()
    }
}
