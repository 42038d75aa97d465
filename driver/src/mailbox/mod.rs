//! A peer's mailbox: where messages are accepted, without ever waiting for the driver's work.
//!
//! Everything here happens under one mutex that is held for nanoseconds. Wakers are handed back to
//! the caller, who wakes them when the lock is released; messages and wakers that are no longer
//! needed are handed back as well, to be dropped then.

mod accepted;
mod end;
mod flush;
mod line;
mod news;
mod posted;
mod timings;

use std::collections::VecDeque;
use std::task::Waker;
use std::time::Duration;

use bytes::Bytes;
use peer_sender_core::{
    Capacity, FailReason, Lane, MessageId, MessageOptions, Outcome, RejectReason, SendLimits,
    StopMode, StopReason, Unsent, WhenFull,
};
use peer_sender_quic::PeerStats;

use self::flush::Flushes;
use self::line::Desk;
use self::posted::Posted;
use self::timings::Timings;
use crate::clock::Clock;
use crate::slots::Slots;
use crate::wait::{Replaced, WaitSet};

pub(crate) use self::accepted::Accepted;
pub(crate) use self::end::{failed, shorter};
pub(crate) use self::flush::FlushPlace;
pub(crate) use self::news::News;
pub(crate) use self::posted::{Reader, UNREAD_MAX};
pub use self::timings::Transfer;

/// A message on its way from a caller to the driver.
pub(crate) use peer_sender_quic::OutgoingMessage as Queued;

/// What a caller gets for an accepted message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket {
    pub(crate) id: MessageId,
    pub(crate) slot: u32,
}

/// What an acceptance puts out: to be dropped, or woken, when the lock is released.
#[derive(Debug, Default)]
pub(crate) struct PutOut {
    pub(crate) messages: Vec<Queued>,
    pub(crate) wakers: Vec<Waker>,
}

/// Messages that were settled before the driver saw them: a part of the counters that the machine
/// does not know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Unseen {
    pub(crate) cancelled: u64,
    pub(crate) displaced: u64,
}

impl Unseen {
    pub(crate) fn add_to(self, stats: &mut PeerStats) {
        stats.machine.accepted += self.cancelled + self.displaced;
        stats.machine.cancelled += self.cancelled;
        stats.machine.failed += self.displaced;
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Mailbox {
    limits: SendLimits,
    clock: Clock,
    /// By lane, each made when it is first used.
    desks: Vec<Desk>,
    messages: Accepted,
    phase: Phase,
    news: News,
    /// Whether the driver has been told of the news.
    announced: bool,
    /// Accepted messages and their receipts.
    pub(crate) slots: Slots,
    posted: Posted,
    timings: Timings,
    flushes: Flushes,
    /// Those who wait for the end.
    pub(crate) waiting: WaitSet,
    /// The counters as they were at the end.
    pub(crate) last_stats: PeerStats,
    unseen: Unseen,
    /// A message has failed, or its fate is unknown, since the stop was asked for.
    cut: bool,
    /// How it was asked to stop, if it was.
    asked: Option<StopMode>,
    unsent: Kept,
}

/// How far the peer's life has gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Running,
    Stopping,
    Stopped(StopReason),
}

/// What was not sent before the end, for those who asked for the end. All of it or nothing: who asks
/// when some of it is dropped already would take the rest for the whole.
#[derive(Debug)]
enum Kept {
    /// Nobody has asked, and nothing came back.
    Unasked,
    /// What has come back so far.
    Asked(Vec<Unsent>),
    /// Something came back before anybody had asked.
    Dropped,
}

/// A caller's places while it waits to have a message accepted.
#[derive(Debug, Default)]
pub(crate) struct Places {
    /// In its lane's line.
    line: Option<u64>,
    /// Among those who wait until outcomes are read.
    gate: Option<u64>,
}

impl Places {
    /// Whether there is any.
    pub(crate) fn are_taken(&self) -> bool {
        self.line.is_some() || self.gate.is_some()
    }
}

impl Mailbox {
    /// An empty mailbox of a sender with these limits.
    pub(crate) fn new(limits: SendLimits, clock: Clock) -> Self {
        Self {
            limits,
            clock,
            desks: Vec::new(),
            messages: Accepted::default(),
            phase: Phase::Running,
            news: News::default(),
            announced: false,
            slots: Slots::new(MessageId(1)),
            posted: Posted::default(),
            timings: Timings::default(),
            flushes: Flushes::default(),
            waiting: WaitSet::default(),
            last_stats: PeerStats::default(),
            unseen: Unseen::default(),
            cut: false,
            asked: None,
            unsent: Kept::Unasked,
        }
    }

