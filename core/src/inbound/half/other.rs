//! The other end's sending half: a session's lanes, or messages without any. What only lanes have is
//! kept beside it, so that of lanes nothing is known here.

use alloc::vec::Vec;

use bytes::Bytes;

use crate::inbound::{Budget, FramedInbound, Place, PlainInbound, Reading};
use crate::{Attempt, Protocol, SessionId, Violation};

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum OtherHalf {
    /// This session, and no other.
    Fixed(SessionId),
    /// The session that was opened last: a new one takes the place of the one before.
    Latest(Option<SessionId>),
    /// Messages without sessions and lanes, one a stream.
    Plain(PlainInbound),
    /// Messages without sessions and lanes, all on one stream.
    Framed(FramedInbound),
}

impl OtherHalf {
    /// One that has not been heard of.
    pub(super) fn of(protocol: Protocol) -> Self {
        match protocol {
            Protocol::Lanes => Self::Latest(None),
            Protocol::Plain => Self::Plain(PlainInbound::new()),
            Protocol::Framed => Self::Framed(FramedInbound::new()),
        }
    }

    pub(super) fn protocol(&self) -> Protocol {
        match self {
            Self::Fixed(_) | Self::Latest(_) => Protocol::Lanes,
            Self::Plain(_) => Protocol::Plain,
            Self::Framed(_) => Protocol::Framed,
        }
    }

    /// Whether something is lost that nobody sends again if a stream ends here.
    pub(super) fn loses(&self, reading: &Reading) -> bool {
        match self {
            Self::Fixed(_) | Self::Latest(_) => false,
            Self::Plain(_) => reading.begun,
            Self::Framed(_) => reading.is_within(),
        }
    }

    /// The connection is gone: keeps what came whole on a stream and has no room, until there is some.
    /// False if something is lost that nobody sends again.
    pub(super) fn keep(
        &mut self,
        place: Place,
        reading: &mut Reading,
        message_bytes_max: usize,
    ) -> bool {
        match self {
            Self::Fixed(_) | Self::Latest(_) => true,
            Self::Plain(plain) => !reading.begun || reading.fin && plain.keep(place),
            Self::Framed(framed) => framed.keep(place, reading, message_bytes_max),
        }
    }

    /// The next message that was kept, with its number, if there is room for it now.
    pub(super) fn take_late(&mut self, budget: &mut Budget) -> Option<(u64, Bytes)> {
        match self {
            Self::Fixed(_) | Self::Latest(_) => None,
            Self::Plain(plain) => plain.take_late(budget),
            Self::Framed(framed) => framed.take_late(budget),
        }
    }

    /// How many messages were kept.
    pub(super) fn late(&self) -> u64 {
        match self {
            Self::Fixed(_) | Self::Latest(_) => 0,
            Self::Plain(plain) => plain.late(),
            Self::Framed(framed) => framed.late(),
        }
    }

    /// Nothing more comes on this connection.
    pub(super) fn lose_all(&mut self, attempt: Attempt, budget: &mut Budget) {
        match self {
            Self::Fixed(_) | Self::Latest(_) => {}
            Self::Plain(plain) => plain.lose_all(attempt, budget),
            Self::Framed(framed) => framed.lose_all(attempt, budget),
        }
    }

    /// Forgets all messages. A session stays the one that it was.
    pub(super) fn forget(&mut self) {
        match self {
            Self::Fixed(_) | Self::Latest(_) => {}
            Self::Plain(plain) => *plain = PlainInbound::new(),
            Self::Framed(framed) => *framed = FramedInbound::new(),
        }
    }

    /// Whether any message ever came, but for the little that needs no room yet.
    pub(super) fn is_known(&self) -> bool {
        match self {
            Self::Fixed(_) | Self::Latest(_) => false,
            Self::Plain(plain) => plain.is_known(),
            Self::Framed(framed) => framed.is_known(),
        }
    }

    /// Whether a message waits for the application to take it or to answer it.
    pub(super) fn holds(&self) -> bool {
        match self {
            Self::Fixed(_) | Self::Latest(_) => false,
            Self::Plain(plain) => plain.holds(),
            Self::Framed(framed) => framed.holds(),
        }
    }

    /// Whether a message waits for room.
    pub(super) fn waits(&self) -> bool {
        match self {
            Self::Fixed(_) | Self::Latest(_) => false,
            Self::Plain(plain) => plain.waits(),
            Self::Framed(framed) => framed.waits(),
        }
    }

    /// Streams whose message waits for room.
    pub(super) fn waiting(&self) -> Vec<Place> {
        match self {
            Self::Fixed(_) | Self::Latest(_) => Vec::new(),
            Self::Plain(plain) => plain.waiting().collect(),
            Self::Framed(framed) => framed.waiting().collect(),
        }
    }

    /// Streams on which a message is coming, and whether it waits for room.
    pub(super) fn arriving(&self) -> Vec<(Place, bool)> {
        match self {
            Self::Fixed(_) | Self::Latest(_) => Vec::new(),
            Self::Plain(plain) => {
                let places = plain.places();
                places.map(|it| (it, plain.need(it).is_some())).collect()
            }
            Self::Framed(framed) => {
                let places = framed.places();
                places.map(|it| (it, framed.waits_at(it))).collect()
            }
        }
    }

    /// Gives connections other names, for states to be compared across histories.
    pub(super) fn rename(&mut self, name: impl Fn(Attempt) -> Attempt) {
        match self {
            Self::Fixed(_) | Self::Latest(_) => {}
            Self::Plain(plain) => plain.rename(name),
            Self::Framed(framed) => framed.rename(name),
        }
    }

    /// What it costs the budget.
    pub(super) fn cost(&self) -> usize {
        match self {
            Self::Fixed(_) | Self::Latest(_) => 0,
            Self::Plain(plain) => plain.cost(),
            Self::Framed(framed) => framed.cost(),
        }
    }

    pub(super) fn check(&self) -> Result<(), Violation> {
        match self {
            Self::Fixed(_) | Self::Latest(_) => Ok(()),
            Self::Plain(plain) => plain.check(),
            Self::Framed(framed) => framed.check(),
        }
    }
}
