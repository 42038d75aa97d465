//! What can happen to a world, one thing at a time.

mod text;

pub(crate) use self::text::{letter, machine, name_of, read_places, value_of};

use std::time::Duration;

use peer_sender_core::{StopMode, WakeReason};

/// The two ends of a connection, and the machines that stand there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum End {
    /// Where the sender is.
    Dialler,
    /// Where the receiver is.
    Acceptor,
}

impl End {
    /// The one at the other side.
    pub fn other(self) -> Self {
        match self {
            Self::Dialler => Self::Acceptor,
            Self::Acceptor => Self::Dialler,
        }
    }
}

/// A connection, by the number of the sender's attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Conn(pub u32);

/// How much of what is under way is delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Amount {
    /// All of it.
    All,
    /// Up to the end of the frame that is at the front.
    Frame,
    /// The first half of the frame that is at the front.
    Half,
}

/// Why a connection is lost, or could not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Why {
    /// Nothing was heard for the idle timeout.
    Timeout,
    /// The other end no longer knows the connection.
    Reset,
    /// Nobody listens at the address.
    Unreachable,
    /// The other end takes no further connections.
    Busy,
    /// Our identity is refused: a permanent error.
    Refused,
    /// No QUIC version in common: a permanent error.
    Version,
    /// The close of the other end's machine arrives.
    PeerClosed,
    /// Somebody closed it with this code.
    Closed(u64),
}

/// A kind of event that names something which the machine no longer has, or never had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stale {
    /// `Connected`.
    Connected,
    /// `ConnectFailed`.
    Failed,
    /// `ConnectionLost`.
    Lost,
    /// `StreamOpened`.
    Opened,
    /// `BytesReceived`, on a stream of the other end's.
    Bytes,
    /// `BytesReceived`, on the way back of a stream of its own.
    Answer,
    /// `StreamReset`.
    Reset,
    /// `StreamStopped`.
    Stopped,
    /// `TransferFinished`; the number is that of a write.
    Transfer,
    /// `Cancel`; the number is a message's.
    Cancel,
}

impl Stale {
    /// Every kind.
    pub const ALL: [Self; 10] = [
        Self::Connected,
        Self::Failed,
        Self::Lost,
        Self::Opened,
        Self::Bytes,
        Self::Answer,
        Self::Reset,
        Self::Stopped,
        Self::Transfer,
        Self::Cancel,
    ];
}

/// One thing that happens. Its text form, one line each, is that of [`Display`](std::fmt::Display)
/// and [`FromStr`](std::str::FromStr).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Op {
    /// `send 0 5B [ttl 1s]`: the user sends a message of that many bytes on a lane. Messages are
    /// numbered from `#0` in the order in which they are offered.
    Send {
        /// The lane.
        lane: u8,
        /// Its size.
        bytes: u32,
        /// For how long it is of use.
        ttl: Option<Duration>,
    },
    /// `cancel #3`: the user takes a message back.
    Cancel {
        /// The message.
        id: u64,
    },
    /// `stop drain 10s`, `stop abort`, `stop remove`: the user ends the sender.
    Stop {
        /// How.
        mode: StopMode,
    },
    /// `wake operator` (or `contact`, `address`, `network`): a reason to dial now.
    Wake {
        /// Which.
        reason: WakeReason,
    },
    /// `addresses A B`, `addresses none`: the peer's addresses from here on.
    Addresses {
        /// Their letters, counted from 0.
        places: Vec<u8>,
    },
    /// `with cancel #3` (or `stop`, `wake`, `addresses`): the user asks for it in the very step in
    /// which the sender is told what comes next, and before that.
    With {
        /// For what.
        op: Box<Op>,
    },
    /// `accept a0`: the handshake is complete at the accepting end, and not confirmed yet.
    Accept {
        /// The connection.
        conn: Conn,
    },
    /// `confirm a0`: the handshake is confirmed at the dialling end (and complete at the other).
    Confirm {
        /// The connection.
        conn: Conn,
    },
    /// `fail a0 unreachable`: the attempt fails.
    Fail {
        /// The connection.
        conn: Conn,
        /// Why.
        why: Why,
    },
    /// `lose a0 dialler timeout`: one end learns that the connection is gone. The other end has it
    /// until it is told too, and what this end wrote may still arrive there.
    Lose {
        /// The connection.
        conn: Conn,
        /// The end that is told.
        end: End,
        /// Why.
        why: Why,
    },
    /// `deliver a0 up [s1] [frame|half]`: what is under way arrives, `up` from the dialling end or
    /// `down` to it: of all streams, or of one.
    Deliver {
        /// The connection.
        conn: Conn,
        /// Who wrote it.
        from: End,
        /// The stream, by its place among those that the dialling end opened. None: all of them,
        /// or, of a frame, the first that has one.
        stream: Option<u8>,
        /// How much.
        amount: Amount,
    },
    /// `written a0 up s0`: QUIC holds all of the write that is under way on a stream. By itself
    /// where `transfers` is `automatic`.
    Written {
        /// The connection.
        conn: Conn,
        /// Who wrote it.
        from: End,
        /// The stream.
        stream: u8,
    },
    /// `reset a0 up s0 7`: the reading end is told that the writing end has reset a stream, which
    /// its machine has not asked for.
    Reset {
        /// The connection.
        conn: Conn,
        /// Who writes the direction that is reset.
        from: End,
        /// The stream.
        stream: u8,
        /// The application's code.
        code: u64,
    },
    /// `halt a0 up s0 7`: the writing end is told that the reading end reads no more of a stream
    /// (STOP_SENDING), which its machine has not asked for.
    Halt {
        /// The connection.
        conn: Conn,
        /// Who writes the direction that is stopped.
        from: End,
        /// The stream.
        stream: u8,
        /// The application's code.
        code: u64,
    },
    /// `take 0`: the receiving application accepts the first message of a lane that it holds.
    Take {
        /// The lane.
        lane: u8,
    },
    /// `refuse 0 2`: the receiving application refuses it instead.
    Refuse {
        /// The lane.
        lane: u8,
        /// Its code.
        code: u64,
    },
    /// `advance 100ms`: time passes for both ends, and no timer fires.
    Advance {
        /// How much.
        by: Duration,
    },
    /// `fire`: time passes for both ends up to the next deadline of either, and its timer fires.
    /// `fire sender`, `fire receiver`: that end's clock runs to its own next deadline while the
    /// other stands still, since nothing compares them.
    Fire {
        /// Whose.
        end: Option<End>,
    },
    /// `tick sender`: a timer fires that nobody needs.
    Tick {
        /// Whose.
        end: End,
    },
    /// `back sender 1s`: an end's clock reads less than it did, for one step.
    Back {
        /// Whose.
        end: End,
        /// By how much.
        by: Duration,
    },
    /// `restart`: the accepting process is killed and starts anew, as another life with another
    /// epoch. The dialling end does not notice.
    Restart,
    /// `forget`: the accepting end forgets a session that has been without a connection for its
    /// time to live.
    Forget,
    /// `leave drain 1s`, `leave abort`: the accepting end stops in good order.
    Leave {
        /// How.
        mode: StopMode,
    },
    /// `heal`: from here on everything works: what is dialled is connected, what is written is
    /// delivered and accepted, timers fire, until nothing is left to do. Every message must have
    /// the outcome that it deserves by then, and so must a fresh one.
    Heal,
    /// `stale sender lost 7`: an event that names a connection (or write, or message) which that
    /// end does not have.
    Stale {
        /// Who is told.
        end: End,
        /// What.
        kind: Stale,
        /// What it names.
        number: u64,
    },
}
