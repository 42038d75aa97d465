//! When messages were accepted, begun and settled, for whoever wants to know ([`Transfer`]). Off
//! unless it is asked for; no decision depends on it, so that it takes no part in comparisons, traces
//! and images.

use alloc::vec::Vec;

use super::message::{Begun, Message, Slot};
use super::{Outbound, OutboundLane};
use crate::stats::Aside;
use crate::{MessageId, Outcome, Time};

/// The times of one message, which has its outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Transfer {
    /// The message.
    pub id: MessageId,
    /// Its payload, in bytes.
    pub bytes: usize,
    /// When the machine accepted it.
    pub accepted_at: Time,
    /// When it was first given to QUIC; none if it never was.
    pub begun_at: Option<Time>,
    /// When its outcome fell.
    pub settled_at: Time,
    /// What became of it.
    pub outcome: Outcome,
}

/// What a lane keeps of the times of its messages.
#[derive(Clone, Debug, Default)]
pub(super) struct Times {
    /// Whether they are kept at all.
    pub(super) kept: bool,
    /// Of messages settled in this step.
    settled: Vec<Course>,
}

/// The way of a message to its outcome.
#[derive(Clone, Debug)]
struct Course {
    id: MessageId,
    bytes: usize,
    accepted_at: Time,
    begun_at: Option<Time>,
    outcome: Outcome,
}

impl Outbound {
    /// Keeps the times of messages from here on, or no longer.
    pub(crate) fn time_transfers(&mut self, on: bool) {
        self.timed = Aside(on);
        for lane in &mut self.lanes {
            lane.times = Aside(Times {
                kept: on,
                settled: Vec::new(),
            });
        }
    }

    /// What nobody took before the next step is let go of.
    pub(crate) fn begin_step(&mut self) {
        if self.timed.0 {
            let lanes = self.lanes.iter_mut();
            lanes.for_each(|lane| lane.times.0.settled.clear());
        }
    }

    /// A write of this step is composed: what has begun in it has begun now.
    pub(crate) fn note_begun(&mut self, now: Time) {
        if self.timed.0 {
            self.lanes.iter_mut().for_each(|lane| lane.note_begun(now));
        }
    }

    /// The times of messages settled in this step, at whose `now` their outcomes fell; lane by lane.
    pub(crate) fn take_transfers(&mut self, now: Time) -> Vec<Transfer> {
        let lanes = self.lanes.iter_mut();
        let settled = lanes.flat_map(|lane| lane.times.0.settled.drain(..));
        let transfers = settled.map(|course| Transfer {
            id: course.id,
            bytes: course.bytes,
            accepted_at: course.accepted_at,
            begun_at: course.begun_at,
            settled_at: now,
            outcome: course.outcome,
        });
        transfers.collect()
    }
}

impl OutboundLane {
    /// Gives a message that waits its outcome.
    pub(super) fn tell_waiting(&mut self, message: &Message, outcome: Outcome) {
        self.tell(message, None, outcome);
    }

    /// Gives a message that has begun its outcome.
    pub(super) fn tell_begun(&mut self, begun: &Begun, outcome: Outcome) {
        self.tell(&begun.message, begun.begun_at.0, outcome);
    }

    fn tell(&mut self, message: &Message, begun_at: Option<Time>, outcome: Outcome) {
        if self.times.0.kept {
            self.times.0.settled.push(Course {
                id: message.id,
                bytes: message.payload.len(),
                accepted_at: message.accepted_at,
                begun_at,
                outcome: outcome.clone(),
            });
        }
        self.decided.push((message.id, outcome));
    }

    /// New messages are at the end of the flight. Those in front of them have their times, but for
    /// such as began before these were kept.
    fn note_begun(&mut self, now: Time) {
        for slot in self.flight.iter_mut().rev() {
            match slot {
                Slot::Open(begun) if begun.begun_at.0.is_none() => begun.begun_at.0 = Some(now),
                Slot::Open(_) => return,
                Slot::Settled(_) => {}
            }
        }
    }
}
