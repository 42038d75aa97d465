//! What a stream's next write holds.

use alloc::vec::Vec;

use bytes::Bytes;

use super::message::{Evidence, Slot};
use super::{COPIED_BYTES_MAX, Flow, LaneStream, OutboundLane, WRITE_BYTES_MAX};
use crate::wire::{Frame, MESSAGE_HEAD_MAX, encode_message_head};
use crate::{Outcome, SendLimits, UnknownReason};

/// A write, composed.
#[derive(Debug, Default)]
pub(super) struct Composed {
    pub(super) chunks: Vec<Bytes>,
    pub(super) fin: bool,
    /// Messages in it.
    pub(super) messages: u64,
    /// Of them, those that were written before.
    pub(super) repeated: u64,
}

impl OutboundLane {
    /// Composes the stream's next write: OPEN first, then what the receiver must pass over or has
    /// not got, then new messages as far as the flight has room, then FIN if nothing is to follow.
    /// None if there is nothing to write.
    pub(super) fn compose(
        &mut self,
        stream: &mut LaneStream,
        limits: &SendLimits,
        flow: Flow,
    ) -> Option<Composed> {
        let mut write = Buffer::with_capacity(self.writable_bytes(stream, limits));
        let mut composed = Composed::default();
        if !stream.open_written {
            stream.open_written = true;
            self.opened = true;
            Frame::Open(stream.open).encode(&mut write.copied);
        }
        if stream.is_flowing() {
            self.pass_over_held(stream, &mut write);
            self.write_again(stream, &mut write, &mut composed);
            if flow != Flow::Parting {
                self.write_new(stream, limits, &mut write, &mut composed);
            }
            let over = match flow {
                Flow::Running => false,
                Flow::Last => self.queue.is_empty(),
                Flow::Parting => true,
            };
            composed.fin = over && stream.position == self.next_number() && stream.resume.is_some();
        }
        composed.chunks = write.into_chunks();
        (composed.fin || !composed.chunks.is_empty()).then_some(composed)
    }

    fn pass_over_held(&self, stream: &mut LaneStream, write: &mut Buffer) {
        let held = stream.resumed_at().saturating_sub(stream.position);
        if held > 0 {
            write.skip(held);
            stream.position += held;
        }
    }

    /// Numbers given out already: open ones are written, settled ones passed over.
    fn write_again(
        &mut self,
        stream: &mut LaneStream,
        write: &mut Buffer,
        composed: &mut Composed,
    ) {
        while stream.position < self.next_number() {
            let number = stream.position;
            let index = self.index(number);
            let slot = index.and_then(|index| self.flight.get_mut(index));
            let Some(begun) = slot.and_then(Slot::begun_mut) else {
                let gap = self.gap_from(number);
                if !broken!(GapsNotSkipped) {
                    write.skip(gap);
                }
                stream.position += gap;
                continue;
            };
            let payload = &begun.message.payload;
            match stream.admits(payload.len()) {
                Ok(true) if write.has_room(payload.len()) => {}
                Ok(_) => return,
                Err(code) => {
                    let outcome = match begun.evidence {
                        Evidence::None | Evidence::NotReceived => Outcome::Refused(code),
                        Evidence::Unproven => Outcome::Unknown(UnknownReason::Forgotten),
                    };
                    self.decide(number, outcome);
                    continue;
                }
            }
            if begun.evidence == Evidence::NotReceived && !broken!(ProofNeverEnds) {
                begun.evidence = Evidence::None;
            }
            write.message(payload);
            stream.position += 1;
            composed.messages += 1;
            composed.repeated += 1;
        }
    }

    fn write_new(
        &mut self,
        stream: &mut LaneStream,
        limits: &SendLimits,
        write: &mut Buffer,
        composed: &mut Composed,
    ) {
        while stream.position == self.next_number() {
            let Some(message) = self.queue.front() else {
                return;
            };
            let bytes = message.payload.len();
            match stream.admits(bytes) {
                Ok(true) if write.has_room(bytes) && self.flight_has_room(bytes, limits) => {}
                Ok(_) => return,
                Err(code) => {
                    self.unqueue(0, Outcome::Refused(code));
                    continue;
                }
            }
            if let Some(payload) = self.begin() {
                write.message(payload);
            }
            stream.position += 1;
            composed.messages += 1;
        }
    }