    /// Takes room for a message if there is some now and nobody stands in line for it.
    pub(crate) fn take_room(&mut self, lane: Lane, bytes: usize) -> Result<(), RejectReason> {
        let drops_oldest = self.drops_oldest();
        let desk = self.desk(lane, bytes)?;
        match drops_oldest || desk.take(bytes) {
            true => Ok(()),
            false => Err(RejectReason::QueueFull),
        }
    }

    /// As [`take_room`](Self::take_room), for a message whose outcome goes to the readers.
    pub(crate) fn take_room_to_post(
        &mut self,
        lane: Lane,
        bytes: usize,
    ) -> Result<(), RejectReason> {
        self.desk(lane, bytes)?;
        if self.posted.is_held_back() {
            return Err(RejectReason::OutcomesUnread { max: UNREAD_MAX });
        }
        self.take_room(lane, bytes)
    }

    /// Takes room for a message once there is some; until then its caller stands in line.
    pub(crate) fn poll_room(
        &mut self,
        lane: Lane,
        bytes: usize,
        places: &mut Places,
        waker: &Waker,
        wakers: &mut Vec<Waker>,
    ) -> Result<Result<(), RejectReason>, Replaced> {
        let drops_oldest = self.drops_oldest();
        match self.desk(lane, bytes) {
            Ok(_) if drops_oldest => Ok(Ok(())),
            Ok(desk) => desk
                .poll_take(bytes, &mut places.line, waker, wakers)
                .map(Ok),
            Err(reason) => Ok(Err(reason)),
        }
    }

    /// As [`poll_room`](Self::poll_room), for a message whose outcome goes to the readers: waits
    /// for them first, without a place in line, since somebody may wait there who reads. A caller
    /// whose turn comes while a reader lags behind gives its turn to the next, and starts anew
    /// when the reader has read: otherwise as many as stand in line would all post.
    pub(crate) fn poll_room_to_post(
        &mut self,
        lane: Lane,
        bytes: usize,
        places: &mut Places,
        waker: &Waker,
        wakers: &mut Vec<Waker>,
    ) -> Result<Result<(), RejectReason>, Replaced> {
        let running = self.phase == Phase::Running;
        if running && places.line.is_none() && self.posted.is_held_back() {
            return Err(self.posted.wait(&mut places.gate, waker));
        }
        let polled = self.poll_room(lane, bytes, places, waker, wakers);
        if self.posted.is_held_back() && matches!(polled, Ok(Ok(()))) {
            if let Some(desk) = self.desks.get_mut(usize::from(lane.0)) {
                desk.give_back(bytes, wakers);
            }
            return Err(self.posted.wait(&mut places.gate, waker));
        }
        polled
    }

    /// A caller waits no longer: what it was given goes to the next ones.
    pub(crate) fn leave(
        &mut self,
        lane: Lane,
        places: &mut Places,
        wakers: &mut Vec<Waker>,
    ) -> [Replaced; 2] {
        let desk = self.desks.get_mut(usize::from(lane.0));
        let line = places.line.take().zip(desk);
        let gate = places.gate.take();
        [
            line.map_or_else(Replaced::default, |(place, desk)| desk.leave(place, wakers)),
            gate.map_or_else(Replaced::default, |place| self.posted.leave_gate(place)),
        ]
    }

    /// Accepts a message, in room that its caller took. Its time to live begins now.
    pub(crate) fn put(
        &mut self,
        lane: Lane,
        ttl: Option<Duration>,
        payload: Bytes,
        out: &mut PutOut,
    ) -> Ticket {
        self.make_room(lane, payload.len(), out);
        let (id, slot) = self.slots.open();
        self.put_as(id, lane, ttl, payload);
        Ticket { id, slot }
    }

