//! One lane's messages, from acceptance to outcome.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use bytes::Bytes;

use super::classes::YIELDS_EVERY;
use super::due::Due;
use super::message::{Begun, Evidence, GivenUp, Message, Slot, Why};
use super::transfers::Times;
use crate::stats::Aside;
use crate::wire::VARINT_MAX;
use crate::{
    Capacity, Epoch, FailReason, MessageId, Outcome, Redelivery, SendLimits, Time, UnknownReason,
    Violation, WhenFull,
};

/// One lane's messages, from acceptance to outcome.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct OutboundLane {
    /// Accepted, not begun, in order.
    pub(super) queue: VecDeque<Message>,
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
    pub(super) due: Due,
    /// Writes since the last one that went out in a lower class than the lane's own.
    pub(super) unyielding: u8,
    /// The lanes of a higher class, each a bit, that have written since this one's last write; all of
    /// them before its first.
    pub(super) outpaced_by: u8,
    /// Outcomes of this step.
    pub(super) decided: Vec<(MessageId, Outcome)>,
    /// Messages that failed in this step because the lane was abandoned.
    pub(super) unsent: Vec<(MessageId, Bytes)>,
    /// Messages left the queue in this step.
    pub(super) room_made: bool,
    pub(super) times: Aside<Times>,
}

impl OutboundLane {
    pub(super) fn new(now: Time) -> Self {
        Self {
            queue: VecDeque::new(),
            queued_bytes: 0,
            flight: VecDeque::new(),
            first: 0,
            in_flight: 0,
            in_flight_bytes: 0,
            opened: false,
            record: None,
            due: Due {
                silent_since: now,
                ..Due::default()
            },
            unyielding: 0,
            outpaced_by: 0,
            decided: Vec::new(),
            unsent: Vec::new(),
            room_made: false,
            times: Aside::default(),
        }
    }

    /// What the queue would take now.
    pub(super) fn capacity(&self, limits: &SendLimits) -> Capacity {
        let (messages, bytes) = match limits.policy.when_full {
            WhenFull::Reject => (self.queue.len(), self.queued_bytes),
            // What is there makes room.
            WhenFull::DropOldest => (0, 0),
        };
        if broken!(QueueUnbounded) {
            return Capacity {
                messages: limits.queue_messages_max,
                bytes: limits.queue_bytes_max,
            };
        }
        Capacity {
            messages: limits.queue_messages_max - messages,
            bytes: limits.queue_bytes_max - bytes,
        }
    }

    /// Queues a message that fits the capacity. What it leaves no room for is put out.
    pub(super) fn push(&mut self, message: Message, limits: &SendLimits) {
        let bytes = message.payload.len();
        while self.queue.len() >= limits.queue_messages_max
            || self.queued_bytes + bytes > limits.queue_bytes_max
        {
            if self.queue.is_empty() || broken!(QueueUnbounded) {
                break;
            }
            self.unqueue(0, Outcome::Failed(FailReason::Displaced));
            if broken!(DisplacedInSilence) {
                self.decided.pop();
            }
        }
        self.queued_bytes += bytes;
        self.due.accepted(&message);
        self.queue.push_back(message);
    }

    /// When the oldest message without an outcome was accepted.
    pub(super) fn oldest(&self) -> Option<Time> {
        let begun = self.flight.front().and_then(Slot::begun);
        let oldest = begun.map(|begun| &begun.message).or(self.queue.front())?;
        Some(oldest.accepted_at)
    }

    pub(super) fn queued(&self) -> (usize, usize) {
        (self.queue.len(), self.queued_bytes)
    }

    pub(super) fn in_flight(&self) -> (usize, usize) {
        (self.in_flight, self.in_flight_bytes)
    }

