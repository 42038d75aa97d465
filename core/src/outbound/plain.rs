//! One stream per message (`docs/wire.md`, plain): the streams of one connection, and what its loss
//! proves of the messages on them.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use bytes::Bytes;

use super::message::{Evidence, Slot};
use super::{Flow, OutboundLane, Written};
use crate::{
    Level, MessageId, Outcome, Redelivery, RefuseCode, SendLimits, TransferId, UnknownReason,
    Violation,
};

/// The streams of one connection whose messages have no outcome. Dropped with it.
///
/// Nothing is numbered: the flight holds the messages that have begun and are open, in the order of
/// their ids, and each that was written on this connection has a stream here.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub(super) struct PlainStreams {
    /// In the order in which they were opened, which is that of their messages and writes as well.
    pub(super) open: VecDeque<PlainStream>,
    /// How many streams were opened.
    pub(super) opened: u64,
    /// The message that was written last on this connection: those behind it in the flight come
    /// next.
    pub(super) last: Option<MessageId>,
}

/// A stream, and the message that it carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct PlainStream {
    /// Its place among the connection's streams.
    pub(super) index: u64,
    pub(super) id: MessageId,
    pub(super) transfer: TransferId,
    /// QUIC has not taken all of the write; the FIN comes behind it.
    pub(super) writing: bool,
}

/// A message that begins on a stream.
#[derive(Debug)]
pub(super) struct Begun {
    pub(super) index: u64,
    pub(super) payload: Bytes,
    pub(super) transfer: TransferId,
}

impl PlainStreams {
    /// Begins what may begin: first what an earlier connection left open, then new messages.
    pub(super) fn write(
        &mut self,
        lane: &mut OutboundLane,
        limits: &SendLimits,
        flow: Flow,
        transfers: &mut u64,
    ) -> (Vec<Begun>, Written) {
        let (mut begun, mut written) = (Vec::new(), Written::default());
        while self.open.len() < usize::from(limits.streams_max) {
            let (id, payload) = match lane.next_open(self.last) {
                Some(again) => {
                    written.repeated += 1;
                    again
                }
                None if flow == Flow::Parting => break,
                None => match lane.begin_queued(limits) {
                    Some(new) => new,
                    None => break,
                },
            };
            let (index, transfer) = (self.opened, TransferId(*transfers));
            self.opened += 1;
            *transfers += 1;
            written.messages += 1;
            self.last = Some(id);
            self.open.push_back(PlainStream {
                index,
                id,
                transfer,
                writing: true,
            });
            begun.push(Begun {
                index,
                payload,
                transfer,
            });
        }
        (begun, written)
    }

    /// The message that a stream carries, for as long as it has no outcome.
    pub(super) fn message_on(&self, index: u64) -> Option<MessageId> {
        let place = self.find(index)?;
        self.open.get(place).map(|stream| stream.id)
    }

    /// QUIC holds all of a write, FIN included; whether it was one of these.
    pub(super) fn written(&mut self, transfer: TransferId) -> bool {
        let place = self.open.binary_search_by_key(&transfer, |it| it.transfer);
        let stream = place.ok().and_then(|place| self.open.get_mut(place));
        stream.is_some_and(|stream| core::mem::take(&mut stream.writing))
    }

    /// The other end's transport has all of a stream. False if its message is settled.
    pub(super) fn acknowledged(&mut self, index: u64, lane: &mut OutboundLane) -> bool {
        self.settle(index, lane, Outcome::Delivered(Level::Transport))
    }

    /// The other end reads no more of a stream, which it has not read to its end: it will not have
    /// the message. The code is its application's own. False if the message is settled.
    pub(super) fn stopped(&mut self, index: u64, code: u64, lane: &mut OutboundLane) -> bool {
        self.settle(index, lane, Outcome::Refused(RefuseCode::Other(code)))
    }

