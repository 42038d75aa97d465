//! A message of a sending half, waiting or begun.

use bytes::Bytes;

use crate::stats::Aside;
use crate::{MessageId, Outcome, Time};

/// A message that has no outcome.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Message {
    pub(super) id: MessageId,
    pub(super) payload: Bytes,
    pub(super) accepted_at: Time,
    pub(super) expires_at: Option<Time>,
}

/// One number of the lane.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) enum Slot {
    /// Its message has begun and has no outcome.
    Open(Begun),
    /// Its message is settled; the number is passed over with SKIP where it comes up again. The id
    /// stays, so that those of a flight ascend without a gap and can be bisected.
    Settled(MessageId),
}

/// A message that has begun and has no outcome.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Begun {
    pub(super) message: Message,
    pub(super) evidence: Evidence,
    pub(super) given_up: Option<GivenUp>,
    /// When it was first written, where anybody asks for that ([`Transfer`](crate::Transfer)).
    pub(super) begun_at: Aside<Option<Time>>,
}

/// What RESUMEs have shown of a message that was written on an earlier connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
pub(super) enum Evidence {
    /// Nothing: its fate is open.
    None,
    /// It was not received. Holds until its first byte is written again.
    NotReceived,
    /// No RESUME can prove that it was not received: none came before it was written, or a receiver
    /// that no longer remembers may have taken it. Holds for good.
    Unproven,
}

/// A message that nobody wants to be sent any more, too late for it not to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct GivenUp {
    pub(super) why: Why,
    pub(super) since: Time,
}

/// Why a message is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
pub(super) enum Why {
    /// The user took it back.
    Cancelled,
    /// Its time to live has ended.
    Expired,
}

impl Why {
    /// What becomes of the message once it is known that it was not received.
    pub(super) fn outcome(self) -> Outcome {
        match self {
            Self::Cancelled => Outcome::Cancelled,
            Self::Expired => Outcome::Expired,
        }
    }
}

impl Slot {
    /// The message that has, or had, the number.
    pub(super) fn message_id(&self) -> MessageId {
        match self {
            Self::Open(begun) => begun.message.id,
            Self::Settled(id) => *id,
        }
    }

    pub(super) fn begun(&self) -> Option<&Begun> {
        match self {
            Self::Open(begun) => Some(begun),
            Self::Settled(_) => None,
        }
    }

    pub(super) fn begun_mut(&mut self) -> Option<&mut Begun> {
        match self {
            Self::Open(begun) => Some(begun),
            Self::Settled(_) => None,
        }
    }
}

impl core::fmt::Debug for Message {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}({} B", self.id, self.payload.len())?;
        if let Some(at) = self.expires_at {
            write!(f, ", expires at {at}")?;
        }
        write!(f, ")")
    }
}

impl core::fmt::Debug for Slot {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Open(begun) => {
                write!(f, "{:?} {:?}", begun.message, begun.evidence)?;
                if let Some(given_up) = begun.given_up {
                    write!(f, " {:?} at {}", given_up.why, given_up.since)?;
                }
                Ok(())
            }
            Self::Settled(_) => write!(f, "settled"),
        }
    }
}
