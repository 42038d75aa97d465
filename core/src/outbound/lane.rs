//! One lane's messages, from acceptance to outcome.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use bytes::Bytes;

use crate::{Capacity, Epoch, FailReason, MessageId, Outcome, RefuseCode, SendLimits};
use crate::{UnknownReason, Violation};

/// One lane's messages, from acceptance to outcome.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct OutboundLane {
    /// Accepted, not begun, in order.
    pub(super) queue: VecDeque<Queued>,
    pub(super) queued_bytes: usize,
    /// Begun; the number of the front is `first`.
    pub(super) flight: VecDeque<Slot>,
    pub(super) first: u64,
    pub(super) in_flight: usize,
    pub(super) in_flight_bytes: usize,
    /// Whether the session's first OPEN of the lane was ever written.
    pub(super) opened: bool,
    /// The receiver's record as the last RESUME told it.
    pub(super) record: Option<(Epoch, u64)>,
    /// Outcomes of this step.
    decided: Vec<(MessageId, Outcome)>,
    /// Messages left the queue in this step.
    room_made: bool,
}

#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Queued {
    pub(super) id: MessageId,
    pub(super) payload: Bytes,
}

/// One number of the lane.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) enum Slot {
    /// Its message has begun and has no outcome.
    Open {
        id: MessageId,
        payload: Bytes,
        evidence: Evidence,
        /// The user took it back, too late for it not to begin.
        cancelled: bool,
    },
    /// Its message is settled; the number is passed over with SKIP where it comes up again.
    Settled,
}

