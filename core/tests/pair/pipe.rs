//! One direction of a stream: bytes that arrive in order, in any pieces, within a window, or not
//! at all.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use peer_sender_core::{Time, TransferId};

use crate::rng::Rng;

/// One direction of a stream, from the writer's tail to the reader's unread bytes.
#[derive(Debug)]
pub(crate) struct Pipe {
    /// Written, and not taken by the transport yet.
    backlog: VecDeque<Bytes>,
    transfer: Option<TransferId>,
    fin: Fin,
    /// The writer may send bytes below this offset.
    credit: u64,
    pub(crate) taken: u64,
    wire: VecDeque<Segment>,
    arrived: VecDeque<Bytes>,
    fin_arrived: bool,
    fin_read: bool,
    pub(crate) paused: bool,
    /// Reset by the writer, or given up by the reader.
    pub(crate) severed: bool,
    last_arrival: Time,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fin {
    None,
    Written,
    Taken,
}

#[derive(Clone, Debug)]
pub(crate) struct Segment {
    pub(crate) arrives: Time,
    pub(crate) bytes: Bytes,
    pub(crate) fin: bool,
}

impl Pipe {
    pub(crate) fn new(window: u64) -> Self {
        Self {
            backlog: VecDeque::new(),
            transfer: None,
            fin: Fin::None,
            credit: window,
            taken: 0,
            wire: VecDeque::new(),
            arrived: VecDeque::new(),
            fin_arrived: false,
            fin_read: false,
            paused: false,
            severed: false,
            last_arrival: Time::ZERO,
        }
    }

    /// Appends a write of the machine, which must be a legal one.
    pub(crate) fn write(&mut self, transfer: TransferId, chunks: Vec<Bytes>, fin: bool) {
        assert!(
            self.transfer.is_none(),
            "A a second Write while {:?} is under way",
            self.transfer
        );
        assert!(self.fin == Fin::None, "A a Write behind FIN");
        assert!(!chunks.is_empty() || fin, "A a Write of nothing");
        assert!(
            chunks.iter().all(|chunk| !chunk.is_empty()),
            "A a Write with an empty chunk"
        );
        self.transfer = Some(transfer);
        self.backlog.extend(chunks);
        if fin {
            self.fin = Fin::Written;
        }
    }

    /// What the transport takes now, in pieces of at most `segment_bytes_max`.
    pub(crate) fn take(&mut self, segment_bytes_max: u64, rng: &mut Rng) -> Vec<(Bytes, bool)> {
        let mut segments = Vec::new();
        while let Some(chunk) = self.backlog.front_mut() {
            let room = (self.credit - self.taken).min(segment_bytes_max);
            let most = room.min(chunk.len() as u64);
            if most == 0 {
                return segments;
            }
            let bytes = if rng.chance(500) {
                most
            } else {
                rng.between(1, most)
            };
            self.taken += bytes;
            segments.push((chunk.split_to(bytes as usize), false));
            if chunk.is_empty() {
                self.backlog.pop_front();
            }
        }
        if self.fin == Fin::Written {
            self.fin = Fin::Taken;
            match segments.last_mut() {
                Some(last) if rng.chance(500) => last.1 = true,
                _ => segments.push((Bytes::new(), true)),
            }
        }
        segments
    }

    /// The write that the transport has taken whole, once.
    pub(crate) fn finished(&mut self) -> Option<TransferId> {
        let whole = self.backlog.is_empty() && self.fin != Fin::Written;
        if whole { self.transfer.take() } else { None }
    }

    /// Puts a segment on the way; it never overtakes the one before.
    pub(crate) fn carry(&mut self, arrives: Time, bytes: Bytes, fin: bool) -> Time {
        let arrives = arrives.max(self.last_arrival);
        self.last_arrival = arrives;
        self.wire.push_back(Segment {
            arrives,
            bytes,
            fin,
        });
        arrives
    }

    /// Moves what has come by now to the reader's side. True if that was anything.
    pub(crate) fn arrive(&mut self, now: Time) -> bool {
        let mut any = false;
        while self
            .wire
            .front()
            .is_some_and(|segment| segment.arrives <= now)
        {
            let Some(segment) = self.wire.pop_front() else {
                break;
            };
            if !segment.bytes.is_empty() {
                self.arrived.push_back(segment.bytes);
            }
            self.fin_arrived |= segment.fin;
            any = true;
        }
        any
    }

    /// Whether the reader's transport holds all, FIN included.
    pub(crate) fn is_whole(&self) -> bool {
        self.fin_arrived
    }

    pub(crate) fn is_readable(&self) -> bool {
        !self.severed && (!self.arrived.is_empty() || self.fin_arrived && !self.fin_read)
    }

    /// The next bytes in one piece, joined and cut at chance.
    pub(crate) fn read(&mut self, rng: &mut Rng, split: u64) -> Option<(Bytes, bool)> {
        if !self.is_readable() {
            return None;
        }
        let mut bytes = self.arrived.pop_front().unwrap_or_default();
        if bytes.len() > 1 && rng.chance(split) {
            let head = bytes.split_to(rng.between(1, bytes.len() as u64 - 1) as usize);
            self.arrived.push_front(bytes);
            return Some((head, false));
        }
        if !self.arrived.is_empty() && !rng.chance(split) {
            let mut joined = BytesMut::from(&bytes[..]);
            for more in self.arrived.drain(..) {
                joined.extend_from_slice(&more);
            }
            bytes = joined.freeze();
        }
        let fin = self.arrived.is_empty() && self.fin_arrived && rng.chance(700);
        self.fin_read |= fin;
        Some((bytes, fin))
    }

    pub(crate) fn grant(&mut self, bytes: u64) {
        self.credit += bytes;
    }

    /// Keeps only a prefix of what is on the way, cut at any byte.
    pub(crate) fn lose_tail(&mut self, rng: &mut Rng) {
        let on_the_way: u64 = self
            .wire
            .iter()
            .map(|segment| segment.bytes.len() as u64)
            .sum();
        let mut left = rng.between(0, on_the_way);
        let all = left == on_the_way && rng.chance(500);
        for segment in &mut self.wire {
            let kept = left.min(segment.bytes.len() as u64);
            segment.fin &= all;
            segment.bytes.truncate(kept as usize);
            left -= kept;
        }
    }

    /// Holds back everything that is on the way until then.
    pub(crate) fn hold_until(&mut self, moment: Time) {
        for segment in &mut self.wire {
            segment.arrives = segment.arrives.max(moment);
        }
        self.last_arrival = self.last_arrival.max(moment);
    }

    /// The writer resets, or the reader gives up: nothing of the stream is carried any more.
    pub(crate) fn sever(&mut self) {
        self.severed = true;
        self.backlog.clear();
        self.wire.clear();
        self.transfer = None;
    }
}
