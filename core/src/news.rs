//! What a machine tells the user of its peer.

use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use crate::{Attempt, LinkError, Time};

/// What happened to a peer, for the user.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
pub enum PeerEvent {
    /// Dialling has begun.
    Connecting {
        /// The connection.
        attempt: Attempt,
        /// Where to.
        address: SocketAddr,
    },
    /// The peer has accepted us.
    Connected {
        /// The connection.
        attempt: Attempt,
    },
    /// The connection, or the attempt at one, has failed.
    Disconnected {
        /// Why.
        error: LinkError,
        /// When it will be tried again; none if it will not.
        retry_at: Option<Time>,
    },
    /// Waiting before the next attempt.
    BackoffStarted {
        /// Attempts that failed in a row, this one included.
        failures: u32,
        /// How long.
        delay: Duration,
        /// Until when.
        until: Time,
    },
    /// The peer's addresses were changed.
    AddressChanged {
        /// The addresses from here on.
        addresses: Vec<SocketAddr>,
    },
    /// The oldest message without an outcome is older than
    /// [`slow_after`](crate::ConfigBuilder::slow_after): the peer does not take messages as fast as
    /// they are handed over, or is not there.
    SlowPeer {
        /// When that message was accepted.
        since: Time,
    },
    /// The oldest message without an outcome is younger than half of
    /// [`slow_after`](crate::ConfigBuilder::slow_after) again, or there is none.
    SlowPeerCleared,
    /// The connection was ended in good order because nothing was said on it for
    /// [`disconnect_after`](crate::ConfigBuilder::disconnect_after). The next message dials.
    Idle,
    /// Every message is settled and nothing more will happen: always the last event.
    SenderStopped {
        /// Why.
        reason: StopReason,
    },
}

/// Why a sender ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
pub enum StopReason {
    /// It drained: every accepted message was answered by the receiver.
    Drained,
    /// The drain's deadline came first.
    DeadlineReached,
    /// It was told to stop at once.
    Aborted,
    /// The peer was removed.
    Removed,
    /// The configured limit of attempts or of time was reached.
    GaveUp,
    /// It answered a session that is forgotten: the peer's own process is gone, or did not come
    /// back in time.
    SessionForgotten,
}
