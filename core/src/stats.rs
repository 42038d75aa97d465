//! What a machine tells of itself.

use core::hash::{Hash, Hasher};

use crate::Time;

/// What would be accepted now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
pub struct Capacity {
    /// Messages.
    pub messages: usize,
    /// Bytes of payload.
    pub bytes: usize,
}

/// The earliest armed timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
pub struct Deadline {
    /// When it is due.
    pub at: Time,
    /// What it is for.
    pub timer: Timer,
}

/// What a machine can be waiting for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
pub enum Timer {
    /// An attempt at a connection has taken too long.
    Connect,
    /// The receiver has not answered the lane's OPEN.
    Resume,
    /// The time to dial again.
    Backoff,
    /// The end of a drain.
    Drain,
    /// The end of a message's time to live.
    Expiry,
    /// The receiver has stayed away for too long to be asked about a message that is given up; under
    /// [`Protocol::Plain`](crate::Protocol::Plain), it has not answered it for as long.
    Patience,
    /// The oldest message has waited for so long that the peer is a slow one.
    Slow,
    /// Nothing was said for so long that the connection is ended.
    Idle,
    /// The end in good order of an idle connection takes too long.
    Parting,
    /// The connection has stood for long enough that what was acknowledged on it counts
    /// ([`Protocol::Framed`](crate::Protocol::Framed)).
    Trust,
    /// A session has been without a connection for as long as it is remembered.
    SessionTtl,
}

/// Counters of a sender since it was made. They take no part in its decisions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Stats {
    /// Messages accepted.
    pub accepted: u64,
    /// Messages handed back.
    pub rejected: u64,
    /// Messages settled as delivered.
    pub delivered: u64,
    /// Messages settled as refused by the receiver.
    pub refused: u64,
    /// Messages settled as expired.
    pub expired: u64,
    /// Messages settled as cancelled.
    pub cancelled: u64,
    /// Messages settled as failed.
    pub failed: u64,
    /// Messages settled as unknown.
    pub unknown: u64,
    /// Messages waiting to be written.
    pub queued: u64,
    /// Their bytes.
    pub queued_bytes: u64,
    /// Messages written and not settled.
    pub in_flight: u64,
    /// Their bytes.
    pub in_flight_bytes: u64,
    /// Messages written, each time anew.
    pub written: u64,
    /// Messages written again after a lost connection.
    pub redelivered: u64,
    /// Attempts at a connection.
    pub connects: u64,
    /// Connections that stood.
    pub connected: u64,
    /// Events that named an older connection or a write long done.
    pub stale_events: u64,
    /// Connections closed because the peer broke the protocol.
    pub protocol_errors: u64,
    /// Messages settled as written, the most that [`Protocol::Framed`](crate::Protocol::Framed) can
    /// tell.
    // Images have it at their end, and under that protocol alone.
    #[cfg_attr(feature = "trace", serde(skip))]
    pub handed_over: u64,
}

/// Counters of a receiver since it was made. They take no part in its decisions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct ReceiverStats {
    /// Messages handed to the application.
    pub delivered: u64,
    /// Their bytes.
    pub delivered_bytes: u64,
    /// Messages that the application, or a limit, refused.
    pub refused: u64,
    /// Messages dropped because they were received before.
    pub duplicates: u64,
    /// Messages dropped because their stream, or its connection, ended before they were whole, or
    /// before there was room for them: under the plain protocol alone, where nobody sends the rest.
    pub incomplete: u64,
    /// Bytes of messages held now, half-received ones and a fixed overhead for each included.
    pub held_bytes: u64,
    /// Times that a newer connection took a lane over from one that still stood.
    pub taken_over: u64,
    /// Events that named an older connection or a write long done.
    pub stale_events: u64,
    /// Connections closed because the peer broke the protocol.
    pub protocol_errors: u64,
}

impl ReceiverStats {
    /// The counters of two receivers together.
    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            delivered: self.delivered + other.delivered,
            delivered_bytes: self.delivered_bytes + other.delivered_bytes,
            refused: self.refused + other.refused,
            duplicates: self.duplicates + other.duplicates,
            incomplete: self.incomplete + other.incomplete,
            held_bytes: self.held_bytes + other.held_bytes,
            taken_over: self.taken_over + other.taken_over,
            stale_events: self.stale_events + other.stale_events,
            protocol_errors: self.protocol_errors + other.protocol_errors,
        }
    }
}

/// What takes no part in decisions, and so in comparisons neither: states that differ in it alone
/// are equal.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Aside<T>(pub(crate) T);

impl<T> PartialEq for Aside<T> {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl<T> Eq for Aside<T> {}

impl<T> Hash for Aside<T> {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}
