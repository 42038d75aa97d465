//! What a machine is told.

use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use bytes::Bytes;

use crate::{Attempt, Lane, LinkError, MessageId, RefuseCode, StreamId, Time, TransferId};

/// A fact from outside. Exhaustive on purpose: a new one must break every match on it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// The user handed a message over.
    MessageQueued {
        /// Its name, higher than that of every message before it.
        id: MessageId,
        /// The lane it goes on.
        lane: Lane,
        /// What is to be delivered.
        payload: Bytes,
        /// What is asked for it alone.
        options: MessageOptions,
    },
    /// The user takes a message back. One that has not begun is cancelled in this step; one that
    /// has begun is cancelled if a RESUME proves that it was not received, unknown if the receiver
    /// stays away for longer than the sender's patience, and else goes on. Under
    /// [`Protocol::Plain`](crate::Protocol::Plain), one that has begun is cancelled if its connection
    /// is lost before QUIC had all of it, and unknown if it is lost later, or if nothing shows within
    /// the patience.
    Cancel {
        /// The message.
        id: MessageId,
    },
    /// These are the peer's addresses from here on, tried in their order; none are known if it is
    /// empty. The queue is kept, and so is a connection to an address that is still among them.
    AddressesChanged {
        /// The addresses.
        addresses: Vec<SocketAddr>,
    },
    /// Something says that dialling makes sense now: cuts a wait short.
    Wake {
        /// What.
        reason: WakeReason,
    },
    /// The connection stands, and the peer has accepted our identity: on the dialling end the
    /// handshake is confirmed (RFC 9001 section 4.1.2), on the accepting end it is complete.
    Connected {
        /// The connection.
        attempt: Attempt,
    },
    /// The connection could not be made.
    ConnectFailed {
        /// The connection.
        attempt: Attempt,
        /// Why.
        error: LinkError,
    },
    /// The connection stood and is gone. All that its streams still held was reported before.
    ConnectionLost {
        /// The connection.
        attempt: Attempt,
        /// Why.
        error: LinkError,
    },
    /// The peer opened a stream.
    StreamOpened {
        /// The connection.
        attempt: Attempt,
        /// The stream.
        stream: StreamId,
    },
    /// The next bytes of a stream, in order and without gaps.
    BytesReceived {
        /// The connection.
        attempt: Attempt,
        /// The stream.
        stream: StreamId,
        /// The bytes; may be empty when only the end is news.
        bytes: Bytes,
        /// Whether the stream ends behind them.
        fin: bool,
    },
    /// The peer will send no more on a stream (RESET_STREAM).
    StreamReset {
        /// The connection.
        attempt: Attempt,
        /// The stream.
        stream: StreamId,
        /// The peer's application code.
        code: u64,
    },
    /// The peer will read no more of a stream (STOP_SENDING).
    StreamStopped {
        /// The connection.
        attempt: Attempt,
        /// The stream.
        stream: StreamId,
        /// The peer's application code.
        code: u64,
    },
    /// QUIC holds every byte of a write, and its FIN if it had one.
    TransferFinished {
        /// The write.
        transfer: TransferId,
    },
    /// The other end's transport has acknowledged all that we wrote on a stream, FIN included
    /// ("Data Recvd", RFC 9000 section 3.1). Says nothing of its application.
    StreamAcknowledged {
        /// The connection.
        attempt: Attempt,
        /// The stream.
        stream: StreamId,
    },
    /// The other end's transport has acknowledged every byte of a write, and of all writes before it
    /// on its stream. Told under [`Protocol::Framed`](crate::Protocol::Framed) alone. Says nothing of
    /// its application.
    TransferAcknowledged {
        /// The write.
        transfer: TransferId,
    },
    /// The other end's transport has answered on this connection, after a `Probe` was sent. Told under
    /// [`Protocol::Framed`](crate::Protocol::Framed) alone.
    ProbeAnswered {
        /// The connection.
        attempt: Attempt,
    },
    /// The application answered every delivered message of the lane below this number.
    Consumed {
        /// The lane.
        lane: Lane,
        /// The first number that is not answered.
        below: u64,
    },
    /// The application refused a delivered message. Comes before the [`Event::Consumed`] that
    /// covers it.
    Refused {
        /// The lane.
        lane: Lane,
        /// The message's number.
        number: u64,
        /// Why.
        code: RefuseCode,
    },
    /// The user asks the machine to end.
    Stop {
        /// How.
        mode: StopMode,
    },
    /// A deadline may have come; only the step's `now` matters.
    TimerFired,
}

impl Event {
    /// The connection that it is about; none if it names none.
    pub(crate) fn attempt(&self) -> Option<Attempt> {
        match self {
            Self::Connected { attempt }
            | Self::ConnectFailed { attempt, .. }
            | Self::ConnectionLost { attempt, .. }
            | Self::StreamOpened { attempt, .. }
            | Self::BytesReceived { attempt, .. }
            | Self::StreamReset { attempt, .. }
            | Self::StreamStopped { attempt, .. }
            | Self::StreamAcknowledged { attempt, .. }
            | Self::ProbeAnswered { attempt } => Some(*attempt),
            Self::MessageQueued { .. }
            | Self::Cancel { .. }
            | Self::AddressesChanged { .. }
            | Self::Wake { .. }
            | Self::TransferFinished { .. }
            | Self::TransferAcknowledged { .. }
            | Self::Consumed { .. }
            | Self::Refused { .. }
            | Self::Stop { .. }
            | Self::TimerFired => None,
        }
    }
}

/// What is asked for one message alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
pub struct MessageOptions {
    /// When it expires, by the machine's clock; the peer's time to live
    /// ([`SendPolicy::ttl`](crate::SendPolicy::ttl)) may end before. One that lies in the past expires
    /// in the step that brings it.
    pub expires_at: Option<Time>,
}

/// How to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
pub enum StopMode {
    /// Accept nothing new, finish what can be finished within this time, then settle the rest.
    Drain(Duration),
    /// Settle everything now.
    Abort,
    /// The peer is removed: as [`Abort`](Self::Abort), and outcomes and the last event say so. An
    /// accepting end that is told so aborts.
    Remove,
}

/// Why a sender that waits should dial now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
pub enum WakeReason {
    /// The peer has an address that it did not have before.
    NewAddress,
    /// The peer has dialled us, and has proven who it is.
    InboundContact,
    /// The user, or somebody who operates the program, asks for it.
    Operator,
    /// The host's own network has changed.
    NetworkChange,
}
