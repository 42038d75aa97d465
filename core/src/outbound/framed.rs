//! All messages on one stream with nothing around them but lengths (`docs/wire.md`, framed): what one
//! connection carries of them, and what its loss leaves open.

#[cfg(feature = "trace")]
mod image;

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use bytes::Bytes;

use super::compose::Buffer;
use super::half::Written;
use super::message::{Evidence, Slot};
use super::{Flow, OutboundLane};
use crate::wire::LENGTH_BYTES;
use crate::{
    FRAMED_TRUSTED_AFTER, MessageId, Outcome, Redelivery, SendLimits, Time, TransferId, Violation,
};

/// The stream of one connection. It is never finished and never reset. Dropped with its connection.
///
/// Nothing is numbered: the flight holds the messages that have begun and are open, in the order of
/// their ids, and those up to `last` are on this stream.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct FramedStream {
    /// From here on the connection has stood for long enough to be asked.
    pub(super) trusted_at: Time,
    pub(super) trust: Trust,
    /// The write that QUIC has not taken whole yet: the last of those that are not acknowledged.
    pub(super) writing: Option<TransferId>,
    /// Writes that the other end's transport has not acknowledged, oldest first.
    pub(super) batches: VecDeque<Batch>,
    /// The message that was written last.
    pub(super) last: Option<MessageId>,
    /// The last message that is acknowledged, while the connection is not to be trusted yet.
    pub(super) acknowledged: Option<MessageId>,
}

/// Whether what the other end's transport acknowledges counts: it does once that has answered what was
/// sent after the connection had stood for long enough. That nothing was heard by then says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
pub(super) enum Trust {
    /// It has not stood for long enough, or nothing that counts has been acknowledged.
    Young,
    /// It is to be asked in this step.
    Due,
    /// It was asked.
    Asked,
    /// It has answered.
    Given,
}

/// The messages of one write: those of the flight from one to the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Batch {
    pub(super) transfer: TransferId,
    pub(super) first: MessageId,
    pub(super) last: MessageId,
}

impl FramedStream {
    /// Nothing is written yet on a connection that stands from now on.
    pub(super) fn new(now: Time) -> Self {
        Self {
            trusted_at: now + FRAMED_TRUSTED_AFTER,
            trust: Trust::Young,
            writing: None,
            batches: VecDeque::new(),
            last: None,
            acknowledged: None,
        }
    }

    /// Composes the next write, once QUIC has taken the one before: first what an earlier connection
    /// left open, then new messages.
    pub(super) fn write(
        &mut self,
        lane: &mut OutboundLane,
        limits: &SendLimits,
        flow: Flow,
        transfers: &mut u64,
    ) -> Option<(TransferId, Vec<Bytes>, Written)> {
        if self.writing.is_some() {
            return None;
        }
        let (mut write, mut written) = (None, Written::default());
        let mut first = None;
        while let Some(next) = lane.next_on_stream(self.last, limits, flow) {
            let write = write.get_or_insert_with(|| Buffer::with_capacity(next.bytes_ahead));
            if !write.has_room(next.bytes) {
                break;
            }
            let Some((id, payload)) = lane.begin_on_stream(self.last) else {
                break;
            };
            write.message_behind_length(&payload);
            written.messages += 1;
            written.repeated += u64::from(next.again);
            first.get_or_insert(id);
            self.last = Some(id);
        }
        let batch = Batch {
            transfer: TransferId(*transfers),
            first: first?,
            last: self.last?,
        };
        *transfers += 1;
        self.writing = Some(batch.transfer);
        self.batches.push_back(batch);
        Some((batch.transfer, write?.into_chunks(), written))
    }

    /// QUIC holds all of a write; whether it was one of these.
    pub(super) fn written(&mut self, transfer: TransferId) -> bool {
        let known = self.writing == Some(transfer);
        if known {
            self.writing = None;
        }
        known
    }

    /// The other end's transport has all of a write, and of those before it. False if it is not one
    /// that is awaited.
    pub(super) fn acknowledged(
        &mut self,
        transfer: TransferId,
        now: Time,
        lane: &mut OutboundLane,
    ) -> bool {
        let Some(batch) = self.batches.front().filter(|it| it.transfer == transfer) else {
            return false;
        };
        self.acknowledged = Some(batch.last);
        self.batches.pop_front();
        self.written(transfer);
        self.settle_trusted(lane);
        self.time_passes(now);
        true
    }

    /// Has the other end asked whether it is still there, once the connection has stood for long enough
    /// and the answer matters.
    pub(super) fn time_passes(&mut self, now: Time) {
        let matters = self.acknowledged.is_some();
        if self.trust == Trust::Young && matters && self.trusted_at <= now {
            self.trust = Trust::Due;
        }
    }

    /// When the other end is to be asked.
    pub(super) fn trust_due(&self) -> Option<Time> {
        let waits = self.trust == Trust::Young && self.acknowledged.is_some();
        waits.then_some(self.trusted_at)
    }

    /// Whether the other end is to be asked now.
    pub(super) fn asks(&mut self) -> bool {
        let asks = self.trust == Trust::Due;
        if asks {
            self.trust = Trust::Asked;
        }
        asks
    }

    /// The other end's transport has answered. False if it was not asked.
    pub(super) fn answered(&mut self, lane: &mut OutboundLane) -> bool {
        let asked = self.trust == Trust::Asked;
        if asked {
            self.trust = Trust::Given;
            self.settle_trusted(lane);
        }
        asked
    }

    fn settle_trusted(&mut self, lane: &mut OutboundLane) {
        if self.trust == Trust::Given
            && let Some(last) = self.acknowledged.take()
        {
            lane.settle_up_to(last, &Outcome::Written);
        }
    }