    /// As [`put`](Self::put), without a receipt.
    pub(crate) fn put_posted(
        &mut self,
        lane: Lane,
        ttl: Option<Duration>,
        payload: Bytes,
        out: &mut PutOut,
    ) -> MessageId {
        self.make_room(lane, payload.len(), out);
        let id = self.slots.open_unheld(self.posted.is_read());
        self.put_as(id, lane, ttl, payload);
        id
    }

    /// A permit holds room that its caller took.
    pub(crate) fn hold(&mut self, lane: Lane, bytes: usize) {
        if let Some(desk) = self.desks.get_mut(usize::from(lane.0)) {
            desk.hold(bytes);
        }
    }

    /// A permit gives its room back.
    pub(crate) fn release(&mut self, lane: Lane, held: usize, wakers: &mut Vec<Waker>) {
        if let Some(desk) = self.desks.get_mut(usize::from(lane.0)) {
            desk.release(held, wakers);
        }
    }

    /// Turns the room of a permit into that of a message. If it is not accepted, the permit still
    /// has its room.
    pub(crate) fn use_held(
        &mut self,
        lane: Lane,
        held: usize,
        bytes: usize,
        wakers: &mut Vec<Waker>,
    ) -> Result<(), RejectReason> {
        let desk = self.desk(lane, 0)?;
        if bytes > held {
            let reserved = held;
            return Err(RejectReason::BeyondReserved { bytes, reserved });
        }
        desk.use_held(held, bytes, wakers);
        Ok(())
    }

    /// As [`use_held`](Self::use_held), for a message whose outcome goes to the readers.
    pub(crate) fn use_held_to_post(
        &mut self,
        lane: Lane,
        held: usize,
        bytes: usize,
        wakers: &mut Vec<Waker>,
    ) -> Result<(), RejectReason> {
        let running = self.phase == Phase::Running;
        if running && bytes <= held && self.posted.is_held_back() {
            return Err(RejectReason::OutcomesUnread { max: UNREAD_MAX });
        }
        self.use_held(lane, held, bytes, wakers)
    }

    /// The machine accepts this much on the lane, beside what was handed over to it.
    pub(crate) fn set_room(&mut self, lane: Lane, capacity: Capacity, wakers: &mut Vec<Waker>) {
        if let Some(desk) = self.desks.get_mut(usize::from(lane.0)) {
            desk.set_room(capacity, wakers);
        }
    }

    /// Writes down the outcome of a message; the first one stands.
    pub(crate) fn settle(&mut self, id: MessageId, outcome: Outcome, wakers: &mut Vec<Waker>) {
        self.cut |= matches!(outcome, Outcome::Failed(_) | Outcome::Unknown(_));
        if self.timings.knows(id) {
            let now = self.clock.now();
            self.timings.settled_here(id, &outcome, now, wakers);
        }
        if let Some(outcome) = self.slots.settle(id, outcome, wakers) {
            self.posted.tell(id, &outcome, wakers);
        }
        self.flushes.settled_below(self.slots.first(), wakers);
    }

    /// A reader of the outcomes of what is posted from now on.
    pub(crate) fn join_readers(&mut self) -> u64 {
        self.posted.join(self.slots.next())
    }

    /// A reader goes.
    pub(crate) fn leave_readers(&mut self, key: u64, wakers: &mut Vec<Waker>) -> Option<Reader> {
        self.posted.leave(key, wakers)
    }

    /// Moves the next outcomes of a reader, none after the last one; or leaves a waker.
    pub(crate) fn poll_outcomes(
        &mut self,
        key: u64,
        into: &mut VecDeque<(MessageId, Outcome)>,
        waker: &Waker,
        wakers: &mut Vec<Waker>,
    ) -> Result<(), Replaced> {
        let over = self.stopped().is_some();
        self.posted.read(key, over, into, waker, wakers)
    }

    /// How many outcomes wait for a reader.
    pub(crate) fn unread(&self, key: u64) -> usize {
        self.posted.unread(key)
    }

    /// Whether every message is settled that was accepted before this was first called with this
    /// place; or leaves a waker.
    pub(crate) fn poll_flush(
        &mut self,
        place: &mut Option<FlushPlace>,
        waker: &Waker,
    ) -> Result<(), Replaced> {
        let next = self.slots.next();
        let place = place.get_or_insert_with(|| FlushPlace::new(next));
        match place.until() <= self.slots.first() {
            true => Ok(()),
            false => Err(self.flushes.join(place, waker)),
        }
    }