/// What RESUMEs have shown of a message that was written on an earlier connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Evidence {
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
    pub(super) fn new() -> Self {
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
            room_made: false,
        }
    }

    /// What the queue would take now.
    pub(super) fn capacity(&self, limits: &SendLimits) -> Capacity {
        Capacity {
            messages: limits.queue_messages_max - self.queue.len(),
            bytes: limits.queue_bytes_max - self.queued_bytes,
        }
    }

    /// Queues a message that fits the capacity.
    pub(super) fn push(&mut self, id: MessageId, payload: Bytes) {
        self.queued_bytes += payload.len();
        self.queue.push_back(Queued { id, payload });
    }

    pub(super) fn queued(&self) -> (usize, usize) {
        (self.queue.len(), self.queued_bytes)
    }

    pub(super) fn in_flight(&self) -> (usize, usize) {
        (self.in_flight, self.in_flight_bytes)
    }

    /// Whether every accepted message has its outcome.
    pub(super) fn is_settled(&self) -> bool {
        self.queue.is_empty() && self.in_flight == 0
    }

    /// Outcomes that fell since the last call.
    pub(super) fn take_decided(&mut self) -> impl Iterator<Item = (MessageId, Outcome)> + '_ {
        const KEPT: usize = 256;
        if self.decided.is_empty() {
            self.decided.shrink_to(KEPT);
        }
        self.decided.drain(..)
    }

    /// Takes a message back. One that waits is settled; one that has begun once it is proven that
    /// it was not received. False if it is not here.
    pub(super) fn cancel(&mut self, id: MessageId) -> bool {
        if let Ok(at) = self.queue.binary_search_by_key(&id, |queued| queued.id) {
            if let Some(Queued { payload, .. }) = self.queue.remove(at) {
                self.queued_bytes -= payload.len();
                self.room_made = true;
                self.decided.push((id, Outcome::Cancelled));
            }
            return true;
        }
        let Some(at) = self.flight.iter().position(|slot| slot.id() == Some(id)) else {
            return false;
        };
        let number = self.first + at as u64;
        match self.flight.get_mut(at) {
            Some(Slot::Open {
                evidence: Evidence::NotReceived,
                ..
            }) => self.decide(number, Outcome::Cancelled),
            Some(Slot::Open { cancelled, .. }) => *cancelled = true,
            Some(Slot::Settled) | None => {}
        }
        true
    }

    /// Settles everything: what has provably not arrived failed, or was cancelled if that was
    /// asked for; the rest is unknown.
    pub(super) fn abandon(&mut self, failed: FailReason, unknown: UnknownReason) {
        for number in self.first..self.next_number() {
            let outcome = match self.slot(number) {
                Some(Slot::Open {
                    evidence: Evidence::NotReceived,
                    cancelled,
                    ..
                }) => match cancelled {
                    true => Outcome::Cancelled,
                    false => Outcome::Failed(failed),
                },
                _ => Outcome::Unknown(unknown),
            };
            self.decide(number, outcome);
        }
        for queued in core::mem::take(&mut self.queue) {
            self.decided.push((queued.id, Outcome::Failed(failed)));
        }
        *self = Self {
            decided: core::mem::take(&mut self.decided),
            ..Self::new()
        };
    }

    /// Goes on in a new session, of which no receiver knows anything. Messages that have begun in
    /// the old one keep their order and are numbered anew; what the old session's receiver did
    /// with them can no longer be asked.
    pub(super) fn start_over(&mut self) {
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
    pub(super) fn next_number(&self) -> u64 {
        self.first + self.flight.len() as u64
    }

    /// None for a number that is settled and forgotten, or not given out.
    pub(super) fn slot(&self, number: u64) -> Option<&Slot> {
        self.flight.get(self.index(number)?)
    }

    pub(super) fn index(&self, number: u64) -> Option<usize> {
        usize::try_from(number.checked_sub(self.first)?).ok()
    }

    /// Gives an open number its outcome; any other is left as it is.
    pub(super) fn decide(&mut self, number: u64, outcome: Outcome) {
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
    pub(super) fn decide_below(&mut self, end: u64, outcome: &Outcome) {
        let end = end.min(self.next_number());
        while self.first < end || matches!(self.flight.front(), Some(Slot::Settled)) {
            if let Some(Slot::Open { id, payload, .. }) = self.flight.pop_front() {
                self.in_flight -= 1;
                self.in_flight_bytes -= payload.len();
                self.decided.push((id, outcome.clone()));
            }
            self.first += 1;
        }
    }

    /// Takes the first message that waits.
    pub(super) fn pop_queued(&mut self) -> Option<Queued> {
        let queued = self.queue.pop_front()?;
        self.queued_bytes -= queued.payload.len();
        self.room_made = true;
        Some(queued)
    }

    /// Whether messages left the queue since the last call.
    pub(super) fn take_room_made(&mut self) -> bool {
        core::mem::take(&mut self.room_made)
    }

    /// Settles a message that is larger than the receiver takes, before it is written.
    pub(super) fn refuse_queued_front(&mut self) {
        if let Some(Queued { id, .. }) = self.pop_queued() {
            self.decided
                .push((id, Outcome::Refused(RefuseCode::TooLarge)));
        }
    }

    /// The ids in use.
    pub(super) fn ids(&mut self) -> impl Iterator<Item = &mut MessageId> {
        let begun = self.flight.iter_mut().filter_map(|slot| match slot {
            Slot::Open { id, .. } => Some(id),
            Slot::Settled => None,
        });
        begun.chain(self.queue.iter_mut().map(|queued| &mut queued.id))
    }

    /// Moves all numbers down by `origin`, which is at most the lowest in use.
    pub(super) fn renumber(&mut self, origin: u64) {
        self.first -= origin;
    }

    /// Whether the books agree with what they count.
    pub(super) fn check(&self, limits: &SendLimits) -> Result<(), Violation> {
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
        if self.queue.len() > limits.queue_messages_max || queued > limits.queue_bytes_max {
            return Err(Violation {
                id: "I21",
                what: "the queue is above its limits",
            });
        }
        if self.flight.len() > limits.flight_messages_max
            || messages > 1 && bytes > limits.flight_bytes_max
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

impl Slot {
    fn id(&self) -> Option<MessageId> {
        match self {
            Self::Open { id, .. } => Some(*id),
            Self::Settled => None,
        }
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
                cancelled,
            } => {
                let cancelled = if *cancelled { ", cancelled" } else { "" };
                write!(f, "{id}({} B, {evidence:?}{cancelled})", payload.len())
            }
            Self::Settled => write!(f, "settled"),
        }
    }
}
