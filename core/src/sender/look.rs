//! What tools ask a sender that they have replayed: lane by lane, and message by message.

use alloc::vec::Vec;

use bytes::Bytes;

use super::{Link, PeerSenderMachine, Phase};
use crate::{
    Attempt, Config, Epoch, Holdup, Lane, LinkError, MessageId, Priority, Protocol, StreamId, Time,
};

/// How one lane of a sender stands at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LaneSnapshot {
    /// Its class.
    pub priority: Priority,
    /// Messages that wait to be written.
    pub queued: u64,
    /// Their bytes.
    pub queued_bytes: u64,
    /// Messages written and not settled.
    pub in_flight: u64,
    /// Their bytes.
    pub in_flight_bytes: u64,
    /// The first message that waits to be written.
    pub next: Option<MessageId>,
    /// Why nothing of it moves.
    pub holdup: Holdup,
    /// The process of the receiver that has answered the lane's last OPEN; none before the first
    /// answer, and under the plain protocol.
    pub receiver: Option<Epoch>,
}

impl PeerSenderMachine {
    /// The configuration that it was made with.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The last error of its connection, and when it came.
    pub fn last_error(&self) -> Option<&(LinkError, Time)> {
        self.last_error.as_ref()
    }

    /// How a lane stands; none if it was never used.
    pub fn lane(&self, lane: Lane) -> Option<LaneSnapshot> {
        let mut snapshot = self.state.outbound.lane_snapshot(lane)?;
        if snapshot.queued + snapshot.in_flight > 0 {
            snapshot.holdup = match self.state.link {
                _ if self.state.phase == Phase::Closed => Holdup::Stopped,
                Link::Down | Link::Idle if self.state.addresses.is_empty() => Holdup::NoAddress,
                Link::Down | Link::Idle | Link::Connecting { .. } => Holdup::Connecting,
                Link::Backoff { .. } => Holdup::Backoff,
                Link::Parting { .. } => Holdup::Parting,
                Link::Up(_) | Link::Draining(_) => snapshot.holdup,
            };
        }
        Some(snapshot)
    }

    /// The messages that this write of the last step holds, in order: right after the step whose
    /// [`Write`](crate::Action::Write) it is. Under the plain protocol a write is one message.
    pub fn messages_of(
        &self,
        attempt: Attempt,
        stream: StreamId,
        chunks: &[Bytes],
    ) -> Vec<MessageId> {
        let outbound = &self.state.outbound;
        match self.config.protocol {
            Protocol::Lanes => outbound.messages_of_write(attempt, stream, chunks),
            Protocol::Plain => outbound.message_on(attempt, stream).into_iter().collect(),
            Protocol::Framed => outbound.messages_of_last_write(attempt),
        }
    }

    /// The lane that a stream of ours carries.
    pub fn lane_of(&self, attempt: Attempt, stream: StreamId) -> Option<Lane> {
        self.state.outbound.lane_of(attempt, stream)
    }
}
