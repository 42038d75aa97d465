//! The life of one message.

use peer_sender_core::{Attempt, Lane, MessageId, Outcome};

use super::Waits;

/// A message from its acceptance on. Times are in nanoseconds since 1970.
#[derive(Clone, Debug)]
pub(in crate::trace) struct Life {
    pub(in crate::trace) id: MessageId,
    pub(in crate::trace) lane: Lane,
    pub(in crate::trace) bytes: u64,
    pub(in crate::trace) accepted_at: u64,
    /// When its time to live ends, that of the peer's messages or its own.
    pub(in crate::trace) expires_at: Option<u64>,
    /// Messages of its lane that were there before it and had no outcome.
    pub(in crate::trace) ahead: u64,
    /// Of these, those that had been written.
    pub(in crate::trace) ahead_in_flight: u64,
    pub(in crate::trace) cancelled_at: Option<u64>,
    /// Each time that it was written; only the first and the latest times of many.
    pub(in crate::trace) writings: Vec<Writing>,
    pub(in crate::trace) written: u32,
    /// What it waited for until it was first written, or until its outcome if it never was.
    pub(in crate::trace) waited: Waits,
    /// What it waited for from then on.
    pub(in crate::trace) open: Waits,
    /// Its outcome; none if it has none at the end of the trace.
    pub(in crate::trace) outcome: Option<Outcome>,
    /// When that fell, or when the trace ended.
    pub(in crate::trace) ended_at: u64,
    /// Failures of connections that its sender had had when it was accepted, and at its end.
    pub(in crate::trace) failures: (u64, u64),
    /// The clock of its lane when it was accepted.
    pub(super) clock: Waits,
}

/// A message is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::trace) struct Writing {
    pub(in crate::trace) at: u64,
    pub(in crate::trace) attempt: Attempt,
    /// When QUIC held all of it.
    pub(in crate::trace) taken_at: Option<u64>,
}

/// As many writings of a message are kept.
const WRITINGS_MAX: usize = 16;

impl Life {
    pub(super) fn write(&mut self, at: u64, attempt: Attempt, clock: &Waits) {
        if self.written == 0 {
            self.waited = clock.since(&self.clock);
        }
        self.written += 1;
        if self.writings.len() == WRITINGS_MAX {
            self.writings.pop();
        }
        self.writings.push(Writing {
            at,
            attempt,
            taken_at: None,
        });
    }

    /// QUIC holds all of its latest writing.
    pub(super) fn taken(&mut self, at: u64) {
        if let Some(writing) = self.writings.last_mut() {
            writing.taken_at.get_or_insert(at);
        }
    }

    pub(super) fn end(&mut self, at: u64, outcome: Option<Outcome>, clock: &Waits) {
        let all = clock.since(&self.clock);
        match self.written {
            0 => self.waited = all,
            _ => self.open = all.since(&self.waited),
        }
        self.ended_at = at;
        self.outcome = outcome;
    }

    /// When it was first written.
    pub(in crate::trace) fn begun_at(&self) -> Option<u64> {
        self.writings.first().map(|writing| writing.at)
    }

    /// How long it took from its acceptance to its outcome.
    pub(in crate::trace) fn took(&self) -> u64 {
        self.ended_at.saturating_sub(self.accepted_at)
    }
}