    /// Waits for a flush no longer.
    pub(crate) fn leave_flush(&mut self, place: FlushPlace) -> Replaced {
        self.flushes.leave(place)
    }

    /// What the clock shows.
    #[cfg(test)]
    pub(crate) fn now(&self) -> peer_sender_core::Time {
        self.clock.now()
    }

    /// How many places are taken by those who wait, or have room and have not used it.
    #[cfg(test)]
    pub(crate) fn places(&self) -> usize {
        let desks: usize = self.desks.iter().map(Desk::places).sum();
        desks + self.flushes.len() + self.posted.waiting() + self.waiting.len()
    }

    /// The lane's desk, if a message of this size may be accepted on it at all.
    fn desk(&mut self, lane: Lane, bytes: usize) -> Result<&mut Desk, RejectReason> {
        if self.phase != Phase::Running {
            return Err(RejectReason::Stopped);
        }
        if lane.0 >= self.limits.lanes {
            return Err(RejectReason::UnknownLane { lane: lane.0 });
        }
        let max = self.limits.message_bytes_max;
        if bytes > max {
            return Err(RejectReason::TooLarge { bytes, max });
        }
        let place = usize::from(lane.0);
        if self.desks.len() <= place {
            let credit = Capacity {
                messages: self.limits.queue_messages_max,
                bytes: self.limits.queue_bytes_max,
            };
            self.desks.resize_with(place + 1, || Desk::new(credit));
        }
        // Never missing: it was made above.
        let unknown = RejectReason::UnknownLane { lane: lane.0 };
        self.desks.get_mut(place).ok_or(unknown)
    }

    fn drops_oldest(&self) -> bool {
        match self.limits.policy.when_full {
            WhenFull::Reject => false,
            WhenFull::DropOldest => true,
        }
    }

    /// Puts out the oldest messages of the lane that wait here, as many as leave no room for one of
    /// these bytes, where that is what a full queue does.
    fn make_room(&mut self, lane: Lane, bytes: usize, out: &mut PutOut) {
        if !self.drops_oldest() {
            return;
        }
        let desk = |desks: &[Desk]| desks.get(usize::from(lane.0)).map(Desk::here);
        while desk(&self.desks).is_some_and(|here| {
            here.messages >= self.limits.queue_messages_max
                || here.bytes.saturating_add(bytes) > self.limits.queue_bytes_max
        }) {
            let Some(oldest) = self.messages.pop(lane) else {
                break;
            };
            self.leave_desk(&oldest, &mut out.wakers);
            self.unseen.displaced += 1;
            let displaced = Outcome::Failed(FailReason::Displaced);
            self.settle(oldest.id, displaced, &mut out.wakers);
            out.messages.push(oldest);
        }
    }

    /// A message is gone before the driver saw it.
    fn leave_desk(&mut self, message: &Queued, wakers: &mut Vec<Waker>) {
        let drops_oldest = self.drops_oldest();
        let desk = self.desks.get_mut(usize::from(message.lane.0));
        match (desk, message.payload.len()) {
            (Some(desk), bytes) if drops_oldest => desk.leave_here(bytes),
            (Some(desk), bytes) => desk.take_out(bytes, wakers),
            (None, _) => {}
        }
    }

    fn put_as(&mut self, id: MessageId, lane: Lane, ttl: Option<Duration>, payload: Bytes) {
        if let Some(desk) = self.desks.get_mut(usize::from(lane.0)) {
            desk.put(payload.len());
        }
        // The machine counts the peer's own from when it is handed the message, which is later.
        let ttl = ttl.into_iter().chain(self.limits.policy.ttl).min();
        if self.timings.are_kept() {
            self.timings.accepted(id, payload.len(), self.clock.now());
        }
        let options = MessageOptions {
            expires_at: ttl.map(|ttl| self.clock.now() + ttl),
        };
        self.messages.push(Queued {
            id,
            lane,
            payload,
            options,
        });
    }
}

#[cfg(test)]
mod tests;
