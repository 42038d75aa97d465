//! How a sending half treats its messages.

use core::time::Duration;

use super::ConfigError;
use crate::{LANES_MAX, Lane};

/// What a sending half does with messages that cannot go at once, or whose fate is open.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
pub struct SendPolicy {
    /// What becomes of a message whose connection was lost before it was answered:
    /// [`Redelivery::AtLeastOnce`] by default.
    pub redelivery: Redelivery,
    /// What becomes of a message for which a lane's queue has no room: [`WhenFull::Reject`] by
    /// default.
    pub when_full: WhenFull,
    /// How long a message may wait to be sent, from its acceptance on: above 0, none by default,
    /// which is for ever. A message may bring an earlier end of its own
    /// ([`MessageOptions::expires_at`](crate::MessageOptions::expires_at)).
    pub ttl: Option<Duration>,
    /// How long the receiver may stay away while a message that has begun is given up (cancelled,
    /// or past its time to live), before its fate is called unknown: 10 s by default. Zero is legal,
    /// and means that such a message is unknown as soon as there is no connection to ask on. Under
    /// [`Protocol::Plain`](crate::Protocol::Plain) there is nobody to ask: it runs from the moment
    /// when the message is given up, with the receiver there, and zero means unknown at once.
    pub patience: Duration,
    /// The class of each lane: [`Priority::Normal`] by default.
    pub priorities: [Priority; LANES_MAX as usize],
}

impl Default for SendPolicy {
    fn default() -> Self {
        Self {
            redelivery: Redelivery::default(),
            when_full: WhenFull::default(),
            ttl: None,
            patience: Duration::from_secs(10),
            priorities: [Priority::Normal; LANES_MAX as usize],
        }
    }
}

impl SendPolicy {
    /// The class of a lane.
    pub fn priority(&self, lane: Lane) -> Priority {
        let class = self.priorities.get(usize::from(lane.0));
        class.copied().unwrap_or_default()
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        match self.ttl {
            Some(Duration::ZERO) => Err(ConfigError::new("ttl", "must be above 0")),
            Some(_) | None => Ok(()),
        }
    }
}

/// What becomes of a message whose connection was lost before it was answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
pub enum Redelivery {
    /// It is sent again unless the receiver is known to have it. While the receiver remembers, its
    /// application sees the message once; one that has lost its memory may see it again.
    #[default]
    AtLeastOnce,
    /// It is sent again only where it is proven that the receiver does not have it, and else ends as
    /// unknown. The receiver proves it, which costs one round trip at the first use of each lane.
    /// Under [`Protocol::Plain`](crate::Protocol::Plain) nobody is asked, and it costs nothing: it is
    /// proven of a message that QUIC had not been given whole when its connection was lost.
    AtMostOnce,
}

/// What becomes of a message for which the queue has no room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
pub enum WhenFull {
    /// It is handed back.
    #[default]
    Reject,
    /// It is accepted, and the oldest messages that wait in its lane make room: each fails at once
    /// as [`Displaced`](crate::FailReason::Displaced). What has begun is never put out.
    DropOldest,
}

/// A lane's class. Of the lanes that have more to send than the connection takes, those of the
/// highest class go first.
///
/// No lane starves: each sixteenth write of such a lane goes out in the lowest class that has a
/// message without an outcome, where it takes turns with all others, datagram by datagram, until it
/// writes again. A write is up to 256 KiB, or one message. So beside busy lanes of a higher class
/// every other lane gets about a twentieth of what each of those gets, if it has enough to send; all
/// that are below them are equal meanwhile, whatever their class. A lane whose messages wait for its
/// own receiver's application, so that it writes nothing, is not busy, and holds nobody down.
///
/// Lanes of one class share alike: they take turns with each datagram, or with up to sixteen writes
/// where a lower one has something to send.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
pub enum Priority {
    /// After all others: bulk.
    Low,
    /// Lanes are equal unless told otherwise.
    #[default]
    Normal,
    /// Before all others: what others wait for.
    High,
}
