//! The judge of the class in which each write goes out.

use std::collections::{BTreeMap, BTreeSet};

use peer_sender_core::{LANES_MAX, Lane, Priority, TransferId};

use crate::oracle::Oracle;
use crate::transport::Conn;

/// Each write of so many goes out in the lowest class that has something to send.
const YIELDS_EVERY: u64 = 16;

/// What a step's writes are judged by.
#[derive(Debug, Default)]
pub(crate) struct Classes {
    /// The lowest class of a lane that had something to send when the step wrote, and the lanes
    /// whose messages waited, or whose last write QUIC had not taken.
    lowest: Option<Priority>,
    queueing: BTreeSet<u8>,
    unfinished: BTreeSet<u8>,
    /// Writes that QUIC has not taken whole: on which connection, and of which lane.
    writing: BTreeMap<TransferId, (Conn, u8)>,
    /// Writes that went out in a lower class than their lane's.
    pub(crate) yielded: u64,
}

impl Classes {
    pub(crate) fn write_began(&mut self, transfer: TransferId, conn: Conn, lane: u8) {
        self.writing.insert(transfer, (conn, lane));
    }

    pub(crate) fn write_finished(&mut self, transfer: TransferId) {
        self.writing.remove(&transfer);
    }

    pub(crate) fn connection_over(&mut self, conn: Conn) {
        self.writing.retain(|_, (of, _)| *of != conn);
    }
}

impl Oracle {
    /// Notes whose writes compete in this step. Beside what is open now those lanes count whose
    /// message was settled by the writing itself, or by the end that followed it: `late`, and of
    /// these some had not begun.
    pub(crate) fn note_busy(&mut self, late: &BTreeMap<u8, bool>) {
        let policy = &self.limits.policy;
        let class = |lane: &u8| policy.priority(Lane(*lane));
        let open = self.lanes.iter().filter(|(_, it)| !it.live.is_empty());
        let open = open.map(|(lane, _)| lane).chain(late.keys());
        self.classes.lowest = open.map(class).min();
        let queues = self.lanes.iter().filter(|(_, it)| !it.queue.is_empty());
        let queues = queues.map(|(lane, _)| lane);
        let late = late.iter().filter(|(_, waited)| **waited);
        let queues = queues.chain(late.map(|(lane, _)| lane));
        self.classes.queueing = queues.copied().collect();
        let writing = self.classes.writing.values().map(|(_, lane)| *lane);
        self.classes.unfinished = writing.collect();
    }

    /// A write of a lane: in the lane's own class, save each sixteenth while a lower class has
    /// something to send, and all of them while a higher one keeps QUIC busy as well: its last write
    /// is not taken, or it has more, and has written since this lane did.
    pub(crate) fn judge_class(&mut self, lane: u8, class: Priority) {
        let policy = &self.limits.policy;
        let own = policy.priority(Lane(lane));
        let lower = self.classes.lowest.filter(|lowest| *lowest < own);
        let Classes {
            queueing,
            unfinished,
            ..
        } = &self.classes;
        let books = self.lanes.get_mut(&lane).expect("its lane");
        let moving = queueing.difference(&books.stand_still);
        let mut busy = unfinished.iter().chain(moving);
        let between = lower.is_some() && busy.any(|it| policy.priority(Lane(*it)) > own);
        books.stand_still = (0..LANES_MAX).collect();
        if !between {
            books.unyielding = lower.map_or(0, |_| books.unyielding + 1);
        }
        let turn = books.unyielding == YIELDS_EVERY;
        let yields = lower.filter(|_| between || turn);
        if yields.is_some() {
            books.unyielding *= u64::from(between);
            self.classes.yielded += 1;
        }
        for (_, other) in self.lanes.iter_mut().filter(|(it, _)| **it != lane) {
            other.stand_still.remove(&lane);
        }
        let expected = yields.unwrap_or(own);
        assert_eq!(class, expected, "S the class of a write of lane {lane}");
    }
}
