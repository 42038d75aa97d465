//! How a sender stands, for people to look at.

use core::net::SocketAddr;

use crate::table::Standing;
use crate::{LinkError, Time};

/// How a sender stands at one moment, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Snapshot {
    /// Where it stands.
    pub standing: Standing,
    /// Since when.
    pub since: Time,
    /// The address that it is connected to, or that was dialled last.
    pub address: Option<SocketAddr>,
    /// The last error of its connection, and when it came.
    pub last_error: Option<(LinkError, Time)>,
    /// Attempts that failed in a row.
    pub failures: u32,
    /// When it dials next, while it waits for that.
    pub next_attempt_at: Option<Time>,
    /// Messages that wait to be written.
    pub queued: u64,
    /// Their bytes.
    pub queued_bytes: u64,
    /// Messages written and not settled.
    pub in_flight: u64,
    /// Their bytes.
    pub in_flight_bytes: u64,
    /// Why nothing moves.
    pub holdup: Holdup,
}

/// What the next message waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Holdup {
    /// There is nothing to send, and nothing to be answered.
    NothingToDo,
    /// Everything is written; the peer's application has not answered it.
    AwaitsReceipts,
    /// Everything is written; the peer's transport has not acknowledged it (plain protocol).
    AwaitsAcknowledgement,
    /// The peer allows no further stream now, and what is to be sent needs one.
    AwaitsStreams,
    /// No address of the peer is known.
    NoAddress,
    /// The peer is not connected, and only it can dial: these are replies.
    AwaitsDialler,
    /// A connection is being made.
    Connecting,
    /// The last attempt failed; the next one has not come.
    Backoff,
    /// The peer has not answered a lane's OPEN.
    AwaitsResume,
    /// As much is in flight as may be: the peer's application does not take it as fast.
    FlightFull,
    /// QUIC has not taken the last write: its congestion or flow control holds it back.
    QuicBlocked,
    /// The connection is being ended in good order, before it is made anew.
    Parting,
    /// The sender has stopped.
    Stopped,
}

impl core::fmt::Display for Holdup {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::NothingToDo => "nothing to send",
            Self::AwaitsReceipts => "all is written; the peer's application has not answered it",
            Self::AwaitsAcknowledgement => {
                "all is written; the peer's transport has not acknowledged it"
            }
            Self::AwaitsStreams => "the peer allows no further stream now",
            Self::NoAddress => "no address of the peer is known",
            Self::AwaitsDialler => "the peer is not connected, and only it can dial",
            Self::Connecting => "a connection is being made",
            Self::Backoff => "the last attempt failed, and the next one has not come",
            Self::AwaitsResume => "the peer has not answered the opening of a lane",
            Self::FlightFull => {
                "the peer's application does not take messages as fast as they are sent"
            }
            Self::QuicBlocked => "the network, or the peer's flow control, takes no more now",
            Self::Parting => "the idle connection is being ended",
            Self::Stopped => "the sender has stopped",
        })
    }
}
