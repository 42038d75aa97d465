//! What becomes of a message.

use core::fmt;

use bytes::Bytes;
use thiserror::Error;

/// The one outcome of an accepted message.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
#[must_use]
pub enum Outcome {
    /// The peer has it, as far as the level says.
    Delivered(Level),
    /// The receiver refused this message.
    Refused(RefuseCode),
    /// Its time to live ended first: it never reached the receiver's application, and never will.
    Expired,
    /// It was taken back in time: it never reached the receiver's application, and never will.
    Cancelled,
    /// It never reached the receiver's application, and never will.
    Failed(FailReason),
    /// It may or may not have arrived: the evidence is gone.
    Unknown(UnknownReason),
    /// Under [`Protocol::Framed`](crate::Protocol::Framed), the most that can be known: QUIC was given
    /// all of it, the peer's transport has acknowledged it, and has answered once more when the
    /// connection had stood for long enough ([`FRAMED_TRUSTED_AFTER`](crate::FRAMED_TRUSTED_AFTER)) for
    /// the peer not to be one that refuses us. Whether anybody has read it nobody says.
    Written,
}

impl Outcome {
    /// Whether the peer has the message.
    pub fn is_delivered(&self) -> bool {
        matches!(self, Self::Delivered(_))
    }
}

/// Who says that a message was delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
pub enum Level {
    /// The receiving application accepted it.
    Application,
    /// The peer's transport holds all of it; nothing is known of its application.
    Transport,
}

/// Why a receiver refused a message, on the wire as one number (`docs/wire.md`, REFUSE).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
pub enum RefuseCode {
    /// 1: larger than the receiver takes.
    TooLarge,
    /// 2: the application refused it.
    Application,
    /// 3: the application dropped it unanswered.
    Dropped,
    /// A code that this version has no name for.
    Other(u64),
    /// 4: it is not what the application's own format says. Under
    /// [`Protocol::Framed`](crate::Protocol::Framed), where no message can be refused alone, its
    /// connection is closed.
    Malformed,
}

impl RefuseCode {
    /// The number on the wire.
    pub fn to_wire(self) -> u64 {
        match self {
            Self::TooLarge => 1,
            Self::Application => 2,
            Self::Dropped => 3,
            Self::Malformed => 4,
            Self::Other(code) => code,
        }
    }

    /// The code that this number on the wire stands for.
    pub fn from_wire(code: u64) -> Self {
        match code {
            1 => Self::TooLarge,
            2 => Self::Application,
            3 => Self::Dropped,
            4 => Self::Malformed,
            other => Self::Other(other),
        }
    }
}

/// Why a message surely did not arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
pub enum FailReason {
    /// The sender was stopped before the message was sent.
    Stopped,
    /// The sender gave the peer up before the message was sent.
    GaveUp,
    /// The peer was removed before the message was sent.
    Removed,
    /// It was put out of a full queue by a newer one, as [`WhenFull::DropOldest`] says.
    ///
    /// [`WhenFull::DropOldest`]: crate::WhenFull::DropOldest
    Displaced,
    /// It was a reply to a session that is forgotten, and had not been sent.
    SessionForgotten,
    /// It was a reply under a protocol without lanes, and the one connection on which it could go is
    /// gone: it had not been sent whole.
    ConnectionLost,
}

/// Why a message's fate cannot be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
pub enum UnknownReason {
    /// The sender was stopped after the message had begun, before the receiver answered.
    Stopped,
    /// The sender gave the peer up after the message had begun, before the receiver answered.
    GaveUp,
    /// The peer was removed after the message had begun, before the receiver answered.
    Removed,
    /// It was cancelled, or its time to live had ended, after it had begun, and the receiver did not
    /// come back within the sender's [`patience`](crate::SendPolicy::patience) to say what it has;
    /// under [`Protocol::Plain`](crate::Protocol::Plain), it was not answered within that.
    Patience,
    /// The connection was lost after the message had begun, the protocol has no way to ask what
    /// became of it, and it is not sent again: it may be sent only once, was cancelled or had
    /// expired, or was a reply, which has no other connection.
    ConnectionLost,
    /// It was a reply, and the session that it answered was forgotten after it had begun, before
    /// the receiver answered.
    SessionForgotten,
    /// The receiver that may have taken it no longer remembers, and it cannot be sent again: it may
    /// be sent only once ([`Redelivery::AtMostOnce`]), or the one that answers now takes no message
    /// of its size.
    ///
    /// [`Redelivery::AtMostOnce`]: crate::Redelivery::AtMostOnce
    Forgotten,
}

/// A message that was not accepted, handed back.
#[derive(Clone, PartialEq, Eq, Error)]
#[error("message of {} bytes not accepted: {reason}", payload.len())]
pub struct Rejected {
    /// Why.
    pub reason: RejectReason,
    /// The message, untouched.
    pub payload: Bytes,
}

/// Tells the payload's size and not its bytes: an `unwrap` must not fill a log with them.
impl fmt::Debug for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rejected")
            .field("reason", &self.reason)
            .field("payload_bytes", &self.payload.len())
            .finish()
    }
}

/// Why a message was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
pub enum RejectReason {
    /// The queue holds as many messages, or as many bytes, as it may.
    #[error("the queue is full; wait for room, or raise queue_messages_max or queue_bytes_max")]
    QueueFull,
    /// It is larger than any message may be.
    #[error(
        "it has {bytes} bytes, the limit is {max}; split it, or raise message_bytes_max on both ends"
    )]
    TooLarge {
        /// The message's size.
        bytes: usize,
        /// The configured `message_bytes_max`.
        max: usize,
    },
    /// It is larger than what was reserved for it.
    #[error("it has {bytes} bytes, and {reserved} were reserved for it; reserve as many as it has")]
    BeyondReserved {
        /// The message's size.
        bytes: usize,
        /// What was reserved.
        reserved: usize,
    },
    /// Its time to live is zero: it could never be sent.
    #[error("ttl: must be above 0")]
    TtlZero,
    /// Room cannot be reserved in a queue that puts out its oldest messages.
    #[error("when_full: a queue that drops its oldest messages has no room to reserve; just send")]
    NothingToReserve,
    /// As many outcomes of posted messages are unread as may be.
    #[error("{max} outcomes of posted messages are unread; read them, or drop their stream")]
    OutcomesUnread {
        /// The limit.
        max: usize,
    },
    /// The sender is stopping or has stopped.
    #[error("the sender was stopped; make a new one to send more")]
    Stopped,
    /// The lane is not one of this sender's.
    #[error("lane {lane} is not one of this sender's")]
    UnknownLane {
        /// The lane that was asked for.
        lane: u8,
    },
    /// The id does not come after the ids given before (a fault of the driver).
    #[error("its id does not come after those given before")]
    IdNotIncreasing,
    /// It has no bytes, and the protocol has no empty messages.
    #[error("it has no bytes, and this protocol has no empty messages")]
    Empty,
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn a_rejected_payload_is_handed_back_and_not_printed() {
        let payload = Bytes::from_static(b"secret");
        let reason = RejectReason::QueueFull;
        let rejected = Rejected { reason, payload };
        assert_eq!(
            format!("{rejected:?}"),
            "Rejected { reason: QueueFull, payload_bytes: 6 }"
        );
    }
}
