//! What a machine asks for.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::net::SocketAddr;
use core::time::Duration;

use bytes::Bytes;

use crate::{
    Attempt, Capacity, CloseCode, Lane, MessageId, Outcome, PeerEvent, Priority, RejectReason,
    StreamId, Time, TransferId,
};

/// What the world must do; already decided.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Dial. Answered by `Connected` or `ConnectFailed`.
    Connect {
        /// The name of the connection to be.
        attempt: Attempt,
        /// Where to.
        address: SocketAddr,
    },
    /// Append these chunks to a stream, opening it if it is ours and new. At most one is under
    /// way per stream; `TransferFinished` answers it.
    Write {
        /// The name of this write.
        transfer: TransferId,
        /// The connection.
        attempt: Attempt,
        /// The stream.
        stream: StreamId,
        /// The bytes, none of them empty.
        chunks: Vec<Bytes>,
        /// Whether the stream ends behind them.
        fin: bool,
        /// The class in which the stream goes from here on; of streams that have something to
        /// send, those of a higher class go first.
        priority: Priority,
    },
    /// The machine waits before it dials again; `next_deadline` holds the same moment.
    ScheduleBackoff {
        /// The connection that failed.
        attempt: Attempt,
        /// How long.
        delay: Duration,
        /// Until when.
        until: Time,
    },
    /// Tell the user.
    Emit(PeerEvent),
    /// Hand a message to the application, which answers it with `Consumed` or `Refused`.
    Deliver(IncomingMessage),
    /// The outcome of an accepted message, its only one.
    Settle {
        /// The message.
        id: MessageId,
        /// What became of it.
        outcome: Outcome,
    },
    /// The payload of a message that failed when the machine ended, for whoever wants to send it by
    /// another way: it was not sent, or it is proven that it was not received. Comes after its
    /// `Settle`, in the same step.
    HandBack(Unsent),
    /// The message was not accepted.
    Reject {
        /// The name it would have had.
        id: MessageId,
        /// The lane that it was for.
        lane: Lane,
        /// Why.
        reason: RejectReason,
        /// The message, handed back.
        payload: Bytes,
    },
    /// Messages left the queue of a lane: this much would be accepted on it now.
    Room {
        /// The lane.
        lane: Lane,
        /// What would be accepted.
        capacity: Capacity,
    },
    /// The peer's sending half has begun anew, as after its restart: messages that were delivered
    /// before this action and are not answered can no longer be. No `Consumed` or `Refused` of
    /// them may reach the machine from here on, since it would be taken for an answer to a later
    /// message of the same number.
    ForgetDelivered,
    /// Take no further bytes of this stream from QUIC.
    PauseReading {
        /// The connection.
        attempt: Attempt,
        /// The stream.
        stream: StreamId,
    },
    /// Take bytes of this stream again.
    ResumeReading {
        /// The connection.
        attempt: Attempt,
        /// The stream.
        stream: StreamId,
    },
    /// Ask the other end's transport whether it is still there (PING, RFC 9000 section 19.2). Answered
    /// by `ProbeAnswered`, once it has answered what was sent from now on.
    Probe {
        /// The connection.
        attempt: Attempt,
    },
    /// Send no more on a stream (RESET_STREAM).
    ResetStream {
        /// The connection.
        attempt: Attempt,
        /// The stream.
        stream: StreamId,
        /// The application's code.
        code: CloseCode,
    },
    /// Read no more of a stream (STOP_SENDING).
    StopSending {
        /// The connection.
        attempt: Attempt,
        /// The stream.
        stream: StreamId,
        /// The application's code.
        code: CloseCode,
    },
    /// Close the connection, or give up dialling it. With lanes no event about it is waited for.
    ///
    /// Without them the other end was told that what has come by now arrived, and sends none of it again.
    /// So the machine still takes that, of paused streams as well, and then waits for `ConnectionLost`:
    /// both before anything of a connection that comes after.
    Close {
        /// The connection.
        attempt: Attempt,
        /// The application's code.
        code: CloseCode,
        /// Words for the other end's log.
        reason: String,
    },
}

/// A message that was accepted, and never sent or never received.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Unsent {
    /// The message.
    pub id: MessageId,
    /// Its lane.
    pub lane: Lane,
    /// What was to be delivered.
    pub payload: Bytes,
}

/// Tells the payload's size and not its bytes.
impl fmt::Debug for Unsent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unsent")
            .field("id", &self.id)
            .field("lane", &self.lane)
            .field("payload_bytes", &self.payload.len())
            .finish()
    }
}

/// A message for the application.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct IncomingMessage {
    /// Its lane.
    pub lane: Lane,
    /// Its number in the lane.
    pub number: u64,
    /// What was sent.
    pub payload: Bytes,
    /// When its last byte came.
    pub received_at: Time,
}

/// Tells the payload's size and not its bytes.
impl fmt::Debug for IncomingMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IncomingMessage")
            .field("lane", &self.lane)
            .field("number", &self.number)
            .field("payload_bytes", &self.payload.len())
            .field("received_at", &self.received_at)
            .finish()
    }
}
