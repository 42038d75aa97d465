//! Looking at a sending half from outside, for tools.

use alloc::vec::Vec;

use bytes::Bytes;

use super::message::Slot;
use super::{LaneStream, Outbound};
use crate::sender::LaneSnapshot;
use crate::wire::{Decoder, Frame, Item};
use crate::{Attempt, Holdup, Lane, MessageId, Protocol, Side, StreamId};

/// What of a write moves the position of its stream.
enum Moved {
    Message,
    Over(u64),
}

impl Outbound {
    /// How a lane stands, as far as messages and streams go; none if it was never used.
    pub(crate) fn lane_snapshot(&self, lane: Lane) -> Option<LaneSnapshot> {
        let known = self.lanes.get(usize::from(lane.0))?;
        let (queued, queued_bytes) = known.queued();
        let (in_flight, in_flight_bytes) = known.in_flight();
        Some(LaneSnapshot {
            priority: self.limits.policy.priority(lane),
            queued: queued as u64,
            queued_bytes: queued_bytes as u64,
            in_flight: in_flight as u64,
            in_flight_bytes: in_flight_bytes as u64,
            next: known.queue.front().map(|message| message.id),
            holdup: match known.is_settled() {
                true => Holdup::NothingToDo,
                false => self.holdup_of(lane),
            },
            receiver: known.record.map(|(epoch, _)| epoch),
        })
    }

    /// What a lane with open messages waits for on a connection that stands.
    fn holdup_of(&self, lane: Lane) -> Holdup {
        if !self.protocol.has_lanes() {
            return self.holdup();
        }
        let queued = self.lanes.get(usize::from(lane.0)).map(|it| it.queued().0);
        match self.streams().find(|stream| stream.lane == lane) {
            Some(stream) if stream.is_writing() => Holdup::QuicBlocked,
            Some(stream) if stream.resume_due().is_some() => Holdup::AwaitsResume,
            _ if queued > Some(0) => Holdup::FlightFull,
            _ => Holdup::AwaitsReceipts,
        }
    }

    /// The lane that a stream of ours carries.
    pub(crate) fn lane_of(&self, attempt: Attempt, stream: StreamId) -> Option<Lane> {
        match self.protocol {
            Protocol::Lanes => self.stream(attempt, stream).map(|it| it.lane),
            Protocol::Plain | Protocol::Framed => (stream.opener == Side::Local).then_some(Lane(0)),
        }
    }

    /// The message that a stream of ours carries under the plain protocol.
    pub(crate) fn message_on(&self, attempt: Attempt, stream: StreamId) -> Option<MessageId> {
        let carrier = self.carrier.as_ref().filter(|it| it.attempt == attempt)?;
        (stream.opener == Side::Local)
            .then(|| carrier.plain()?.message_on(stream.index))
            .flatten()
    }

    /// The messages of the last write under the framed protocol.
    pub(crate) fn messages_of_last_write(&self, attempt: Attempt) -> Vec<MessageId> {
        let carrier = self.carrier.as_ref().filter(|it| it.attempt == attempt);
        let write = carrier.and_then(|it| it.framed()?.last_write());
        let (Some((first, last)), Some(lane)) = (write, self.lanes.first()) else {
            return Vec::new();
        };
        let ids = lane.flight.iter().map(Slot::message_id);
        ids.filter(|id| (first..=last).contains(id)).collect()
    }

    /// The messages of the last write on a lane's stream. Its frames tell how far the stream's
    /// position has moved, and over what; so the numbers follow from where it stands now.
    pub(crate) fn messages_of_write(
        &self,
        attempt: Attempt,
        stream: StreamId,
        chunks: &[Bytes],
    ) -> Vec<MessageId> {
        let Some(carried) = self.stream(attempt, stream) else {
            return Vec::new();
        };
        let Some(lane) = self.lanes.get(usize::from(carried.lane.0)) else {
            return Vec::new();
        };
        let mut number = carried.position;
        let mut messages = Vec::new();
        for moved in moves(chunks).into_iter().rev() {
            match moved {
                Moved::Over(count) => number = number.saturating_sub(count),
                Moved::Message => {
                    number = number.saturating_sub(1);
                    messages.extend(lane.slot(number).map(Slot::message_id));
                }
            }
        }
        messages.reverse();
        messages
    }

    fn stream(&self, attempt: Attempt, stream: StreamId) -> Option<&LaneStream> {
        let carrier = self.carrier.as_ref().filter(|it| it.attempt == attempt)?;
        let ours = (stream.opener == Side::Local).then_some(stream.index)?;
        carrier.lanes().get(usize::try_from(ours).ok()?)
    }
}

/// What the frames of a write do to the position. A write holds whole frames, since it was composed
/// by this very program.
fn moves(chunks: &[Bytes]) -> Vec<Moved> {
    let mut moves = Vec::new();
    let mut decoder = Decoder::default();
    for chunk in chunks {
        let mut input = chunk.clone();
        while let Ok(Some(item)) = decoder.next(&mut input) {
            match item {
                Item::Frame(Frame::Skip { count }) => moves.push(Moved::Over(count)),
                Item::Frame(_) | Item::Message(_) => {}
                Item::MessageBegins { .. } => {
                    moves.push(Moved::Message);
                    decoder.discard_message();
                }
            }
        }
    }
    moves
}