    /// The connection is lost, and all that happened on it was told: QUIC was not given all of the
    /// write that it has not taken, so that no receiver has the last message of it whole.
    pub(super) fn all_was_told(&self, lane: &mut OutboundLane) {
        if let (Some(_), Some(batch)) = (self.writing, self.batches.back()) {
            lane.learn(batch.last, Evidence::NotReceived);
        }
    }

    /// The connection is gone: what became of the messages on it, and is not known, shows no more.
    pub(super) fn end(self, lane: &mut OutboundLane, redelivery: Redelivery) {
        let carried = lane.flight.iter().map(Slot::message_id);
        let carried: Vec<MessageId> = carried.take_while(|&id| self.carries(id)).collect();
        for id in carried {
            lane.learn(id, Evidence::Unproven);
        }
        lane.settle_parted(redelivery);
    }

    /// Whether nothing is awaited.
    pub(super) fn is_empty(&self) -> bool {
        self.batches.is_empty() && self.acknowledged.is_none()
    }

    pub(super) fn is_writing(&self) -> bool {
        self.writing.is_some()
    }

    /// Whether a message that is open was written on it.
    pub(super) fn carries(&self, id: MessageId) -> bool {
        Some(id) <= self.last
    }

    /// The messages of the last write.
    pub(super) fn last_write(&self) -> Option<(MessageId, MessageId)> {
        self.batches.back().map(|batch| (batch.first, batch.last))
    }

    /// Whether the books agree with each other.
    pub(super) fn check(&self) -> Result<(), Violation> {
        let wrong = |what| Err(Violation { id: "I9", what });
        let transfers = self.batches.iter().map(|batch| batch.transfer);
        if !transfers.is_sorted_by(|a, b| a < b) {
            return wrong("writes are not in their order");
        }
        let messages = self.batches.iter().flat_map(|it| [it.first, it.last]);
        let messages = self.acknowledged.into_iter().chain(messages);
        if !messages.map(Some).chain([self.last]).is_sorted() {
            return wrong("messages are not written in their order");
        }
        let last = self.batches.back().map(|batch| batch.transfer);
        match self.writing.is_none() || self.writing == last {
            true => Ok(()),
            false => wrong("a write that is not the last is not taken"),
        }
    }

    /// Names everything by its order and counts times from `now`, for states to be compared across
    /// histories. `ids`: those in use, in order.
    pub(super) fn rename(&mut self, now: Time, ids: &[MessageId]) {
        let above = |id: MessageId| ids.partition_point(|other| *other <= id) as u64;
        let name = |id: MessageId| above(id).checked_sub(1).map(MessageId);
        let name_first = |id: MessageId| ids.partition_point(|other| *other < id) as u64;
        self.trusted_at = Time::ZERO + self.trusted_at.saturating_since(now);
        self.last = self.last.and_then(name);
        self.acknowledged = self.acknowledged.and_then(name);
        let count = self.batches.len() as u64;
        for (transfer, batch) in (0..).map(TransferId).zip(&mut self.batches) {
            batch.transfer = transfer;
            batch.first = MessageId(name_first(batch.first));
            batch.last = name(batch.last).unwrap_or_default();
        }
        self.writing = self.writing.map(|_| TransferId(count.saturating_sub(1)));
    }
}

/// The message that a stream carries next.
struct Next {
    bytes: usize,
    /// It was written before, on another connection.
    again: bool,
    /// About what all that can follow at once has, this one included.
    bytes_ahead: usize,
}

/// What the stream asks of the messages, and does to them. All slots of the flight are open.
impl OutboundLane {
    /// The first message behind this one, if it may be written now.
    fn next_on_stream(
        &self,
        behind: Option<MessageId>,
        limits: &SendLimits,
        flow: Flow,
    ) -> Option<Next> {
        if let Some(begun) = self.open_behind(behind) {
            return Some(Next {
                bytes: begun,
                again: true,
                bytes_ahead: self.in_flight_bytes + self.in_flight * LENGTH_BYTES,
            });
        }
        let bytes = self.queue.front()?.payload.len();
        let may = flow != Flow::Parting && self.flight_has_room(bytes, limits);
        may.then(|| {
            let messages = limits.flight_messages_max.saturating_sub(self.in_flight);
            let room = limits.flight_bytes_max.saturating_sub(self.in_flight_bytes);
            let heads = self.queue.len().min(messages) * LENGTH_BYTES;
            Next {
                bytes,
                again: false,
                bytes_ahead: self.queued_bytes.min(room).max(bytes) + heads,
            }
        })
    }

    /// The size of the first message of the flight behind this one.
    fn open_behind(&self, behind: Option<MessageId>) -> Option<usize> {
        // What is behind the last one written is nearly always nothing.
        if self.flight.back().map(Slot::message_id) <= behind {
            return None;
        }
        let ids = |slot: &Slot| Some(slot.message_id()) <= behind;
        let slot = self.flight.get(self.flight.partition_point(ids))?;
        slot.begun().map(|begun| begun.message.payload.len())
    }

    /// Takes the message that [`next_on_stream`](Self::next_on_stream) told of.
    fn begin_on_stream(&mut self, behind: Option<MessageId>) -> Option<(MessageId, Bytes)> {
        if self.open_behind(behind).is_some() {
            return self.next_open(behind);
        }
        let id = self.queue.front()?.id;
        self.begin().cloned().map(|payload| (id, payload))
    }

    /// Gives every open message of the flight up to this one the outcome.
    fn settle_up_to(&mut self, last: MessageId, outcome: &Outcome) {
        while self
            .flight
            .front()
            .is_some_and(|it| it.message_id() <= last)
        {
            if let Some(Slot::Open(begun)) = self.flight.pop_front() {
                self.settle(&begun, outcome.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests;
