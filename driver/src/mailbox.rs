//! A peer's mailbox: where messages are accepted, without ever waiting for the driver's work.
//!
//! Everything here happens under one mutex that is held for nanoseconds. Wakers are handed back to
//! the caller, who wakes them when the lock is released.

use std::collections::BTreeMap;
use std::task::Waker;

use bytes::Bytes;
use peer_sender_core::{
    Capacity, FailReason, Lane, MessageId, Outcome, RejectReason, Rejected, StopMode, StopReason,
    UnknownReason,
};
use peer_sender_quic::PeerStats;

use crate::slots::Slots;
use crate::wait::{Replaced, Reply, WaitSet, exchange};

/// A message on its way from a caller to the driver.
pub(crate) type Queued = (MessageId, Lane, Bytes);

/// What a caller gets for an accepted message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket {
    pub(crate) id: MessageId,
    pub(crate) slot: u32,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Mailbox {
    message_bytes_max: usize,
    /// What may be accepted now: the machine's capacity less what waits here and what was
    /// promised to callers in line.
    credit: Capacity,
    messages: Vec<Queued>,
    /// The payload bytes of `messages`.
    bytes: usize,
    line: Line,
    phase: Phase,
    news: News,
    /// Whether the driver has been told of the news.
    announced: bool,
    /// Accepted messages and their receipts.
    pub(crate) slots: Slots,
    /// Those who wait for the end.
    pub(crate) waiting: WaitSet,
    /// The counters as they were at the end.
    pub(crate) last_stats: PeerStats,
}

/// How far the peer's life has gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Running,
    Stopping,
    Stopped(StopReason),
}

/// What the driver takes out of a mailbox beside messages.
#[derive(Debug, Default)]
pub(crate) struct News {
    pub(crate) stop: Option<StopMode>,
    pub(crate) stats: Vec<Reply<PeerStats>>,
}

/// Callers who wait for room, first come, first served: while somebody waits, nobody passes, so
/// that a large message is not starved by small ones. Room is handed to the first in line, not
/// fought for: only who got it is woken.
#[derive(Debug, Default)]
struct Line {
    next: u64,
    waiting: BTreeMap<u64, Waiting>,
    /// Bytes of the messages whose callers have room but have not come back for it.
    promised: BTreeMap<u64, usize>,
    /// The sum of these.
    promised_bytes: usize,
}

#[derive(Debug)]
struct Waiting {
    bytes: usize,
    waker: Waker,
}

impl Mailbox {
    /// An empty mailbox of a sender that accepts as much.
    pub(crate) fn new(message_bytes_max: usize, credit: Capacity) -> Self {
        Self {
            message_bytes_max,
            credit,
            messages: Vec::new(),
            bytes: 0,
            line: Line::default(),
            phase: Phase::Running,
            news: News::default(),
            announced: false,
            slots: Slots::new(MessageId(1)),
            waiting: WaitSet::default(),
            last_stats: PeerStats::default(),
        }
    }

    /// Accepts a message if there is room and nobody stands in line.
    pub(crate) fn push(&mut self, payload: Bytes) -> Result<Ticket, Rejected> {
        match self.admit(payload.len()) {
            Ok(()) => {
                spend(&mut self.credit, payload.len());
                Ok(self.put(payload))
            }
            Err(reason) => Err(Rejected { reason, payload }),
        }
    }

    /// Accepts the message once there is room for it; until then its caller stands in line under
    /// `place`. The payload is taken when this is ready, and only then. A caller that finds room
    /// behind others who have not come back for theirs is woken at once to come after them: one
    /// that never comes back must not hold everybody up.
    pub(crate) fn poll_push(
        &mut self,
        place: &mut Option<u64>,
        payload: &mut Bytes,
        waker: &Waker,
        wakers: &mut Vec<Waker>,
    ) -> Result<Result<Ticket, RejectReason>, Replaced> {
        if let Some(key) = *place {
            if self.phase != Phase::Running {
                *place = None;
                self.line.redeem(key);
                return Ok(Err(RejectReason::Stopped));
            }
            if self.line.redeem(key).is_some() {
                *place = None;
                return Ok(Ok(self.put(std::mem::take(payload))));
            }
            if let Some(waiting) = self.line.waiting.get_mut(&key) {
                return Err(exchange(&mut waiting.waker, waker));
            }
        }
        let bytes = payload.len();
        match self.admit(bytes) {
            Ok(()) => {
                spend(&mut self.credit, bytes);
                Ok(Ok(self.put(std::mem::take(payload))))
            }
            Err(RejectReason::QueueFull) => {
                *place = Some(self.line.join(bytes, waker.clone()));
                self.promise(wakers);
                Err(Replaced::default())
            }
            Err(reason) => Ok(Err(reason)),
        }
    }

    /// A caller leaves the line: its room, promised or not, goes to the next ones.
    pub(crate) fn leave_line(&mut self, place: u64, wakers: &mut Vec<Waker>) -> Replaced {
        let left = self.line.waiting.remove(&place);
        if let Some(bytes) = self.line.redeem(place) {
            self.credit.messages += 1;
            self.credit.bytes += bytes;
        }
        self.promise(wakers);
        Replaced(left.map(|waiting| waiting.waker))
    }

    /// The machine accepts this much beside what was handed over to it.
    pub(crate) fn set_room(&mut self, capacity: Capacity, wakers: &mut Vec<Waker>) {
        let messages = self.messages.len() + self.line.promised.len();
        self.credit = Capacity {
            messages: capacity.messages.saturating_sub(messages),
            bytes: capacity
                .bytes
                .saturating_sub(self.bytes + self.line.promised_bytes),
        };
        self.promise(wakers);
    }

