//! A stream as QUIC would have it: its bytes are taken, arrive, and are read, and it is stopped or reset.

use bytes::Bytes;
use peer_sender_core::TransferId;

use crate::ends::End;

/// A stream with one message.
pub(crate) struct Stream {
    /// Which end opened it, and as which of its streams.
    pub(crate) from: End,
    pub(crate) index: u64,
    pub(crate) message: u64,
    pub(crate) payload: Bytes,
    pub(crate) transfer: TransferId,
    /// Bytes that the writer's QUIC has, and whether it has the FIN too.
    pub(crate) taken: usize,
    pub(crate) taken_fin: bool,
    /// The same of the reader's QUIC.
    pub(crate) arrived: usize,
    pub(crate) arrived_fin: bool,
    /// The same of what the reader's machine was told.
    pub(crate) read: usize,
    pub(crate) read_fin: bool,
    pub(crate) opened: bool,
    pub(crate) paused: bool,
    /// The reader wants no more of it, with this code.
    pub(crate) stopped: Option<u64>,
    /// The writer has reset it.
    pub(crate) reset: bool,
    /// The reader's machine was told that it is cut short.
    pub(crate) reset_told: bool,
    /// The writer's machine was told how it ended.
    pub(crate) over: bool,
}

impl Stream {
    pub(crate) fn new(
        (from, index): (End, u64),
        (message, payload): (u64, Bytes),
        transfer: TransferId,
    ) -> Self {
        Self {
            from,
            index,
            message,
            payload,
            transfer,
            taken: 0,
            taken_fin: false,
            arrived: 0,
            arrived_fin: false,
            read: 0,
            read_fin: false,
            opened: false,
            paused: false,
            stopped: None,
            reset: false,
            reset_told: false,
            over: false,
        }
    }

    /// QUIC takes up to so many bytes more; whether it has all now, and had not before.
    pub(crate) fn take(&mut self, bytes: usize) -> bool {
        if self.taken_fin || self.reset || self.stopped.is_some() {
            return false;
        }
        self.taken = (self.taken + bytes).min(self.payload.len());
        self.taken_fin = self.taken == self.payload.len();
        self.taken_fin
    }

    /// Up to so many bytes more arrive.
    pub(crate) fn arrive(&mut self, bytes: usize) {
        if self.reset && !self.arrived_fin {
            return;
        }
        self.arrived = (self.arrived + bytes).min(self.taken);
        self.arrived_fin |= self.taken_fin && self.arrived == self.taken;
    }

    /// Whether the reader's machine is now told that it was reset.
    pub(crate) fn tell_reset(&mut self) -> bool {
        let ends = self.read_fin || self.arrived_fin || self.stopped.is_some();
        let tells = self.opened && !ends && !self.reset_told;
        self.reset_told |= tells;
        tells
    }

    /// What the reader's machine is told next, if anything.
    pub(crate) fn read(&mut self, bytes: usize) -> Option<(Bytes, bool)> {
        if self.read_fin || self.stopped.is_some() || self.reset_told {
            return None;
        }
        let end = (self.read + bytes).min(self.arrived);
        let fin = self.arrived_fin && end == self.arrived;
        if end == self.read && !fin {
            return None;
        }
        let chunk = self.payload.slice(self.read..end);
        (self.read, self.read_fin) = (end, fin);
        Some((chunk, fin))
    }
}