    /// The message that was accepted last of those that are kept.
    pub(super) fn newest(&self) -> Option<MessageId> {
        let begun = self.flight.back().map(Slot::message_id);
        self.queue.back().map(|message| message.id).or(begun)
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

    /// Messages that failed because the lane was abandoned, since the last call.
    pub(super) fn take_unsent(&mut self) -> Vec<(MessageId, Bytes)> {
        core::mem::take(&mut self.unsent)
    }

    /// Takes a message back. One that waits is settled; one that has begun once it is proven that
    /// it was not received. False if it is not here.
    pub(super) fn cancel(&mut self, id: MessageId, now: Time) -> bool {
        if let Ok(place) = self.queue.binary_search_by_key(&id, |queued| queued.id) {
            self.unqueue(place, Outcome::Cancelled);
            return true;
        }
        let Ok(place) = self.flight.binary_search_by_key(&id, Slot::message_id) else {
            return false;
        };
        if self.flight.get(place).and_then(Slot::begun).is_none() {
            return false;
        }
        let given_up = GivenUp {
            why: Why::Cancelled,
            since: now,
        };
        self.give_up(self.first + place as u64, given_up);
        true
    }

    /// Settles a message that waits.
    pub(super) fn unqueue(&mut self, place: usize, outcome: Outcome) {
        if let Some(message) = self.queue.remove(place) {
            self.queued_bytes -= message.payload.len();
            self.room_made = true;
            self.due.no_longer_expires(&message);
            self.tell_waiting(&message, outcome);
        }
    }

    /// Settles everything: what has provably not arrived failed, or was given up if that was asked
    /// for; the rest is unknown.
    pub(super) fn abandon(&mut self, failed: FailReason, unknown: UnknownReason) {
        for slot in core::mem::take(&mut self.flight) {
            let Slot::Open(begun) = slot else {
                continue;
            };
            let outcome = match (begun.evidence, begun.given_up) {
                (Evidence::NotReceived, Some(given_up)) => given_up.why.outcome(),
                (Evidence::NotReceived, None) => Outcome::Failed(failed),
                (Evidence::None | Evidence::Unproven, _) if !broken!(UnknownAsFailed) => {
                    Outcome::Unknown(unknown)
                }
                (Evidence::None | Evidence::Unproven, _) => Outcome::Failed(failed),
            };
            let fails = outcome == Outcome::Failed(failed);
            self.tell_begun(&begun, outcome);
            if fails {
                self.unsent.push((begun.message.id, begun.message.payload));
            }
        }
        let room_made = self.room_made || !self.queue.is_empty();
        for message in core::mem::take(&mut self.queue) {
            self.tell_waiting(&message, Outcome::Failed(failed));
            self.unsent.push((message.id, message.payload));
        }
        *self = Self {
            decided: core::mem::take(&mut self.decided),
            unsent: core::mem::take(&mut self.unsent),
            room_made,
            times: core::mem::take(&mut self.times),
            ..Self::new(self.due.silent_since)
        };
    }

    /// Goes on in a new session, of which no receiver knows anything. Messages that have begun in
    /// the old one keep their order and are numbered anew. Those that it has proven not received
    /// stay proven; what its receiver did with the others can no longer be asked, so that those
    /// which may be sent only once are unknown.
    pub(super) fn start_over(&mut self, redelivery: Redelivery) {
        for number in self.first..self.next_number() {
            let index = self.index(number);
            let slot = index.and_then(|index| self.flight.get_mut(index));
            let Some(begun) = slot.and_then(Slot::begun_mut) else {
                continue;
            };
            match (begun.evidence, redelivery) {
                (Evidence::NotReceived, _) => {}
                (_, Redelivery::AtLeastOnce) => begun.evidence = Evidence::Unproven,
                (_, Redelivery::AtMostOnce) => {
                    self.decide(number, Outcome::Unknown(UnknownReason::Forgotten));
                }
            }
        }
        self.opened = false;
        self.record = None;
    }

    /// A session's numbers begin at 0, with the first message that is open when the lane is opened.
    pub(super) fn begin_session(&mut self) {
        if !self.opened {
            self.flight.retain(|slot| slot.begun().is_some());
            self.first = 0;
        }
    }

    /// A broken variant: what has begun is forgotten.
    pub(super) fn lose_flight(&mut self) {
        self.first = self.next_number();
        self.flight.clear();
        (self.in_flight, self.in_flight_bytes) = (0, 0);
        self.due.given_up.clear();
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
        let settled = Slot::Settled(slot.message_id());
        if let Slot::Open(begun) = core::mem::replace(slot, settled) {
            self.settle(&begun, outcome);
        }
        while let Some(Slot::Settled(_)) = self.flight.front() {
            self.flight.pop_front();
            self.first += 1;
        }
    }

    /// Gives every open number below `end` the outcome.
    pub(super) fn decide_below(&mut self, end: u64, outcome: &Outcome) {
        let end = end.min(self.next_number());
        while self.first < end || matches!(self.flight.front(), Some(Slot::Settled(_))) {
            if let Some(Slot::Open(begun)) = self.flight.pop_front() {
                self.settle(&begun, outcome.clone());
            }
            self.first += 1;
        }
    }

    /// Books a message that has begun, and is taken out of the flight, as settled.
    pub(super) fn settle(&mut self, begun: &Begun, outcome: Outcome) {
        self.in_flight -= 1;
        self.in_flight_bytes -= begun.message.payload.len();
        self.due.settled(&begun.message, begun.given_up);
        self.tell_begun(begun, outcome);
    }

    /// Begins the first message that waits, and shows its payload.
    pub(super) fn begin(&mut self) -> Option<&Bytes> {
        let message = match broken!(NewestFirst) {
            false => self.queue.pop_front()?,
            true => self.queue.pop_back()?,
        };
        let bytes = message.payload.len();
        self.queued_bytes -= bytes;
        self.room_made = true;
        self.in_flight += 1;
        self.in_flight_bytes += bytes;
        self.flight.push_back(Slot::Open(Begun {
            message,
            evidence: Evidence::None,
            given_up: None,
            begun_at: Aside(None),
        }));
        let begun = self.flight.back().and_then(Slot::begun)?;
        Some(&begun.message.payload)
    }

    /// Whether messages left the queue since the last call.
    pub(super) fn take_room_made(&mut self) -> bool {
        core::mem::take(&mut self.room_made)
    }

    /// The ids in use.
    pub(super) fn ids(&mut self) -> impl Iterator<Item = &mut MessageId> {
        let begun = self.flight.iter_mut().filter_map(Slot::begun_mut);
        let begun = begun.map(|begun| &mut begun.message);
        begun.chain(&mut self.queue).map(|message| &mut message.id)
    }

    /// Moves all numbers down by `origin`, which is at most the lowest in use.
    pub(super) fn renumber(&mut self, origin: u64) {
        self.first -= origin;
    }

    /// Whether the books agree with what they count.
    pub(super) fn check(&self, limits: &SendLimits) -> Result<(), Violation> {
        let next = self.first.checked_add(self.flight.len() as u64);
        if next.is_none_or(|next| next > VARINT_MAX) {
            return Err(Violation {
                id: "I7",
                what: "a lane has numbers that cannot be written",
            });
        }
        if self.unyielding >= YIELDS_EVERY {
            return Err(Violation {
                id: "I21",
                what: "a lane has not yielded in its turn",
            });
        }
        let queued: usize = self.queue.iter().map(|queued| queued.payload.len()).sum();
        let open = self.flight.iter().filter_map(Slot::begun);
        let begun = open.clone().map(|begun| &begun.message);
        let waiting = self.queue.iter().map(|message| message.id);
        let ids = self.flight.iter().map(Slot::message_id).chain(waiting);
        let (messages, bytes) = begun
            .clone()
            .fold((0, 0), |(m, b), it| (m + 1, b + it.payload.len()));
        if queued != self.queued_bytes
            || (messages, bytes) != (self.in_flight, self.in_flight_bytes)
        {
            return Err(Violation {
                id: "I2",
                what: "a lane's books differ from its messages",
            });
        }
        let expires = |message: &&Message| message.expires_at.is_some();
        let kept = open.clone().filter(|begun| begun.given_up.is_none());
        let expiring = kept.map(|begun| &begun.message).chain(&self.queue);
        if self.due.expiries.len() != expiring.filter(expires).count()
            || self.due.given_up.len() != open.filter(|begun| begun.given_up.is_some()).count()
        {
            return Err(Violation {
                id: "I15",
                what: "a lane's moments differ from its messages",
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
