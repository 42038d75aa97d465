//! The sending half of a session, shared by both ends: what was accepted and is not settled, and
//! what each connection has shown of its fate.
//!
//! A message waits in the [queue](OutboundLane) without a number; its first byte in a write gives
//! it the lane's next number and a place in the flight, which it leaves when it is settled. The
//! flight outlives connections, the [`stream`] does not.

mod compose;
mod judge;
mod stream;

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use bytes::Bytes;

pub(crate) use self::stream::{LaneStream, StreamEnd};
use crate::{Capacity, Config, FailReason, MessageId, Outcome, UnknownReason, Violation};
use crate::{Epoch, RefuseCode};

/// One write holds at most this many bytes, or one message.
pub(crate) const WRITE_BYTES_MAX: usize = 256 << 10;
/// Before the RESUME of a fresh OPEN, messages above this size wait: the receiver's limit is not
/// known yet (`docs/wire.md`, the opener).
const PIPELINED_BYTES_MAX: usize = 64 << 10;
/// Payloads up to this size are copied together; quinn-proto's cost grows with the chunks that
/// are unacknowledged.
const COPIED_BYTES_MAX: usize = 4 << 10;

/// One lane's messages, from acceptance to outcome.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct OutboundLane {
    /// Accepted, not begun, in order.
    queue: VecDeque<Queued>,
    queued_bytes: usize,
    /// Begun; the number of the front is `first`.
    flight: VecDeque<Slot>,
    first: u64,
    in_flight: usize,
    in_flight_bytes: usize,
    /// Whether the session's first OPEN of the lane was ever written.
    opened: bool,
    /// The receiver's record as the last RESUME told it.
    record: Option<(Epoch, u64)>,
    /// Outcomes of this step.
    decided: Vec<(MessageId, Outcome)>,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Queued {
    id: MessageId,
    payload: Bytes,
}

/// One number of the lane.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Slot {
    /// Its message has begun and has no outcome.
    Open {
        id: MessageId,
        payload: Bytes,
        evidence: Evidence,
    },
    /// Its message is settled; the number is passed over with SKIP where it comes up again.
    Settled,
}

/// What RESUMEs have shown of a message that was written on an earlier connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Evidence {
    /// Nothing: its fate is open.
    None,
    /// It was not received. Holds until its first byte is written again.
    NotReceived,
    /// No RESUME can prove that it was not received, since none came before it was written.
    /// Holds for good.
    Unproven,
    /// A receiver that no longer remembers may have taken it. Holds for good.
    Forgotten,
}

impl OutboundLane {
    pub(crate) fn new() -> Self {
        Self {
            queue: VecDeque::new(),
            queued_bytes: 0,
            flight: VecDeque::new(),
            first: 0,
            in_flight: 0,
            in_flight_bytes: 0,
            opened: false,
            record: None,
            decided: Vec::new(),
        }
    }

    /// What the queue would take now.
    pub(crate) fn capacity(&self, config: &Config) -> Capacity {
        Capacity {
            messages: config.send.queue_messages_max - self.queue.len(),
            bytes: config.send.queue_bytes_max - self.queued_bytes,
        }
    }

    /// Queues a message that fits the capacity.
    pub(crate) fn push(&mut self, id: MessageId, payload: Bytes) {
        self.queued_bytes += payload.len();
        self.queue.push_back(Queued { id, payload });
    }

    pub(crate) fn queued(&self) -> (usize, usize) {
        (self.queue.len(), self.queued_bytes)
    }

    pub(crate) fn in_flight(&self) -> (usize, usize) {
        (self.in_flight, self.in_flight_bytes)
    }

    /// Whether every accepted message has its outcome.
    pub(crate) fn is_settled(&self) -> bool {
        self.queue.is_empty() && self.in_flight == 0
    }

    /// Outcomes that fell since the last call.
    pub(crate) fn take_decided(&mut self) -> Vec<(MessageId, Outcome)> {
        core::mem::take(&mut self.decided)
    }

    /// Settles everything: what has provably not arrived failed, the rest is unknown.
    pub(crate) fn abandon(&mut self) {
        for number in self.first..self.next_number() {
            let outcome = match self.slot(number) {
                Some(Slot::Open {
                    evidence: Evidence::NotReceived,
                    ..
                }) => Outcome::Failed(FailReason::Stopped),
                _ => Outcome::Unknown(UnknownReason::Stopped),
            };
            self.decide(number, outcome);
        }
        for queued in core::mem::take(&mut self.queue) {
            self.decided
                .push((queued.id, Outcome::Failed(FailReason::Stopped)));
        }
        self.queued_bytes = 0;
        *self = Self {
            decided: core::mem::take(&mut self.decided),
            ..Self::new()
        };
    }