    fn settle(&mut self, index: u64, lane: &mut OutboundLane, outcome: Outcome) -> bool {
        let place = self.find(index);
        let stream = place.and_then(|place| self.open.remove(place));
        stream.is_some_and(|stream| lane.settle_message(stream.id, outcome))
    }

    fn find(&self, index: u64) -> Option<usize> {
        self.open.binary_search_by_key(&index, |it| it.index).ok()
    }

    /// The connection is lost, and all that happened on it was told: what QUIC has not taken to its
    /// end was never sent to its end, so that no receiver has it whole.
    pub(super) fn all_was_told(&self, lane: &mut OutboundLane) {
        for stream in self.open.iter().filter(|stream| stream.writing) {
            lane.learn(stream.id, Evidence::NotReceived);
        }
    }

    /// The connection is gone: what became of the messages on it, and is not known, shows no more.
    pub(super) fn end(self, lane: &mut OutboundLane, redelivery: Redelivery) {
        for stream in &self.open {
            lane.learn(stream.id, Evidence::Unproven);
        }
        lane.settle_parted(redelivery);
    }

    /// Streams whose message was settled for want of an answer, to be reset: nobody waits for it any
    /// more, and its bytes are not worth sending.
    pub(super) fn take_settled(&mut self, lane: &OutboundLane) -> Vec<u64> {
        let mut settled = Vec::new();
        // None of the flight's places is that of a settled message now, and what it has up to the last
        // that was written is on these streams.
        let carried = |slot: &Slot| Some(slot.message_id()) <= self.last;
        if lane.flight.partition_point(carried) != self.open.len() {
            self.open.retain(|stream| {
                let open = lane.place_of(stream.id).is_some();
                settled.extend((!open).then_some(stream.index));
                open
            });
        }
        settled
    }

    /// Whether no stream's message is open.
    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    /// Whether QUIC has not taken all that was written.
    pub(super) fn is_writing(&self) -> bool {
        self.open.iter().any(|stream| stream.writing)
    }

    /// Whether a message is on a stream.
    pub(super) fn carries(&self, id: MessageId) -> bool {
        self.open.binary_search_by_key(&id, |it| it.id).is_ok()
    }

    /// Whether its messages are those of the flight that were written and are open.
    pub(super) fn carry_what_begun(&self, lane: &OutboundLane) -> bool {
        let begun = lane.flight.iter().filter_map(Slot::begun);
        let written = begun
            .map(|it| it.message.id)
            .take_while(|&id| Some(id) <= self.last);
        written.eq(self.open.iter().map(|it| it.id))
    }

    /// Whether the books agree with the streams.
    pub(super) fn check(&self) -> Result<(), Violation> {
        let wrong = |what| Err(Violation { id: "I9", what });
        let newest = self.open.back();
        if newest.is_some_and(|stream| stream.index >= self.opened) {
            return wrong("a stream that was never opened");
        }
        if newest.is_some_and(|stream| Some(stream.id) > self.last) {
            return wrong("a message that was never written");
        }
        let before = |one: &PlainStream, next: &PlainStream| {
            one.index < next.index && one.id < next.id && one.transfer < next.transfer
        };
        let mut each = self.open.iter().zip(self.open.iter().skip(1));
        match each.all(|(one, next)| before(one, next)) {
            true => Ok(()),
            false => wrong("streams, messages and writes are not in one order"),
        }
    }

    /// Names everything by its order, for states to be compared across histories. `ids`: those in
    /// use, in order.
    pub(super) fn rename(&mut self, ids: &[MessageId]) {
        let below = |id: MessageId| ids.partition_point(|other| *other < id) as u64;
        for (index, stream) in (0..).zip(&mut self.open) {
            stream.index = index;
            stream.id = MessageId(below(stream.id));
            stream.transfer = TransferId(index);
        }
        self.opened = self.open.len() as u64;
        let written = ids.partition_point(|&id| Some(id) <= self.last) as u64;
        self.last = written.checked_sub(1).map(MessageId);
    }
}