    /// A message of any legal size may go when nothing else is under way. Numbers that are settled
    /// behind one that is open count too: a receiver that refuses all but one message must not
    /// make the flight grow without end.
    pub(super) fn flight_has_room(&self, bytes: usize, limits: &SendLimits) -> bool {
        self.in_flight == 0
            || self.flight.len() < limits.flight_messages_max + usize::from(broken!(FlightOffByOne))
                && self.in_flight_bytes.saturating_add(bytes) <= limits.flight_bytes_max
    }

    /// How many numbers from this one on are settled.
    fn gap_from(&self, number: u64) -> u64 {
        let forgotten = self.first.saturating_sub(number);
        let from = self.index(number.max(self.first)).unwrap_or(0);
        let settled = self
            .flight
            .iter()
            .skip(from)
            .take_while(|slot| slot.begun().is_none());
        forgotten + settled.count() as u64
    }

    /// About what the next write can hold, so that small messages are copied into a buffer of
    /// the right size.
    fn writable_bytes(&self, stream: &LaneStream, limits: &SendLimits) -> usize {
        const HEAD: usize = 3;
        if !stream.is_flowing() {
            return 0;
        }
        if stream.position < self.next_number() {
            return self.in_flight_bytes.saturating_add(self.in_flight * HEAD);
        }
        let messages = limits.flight_messages_max.saturating_sub(self.in_flight);
        let bytes = limits.flight_bytes_max.saturating_sub(self.in_flight_bytes);
        self.queued_bytes
            .min(bytes)
            .saturating_add(self.queue.len().min(messages) * HEAD)
    }
}

/// The bytes of a write: small payloads copied together, larger ones as chunks of their own.
pub(super) struct Buffer {
    chunks: Vec<Bytes>,
    chunks_bytes: usize,
    copied: Vec<u8>,
}

impl Buffer {
    pub(super) fn with_capacity(bytes: usize) -> Self {
        let copied = Vec::with_capacity(bytes.min(WRITE_BYTES_MAX));
        Self {
            chunks: Vec::new(),
            chunks_bytes: 0,
            copied,
        }
    }

    /// Whether a message of this size still goes into this write; an empty one takes any.
    pub(super) fn has_room(&self, payload_bytes: usize) -> bool {
        let written = self.chunks_bytes + self.copied.len();
        let message = payload_bytes.saturating_add(MESSAGE_HEAD_MAX);
        written < MESSAGE_HEAD_MAX * 8 || written.saturating_add(message) <= WRITE_BYTES_MAX
    }

    fn skip(&mut self, count: u64) {
        Frame::Skip { count }.encode(&mut self.copied);
    }

    fn message(&mut self, payload: &Bytes) {
        encode_message_head(payload.len(), &mut self.copied);
        self.payload(payload);
    }

    /// A message with nothing before it but its length.
    pub(super) fn message_behind_length(&mut self, payload: &Bytes) {
        // No message is as long as the prefix can say.
        let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
        self.copied.extend_from_slice(&length.to_be_bytes());
        self.payload(payload);
    }

    fn payload(&mut self, payload: &Bytes) {
        if payload.len() <= COPIED_BYTES_MAX {
            self.copied.extend_from_slice(payload);
        } else {
            // Copied out, so that a few bytes never keep a buffer of the size of their payload.
            self.chunks_bytes += self.copied.len();
            self.chunks.push(Bytes::copy_from_slice(&self.copied));
            self.copied.clear();
            self.chunks_bytes += payload.len();
            self.chunks.push(payload.clone());
        }
    }

    pub(super) fn into_chunks(mut self) -> Vec<Bytes> {
        if !self.copied.is_empty() {
            self.copied.shrink_to(self.copied.len() * 2);
            self.chunks.push(Bytes::from(self.copied));
        }
        self.chunks
    }
}