    /// Goes on in a new session, of which no receiver knows anything. Messages that have begun in
    /// the old one keep their order and are numbered anew; what the old session's receiver did
    /// with them can no longer be asked.
    pub(crate) fn start_over(&mut self) {
        self.flight.retain(|slot| matches!(slot, Slot::Open { .. }));
        for slot in &mut self.flight {
            if let Slot::Open { evidence, .. } = slot {
                *evidence = Evidence::Unproven;
            }
        }
        self.first = 0;
        self.opened = false;
        self.record = None;
    }

    /// The number that the next new message takes.
    fn next_number(&self) -> u64 {
        self.first + self.flight.len() as u64
    }

    /// None for a number that is settled and forgotten, or not given out.
    fn slot(&self, number: u64) -> Option<&Slot> {
        self.flight.get(self.index(number)?)
    }

    fn index(&self, number: u64) -> Option<usize> {
        usize::try_from(number.checked_sub(self.first)?).ok()
    }

    /// Gives an open number its outcome; any other is left as it is.
    fn decide(&mut self, number: u64, outcome: Outcome) {
        let Some(slot) = self
            .index(number)
            .and_then(|index| self.flight.get_mut(index))
        else {
            return;
        };
        if let Slot::Open { id, payload, .. } = core::mem::replace(slot, Slot::Settled) {
            self.in_flight -= 1;
            self.in_flight_bytes -= payload.len();
            self.decided.push((id, outcome));
        }
        while let Some(Slot::Settled) = self.flight.front() {
            self.flight.pop_front();
            self.first += 1;
        }
    }

    /// Gives every open number below `end` the outcome.
    fn decide_below(&mut self, end: u64, outcome: &Outcome) {
        for number in self.first..end.min(self.next_number()) {
            self.decide(number, outcome.clone());
        }
    }

    /// Settles a message that is larger than the receiver takes, before it is written.
    fn refuse_queued_front(&mut self) {
        if let Some(Queued { id, payload }) = self.queue.pop_front() {
            self.queued_bytes -= payload.len();
            self.decided
                .push((id, Outcome::Refused(RefuseCode::TooLarge)));
        }
    }

    /// Renames everything relative to itself, for states to be compared across histories: ids
    /// become ranks. Returns how many there are.
    pub(crate) fn rename_ids(&mut self) -> u64 {
        let mut rank = 0;
        let mut rename = |id: &mut MessageId| {
            *id = MessageId(rank);
            rank += 1;
        };
        for slot in &mut self.flight {
            if let Slot::Open { id, .. } = slot {
                rename(id);
            }
        }
        self.queue
            .iter_mut()
            .for_each(|queued| rename(&mut queued.id));
        rank
    }

    /// Moves all numbers down by `origin`, which is at most the lowest in use.
    pub(crate) fn renumber(&mut self, origin: u64) {
        self.first -= origin;
    }

    pub(crate) fn first(&self) -> u64 {
        self.first
    }

    /// Whether the books agree with what they count.
    pub(crate) fn check(&self, config: &Config) -> Result<(), Violation> {
        let queued: usize = self.queue.iter().map(|queued| queued.payload.len()).sum();
        let open = self.flight.iter().filter_map(|slot| match slot {
            Slot::Open { id, payload, .. } => Some((*id, payload.len())),
            Slot::Settled => None,
        });
        let ids = open
            .clone()
            .map(|(id, _)| id)
            .chain(self.queue.iter().map(|q| q.id));
        let (messages, bytes) = open.fold((0, 0), |(m, b), (_, len)| (m + 1, b + len));
        if queued != self.queued_bytes
            || (messages, bytes) != (self.in_flight, self.in_flight_bytes)
        {
            return Err(Violation {
                id: "I2",
                what: "a lane's books differ from its messages",
            });
        }
        if self.queue.len() > config.send.queue_messages_max || queued > config.send.queue_bytes_max
        {
            return Err(Violation {
                id: "I21",
                what: "the queue is above its limits",
            });
        }
        if self.flight.len() > config.send.flight_messages_max
            || messages > 1 && bytes > config.send.flight_bytes_max
        {
            return Err(Violation {
                id: "I21",
                what: "the flight is above its limits",
            });
        }
        if ids.is_sorted_by(|a, b| a < b) {
            return Ok(());
        }
        Err(Violation {
            id: "I7",
            what: "a lane's messages are not in the order of acceptance",
        })
    }
}

impl core::fmt::Debug for Queued {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}({} B)", self.id, self.payload.len())
    }
}

impl core::fmt::Debug for Slot {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Open {
                id,
                payload,
                evidence,
            } => {
                write!(f, "{id}({} B, {evidence:?})", payload.len())
            }
            Self::Settled => write!(f, "settled"),
        }
    }
}