    /// Asks for the end; of two modes the shorter one counts. Nothing is accepted from here on.
    pub(crate) fn stop(&mut self, mode: StopMode, wakers: &mut Vec<Waker>) {
        self.close(wakers);
        if self.phase == Phase::Stopping {
            self.news.stop = Some(match self.news.stop {
                Some(earlier) => shorter(earlier, mode),
                None => mode,
            });
        }
    }

    /// Nothing is accepted from here on; the end comes from elsewhere.
    pub(crate) fn close(&mut self, wakers: &mut Vec<Waker>) {
        if self.phase == Phase::Running {
            self.phase = Phase::Stopping;
            wakers.extend(self.line.drain());
        }
    }

    /// Asks for the counters; hands the question back if it comes too late.
    pub(crate) fn ask_stats(&mut self, to: Reply<PeerStats>) -> Result<(), Reply<PeerStats>> {
        match self.phase {
            Phase::Running | Phase::Stopping => {
                self.news.stats.push(to);
                Ok(())
            }
            Phase::Stopped(_) => Err(to),
        }
    }

    /// Why it ended, once it has.
    pub(crate) fn stopped(&self) -> Option<StopReason> {
        match self.phase {
            Phase::Running | Phase::Stopping => None,
            Phase::Stopped(reason) => Some(reason),
        }
    }

    /// Whether the driver must be told that there is news; true once until it takes them.
    pub(crate) fn announce(&mut self) -> bool {
        !std::mem::replace(&mut self.announced, true)
    }

    /// Swaps the messages against an empty vector, and hands over the rest of the news.
    pub(crate) fn take(&mut self, messages: &mut Vec<Queued>) -> News {
        self.announced = false;
        self.bytes = 0;
        std::mem::swap(&mut self.messages, messages);
        std::mem::take(&mut self.news)
    }

    /// The outcomes of the end: what never left the mailbox has failed for sure; of the rest that
    /// is still unsettled nobody can tell. The messages are handed back, to be dropped when the
    /// lock is released.
    pub(crate) fn settle_all(&mut self, wakers: &mut Vec<Waker>) -> Vec<Queued> {
        self.close(wakers);
        let messages = std::mem::take(&mut self.messages);
        for (id, _, _) in &messages {
            self.slots
                .settle(*id, Outcome::Failed(FailReason::Stopped), wakers);
        }
        self.bytes = 0;
        self.slots
            .settle_rest(&Outcome::Unknown(UnknownReason::Stopped), wakers);
        messages
    }

    /// The end itself, after everything was settled. News that nobody will look at are handed
    /// back: to drop a question wakes whoever asked.
    pub(crate) fn finish(
        &mut self,
        reason: StopReason,
        stats: PeerStats,
        wakers: &mut Vec<Waker>,
    ) -> News {
        self.phase = Phase::Stopped(reason);
        self.last_stats = stats;
        wakers.extend(self.waiting.take().into_values());
        std::mem::take(&mut self.news)
    }

    fn admit(&self, bytes: usize) -> Result<(), RejectReason> {
        if self.phase != Phase::Running {
            return Err(RejectReason::Stopped);
        }
        if bytes > self.message_bytes_max {
            return Err(RejectReason::TooLarge {
                bytes,
                max: self.message_bytes_max,
            });
        }
        if !self.line.is_empty() || !fits(self.credit, bytes) {
            return Err(RejectReason::QueueFull);
        }
        Ok(())
    }

    fn put(&mut self, payload: Bytes) -> Ticket {
        let (id, slot) = self.slots.open();
        self.bytes += payload.len();
        self.messages.push((id, Lane(0), payload));
        Ticket { id, slot }
    }

    /// Gives room to the first in line while it lasts.
    fn promise(&mut self, wakers: &mut Vec<Waker>) {
        while let Some(first) = self.line.waiting.first_entry()
            && fits(self.credit, first.get().bytes)
        {
            let (key, Waiting { bytes, waker }) = first.remove_entry();
            spend(&mut self.credit, bytes);
            self.line.promised.insert(key, bytes);
            self.line.promised_bytes += bytes;
            wakers.push(waker);
        }
    }
}

impl Line {
    fn join(&mut self, bytes: usize, waker: Waker) -> u64 {
        self.next += 1;
        self.waiting.insert(self.next, Waiting { bytes, waker });
        self.next
    }

    fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.promised.is_empty()
    }

    /// A caller no longer needs a promise: the bytes of it, if it had one.
    fn redeem(&mut self, key: u64) -> Option<usize> {
        let bytes = self.promised.remove(&key)?;
        self.promised_bytes -= bytes;
        Some(bytes)
    }

    fn drain(&mut self) -> impl Iterator<Item = Waker> + use<> {
        std::mem::take(&mut self.waiting)
            .into_values()
            .map(|waiting| waiting.waker)
    }
}

/// The stop that ends earlier.
pub(crate) fn shorter(one: StopMode, other: StopMode) -> StopMode {
    match (one, other) {
        (StopMode::Drain(one), StopMode::Drain(other)) => StopMode::Drain(one.min(other)),
        (StopMode::Abort, _) | (_, StopMode::Abort) => StopMode::Abort,
    }
}

fn fits(credit: Capacity, bytes: usize) -> bool {
    credit.messages > 0 && bytes <= credit.bytes
}

fn spend(credit: &mut Capacity, bytes: usize) {
    credit.messages -= 1;
    credit.bytes -= bytes;
}

#[cfg(test)]
mod tests;
