//! The judge of the class in which each write goes out.

use std::collections::BTreeSet;

use peer_sender_core::{Lane, Priority};

use crate::oracle::Oracle;

/// Each write of so many goes out in the lowest class that has something to send.
const YIELDS_EVERY: u64 = 16;

/// What a step's writes are judged by.
#[derive(Debug, Default)]
pub(crate) struct Classes {
    /// Lanes that had something to send when the step wrote.
    busy: BTreeSet<u8>,
    /// Writes that went out in a lower class than their lane's.
    pub(crate) yielded: u64,
}

impl Oracle {
    /// Notes whose writes compete in this step: lanes with an open message, and those whose message
    /// was settled by the writing itself, or by the end that followed it.
    pub(crate) fn note_busy(&mut self, settled_last: BTreeSet<u8>) {
        let open = self
            .lanes
            .iter()
            .filter(|(_, books)| !books.live.is_empty());
        let open = open.map(|(lane, _)| *lane);
        self.classes.busy = open.chain(settled_last).collect();
    }

    /// A write of a lane: in the lane's own class, save each sixteenth while a lower class has
    /// something to send.
    pub(crate) fn judge_class(&mut self, lane: u8, class: Priority) {
        let policy = &self.limits.policy;
        let own = policy.priority(Lane(lane));
        let busy = self.classes.busy.iter();
        let lowest = busy.map(|other| policy.priority(Lane(*other))).min();
        let lower = lowest.filter(|lowest| *lowest < own);
        let books = self.lanes.get_mut(&lane).expect("its lane");
        books.unyielding = lower.map_or(0, |_| books.unyielding + 1);
        let yields = lower.filter(|_| books.unyielding == YIELDS_EVERY);
        if yields.is_some() {
            books.unyielding = 0;
            self.classes.yielded += 1;
        }
        let expected = yields.unwrap_or(own);
        assert_eq!(class, expected, "S the class of a write of lane {lane}");
    }
}
