//! What a machine is told, and what it asks for.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::net::SocketAddr;
use core::time::Duration;

use bytes::Bytes;

use crate::{
    Attempt, CloseCode, Lane, LinkError, MessageId, Outcome, RefuseCode, RejectReason, StreamId,
    Time, TransferId,
};

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

/// How to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StopMode {
    /// Accept nothing new, finish what can be finished within this time, then settle the rest.
    Drain(Duration),
    /// Settle everything now.
    Abort,
}

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
    /// The message was not accepted.
    Reject {
        /// The name it would have had.
        id: MessageId,
        /// Why.
        reason: RejectReason,
        /// The message, handed back.
        payload: Bytes,
    },
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
    /// Close the connection, or give up dialling it. No event about it is waited for.
    Close {
        /// The connection.
        attempt: Attempt,
        /// The application's code.
        code: CloseCode,
        /// Words for the other end's log.
        reason: String,
    },
}

/// What happened to a peer, for the user.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
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
    /// Every message is settled and nothing more will happen: always the last event.
    SenderStopped {
        /// Why.
        reason: StopReason,
    },
}

/// Why a sender ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StopReason {
    /// It drained: every accepted message was answered by the receiver.
    Drained,
    /// The drain's deadline came first.
    DeadlineReached,
    /// It was told to stop at once.
    Aborted,
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
