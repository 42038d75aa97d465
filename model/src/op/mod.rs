//! What can happen in a case. Each step is told relative to how things stand, so that it still
//! means something when steps before it are taken away.

pub mod text;

use std::time::Duration;

use peer_sender_core::{CertificateProblem, CloseCode, LinkError, PeerKey, WakeReason};

/// One thing that happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// The user hands a message over.
    Queue {
        lane: u8,
        bytes: usize,
        /// Whether the receiving application will refuse it.
        refused: bool,
        id: IdStep,
        /// For how long it is of use; nothing at all if zero.
        ttl: Option<Duration>,
    },
    /// The user takes a message back.
    Cancel(Which),
    /// The attempt under way is confirmed.
    Confirm,
    /// The connection, or the attempt at one, is gone.
    Lose(Trouble),
    /// QUIC has taken the write of this lane's stream.
    Taken { lane: u8 },
    /// So many more frames of this lane arrive at the receiver.
    Arrive { lane: u8, frames: usize },
    /// Frames of a connection that the sender has given up arrive at the receiver.
    ArriveLate { lane: u8, frames: usize },
    /// The receiving application answers so many of the lane's oldest messages that it holds.
    Accept { lane: u8, count: usize },
    /// The receiving application refuses one that is held, out of turn.
    Refuse { lane: u8, place: usize },
    /// So many frames of the way back reach the sender; of the last, all but one byte if `cut`.
    Answer { lane: u8, frames: usize, cut: bool },
    /// The receiver ends its way back before its time.
    GoAway { lane: u8 },
    /// The receiver cuts the lane's stream.
    Cut { lane: u8, stopped: bool, code: u64 },
    /// The receiver's process begins anew and has forgotten everything. The largest message that
    /// it takes from here on has so many bytes.
    Restart { bytes_max: usize },
    /// The receiver forgets the session and keeps its epoch.
    Forget,
    /// The receiver says on the way back what no correct one would.
    Lie { lane: u8, lie: Lie },
    /// Something says that dialling makes sense now.
    Wake(WakeReason),
    /// These are the peer's addresses from here on.
    Addresses(Vec<u8>),
    /// Time passes, and no step is made.
    Pause(Duration),
    /// Time passes, and the timer fires.
    Wait(Wait),
    /// The clock goes back by so much.
    Back(Duration),
    /// An event of something that is not there.
    Stale(Stale),
    /// The user asks for the end.
    Drain(Duration),
    /// The user asks for the end at once.
    Abort,
    /// The peer is removed.
    Remove,
}

/// Which id a message gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdStep {
    /// So many above the last one.
    Above(u64),
    /// The last one again, or so much below it.
    Below(u64),
}

/// Which message is meant, counted round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// One that waits.
    Queued(usize),
    /// One that has begun.
    Begun(usize),
    /// One that is settled.
    Settled(usize),
    /// One that never was.
    Unknown,
}

/// How long until the timer fires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Until the deadline.
    Due,
    /// Until the deadline, and it fires twice.
    Twice,
    /// Not until the deadline: a nanosecond less.
    Early,
    /// That much longer than the deadline.
    Late(Duration),
    /// That long, deadline or not.
    For(Duration),
}

/// What an event names that is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stale {
    /// An attempt that ended.
    ConnectedOld,
    /// An attempt that never was.
    ConnectedFuture,
    /// A confirmation of what stands already.
    ConnectedTwice,
    /// The loss of a connection that ended.
    LostOld,
    /// The failing of an attempt that never was.
    FailedFuture,
    /// Bytes on a stream of a connection that ended.
    BytesOld,
    /// Bytes on a stream that was not opened.
    BytesUnopened,
    /// The cutting of a stream of a connection that ended.
    CutOld,
    /// A write that was never made.
    TakenFuture,
    /// A write that was taken already.
    TakenTwice,
    /// A stream that the peer opened in a connection that ended.
    StreamOpenedOld,
    /// An answer to a reply that never came.
    ConsumedUnknown,
    /// The refusal of a reply that never came.
    RefusedUnknown,
}

/// What a receiver may say that is not so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lie {
    /// A RECEIPT that covers more than was sent.
    ReceiptAhead,
    /// A RECEIPT that covers all that was sent, whatever has arrived.
    ReceiptFalse,
    /// A RECEIPT that covers less than the last.
    ReceiptBack,
    /// A REFUSE of what was not sent.
    RefuseAhead,
    /// A REFUSE of what is covered already.
    RefuseCovered,
    /// A REFUSE of the lowest message that may be refused.
    RefuseFalse,
    /// A RESUME of the current record that holds nothing beyond the base.
    ResumeLow,
    /// A RESUME whose `next` is below the base.
    ResumeBelow,
    /// A RESUME whose `next` was never sent.
    ResumeAhead,
    /// A RESUME that has taken more than it has.
    ResumeCrossed,
    /// A RESUME of another record.
    ResumeOther,
    /// A frame of the other direction.
    WrongWay,
    /// A frame kind that is not known.
    UnknownFrame,
    /// A frame with a byte too many.
    LeftOver,
    /// The end inside a frame.
    Truncated,
    /// A frame that is to be passed over: no lie.
    Extension,
}

/// Why a connection is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    Silence,
    Reset,
    Unreachable,
    Busy,
    Closed(CloseCode),
    WrongIdentity,
    CertificateRefused,
    IdentityRefused,
    AlpnMismatch,
    VersionMismatch,
}

impl Trouble {
    /// As the machine is told of it.
    pub fn error(self) -> LinkError {
        let (ours, theirs) = (PeerKey([1; 32]), PeerKey([2; 32]));
        match self {
            Self::Silence => LinkError::IdleTimeout,
            Self::Reset => LinkError::Reset,
            Self::Unreachable => LinkError::Unreachable,
            Self::Busy => LinkError::Busy,
            Self::Closed(code) => LinkError::Closed {
                code,
                reason: String::new(),
            },
            Self::WrongIdentity => LinkError::WrongIdentity {
                expected: ours,
                offered: theirs,
            },
            Self::CertificateRefused => LinkError::CertificateRefused {
                why: CertificateProblem::Expired,
            },
            Self::IdentityRefused => LinkError::IdentityRefused { ours },
            Self::AlpnMismatch => LinkError::AlpnMismatch {
                offered: "peer-sender/1".into(),
            },
            Self::VersionMismatch => LinkError::VersionMismatch,
        }
    }

    /// I13: a wrong identity, a refused certificate, a refused identity, another protocol or
    /// version are permanent.
    pub fn is_permanent(error: &LinkError) -> bool {
        matches!(
            error,
            LinkError::WrongIdentity { .. }
                | LinkError::CertificateRefused { .. }
                | LinkError::IdentityRefused { .. }
                | LinkError::AlpnMismatch { .. }
                | LinkError::VersionMismatch
        )
    }
}