/// What the streams ask of the messages, and do to them. All slots of the flight are open.
impl OutboundLane {
    /// The first message of the flight behind this one, which is written again now.
    pub(super) fn next_open(&mut self, behind: Option<MessageId>) -> Option<(MessageId, Bytes)> {
        let place = self
            .flight
            .partition_point(|slot| Some(slot.message_id()) <= behind);
        let begun = self.flight.get_mut(place).and_then(Slot::begun_mut)?;
        if begun.evidence == Evidence::NotReceived {
            begun.evidence = Evidence::None;
        }
        Some((begun.message.id, begun.message.payload.clone()))
    }

    /// Takes the first message that waits into the flight, if that has room.
    fn begin_queued(&mut self, limits: &SendLimits) -> Option<(MessageId, Bytes)> {
        let message = self.queue.front()?;
        let (id, bytes) = (message.id, message.payload.len());
        if !self.flight_has_room(bytes, limits) {
            return None;
        }
        self.begin().cloned().map(|payload| (id, payload))
    }

    /// Gives a message of the flight its outcome. False if it has one.
    fn settle_message(&mut self, id: MessageId, outcome: Outcome) -> bool {
        let place = self.place_of(id);
        let Some(Slot::Open(begun)) = place.and_then(|place| self.flight.remove(place)) else {
            return false;
        };
        self.settle(&begun, outcome);
        true
    }

    /// Notes what a lost connection shows of a message, unless an earlier one has left it unproven,
    /// or this one has shown more.
    pub(super) fn learn(&mut self, id: MessageId, shown: Evidence) {
        let place = self.place_of(id);
        let slot = place.and_then(|place| self.flight.get_mut(place));
        if let Some(begun) = slot.and_then(Slot::begun_mut)
            && begun.evidence == Evidence::None
        {
            begun.evidence = shown;
        }
    }

    /// Settles what will not be sent again. No message is on a stream now.
    pub(super) fn settle_parted(&mut self, redelivery: Redelivery) {
        let again = redelivery == Redelivery::AtLeastOnce;
        self.settle_all(|_, evidence| evidence == Evidence::Unproven && !again);
        self.settle_given_up(|_| false);
    }

    /// Settles what is given up and on no stream: it is not sent again, so that nothing more will
    /// show of it.
    pub(super) fn settle_given_up(&mut self, carried: impl Fn(MessageId) -> bool) {
        let given_up = self.due.given_up.iter().map(|&(_, id)| id);
        let mut left: Vec<MessageId> = given_up.filter(|&id| !carried(id)).collect();
        left.sort_unstable();
        if !left.is_empty() {
            self.settle_all(|id, _| left.binary_search(&id).is_ok());
        }
    }

    /// Settles these messages by what is known of each.
    fn settle_all(&mut self, which: impl Fn(MessageId, Evidence) -> bool) {
        let begun = self.flight.iter().filter_map(Slot::begun);
        let settled: Vec<(MessageId, Outcome)> = begun
            .filter(|begun| which(begun.message.id, begun.evidence))
            .map(|begun| {
                let outcome = match (begun.evidence, begun.given_up) {
                    (Evidence::NotReceived, Some(given_up)) => given_up.why.outcome(),
                    _ => Outcome::Unknown(UnknownReason::ConnectionLost),
                };
                (begun.message.id, outcome)
            })
            .collect();
        for (id, outcome) in settled {
            self.settle_message(id, outcome);
        }
    }

    /// Drops the places of what was settled by its number, as there are no numbers.
    pub(super) fn close_gaps(&mut self) {
        if self.flight.len() != self.in_flight {
            self.flight.retain(|slot| slot.begun().is_some());
        }
        self.first = 0;
    }

    fn place_of(&self, id: MessageId) -> Option<usize> {
        let place = self
            .flight
            .binary_search_by_key(&id, Slot::message_id)
            .ok()?;
        let open = self.flight.get(place).and_then(Slot::begun);
        open.map(|_| place)
    }
}
