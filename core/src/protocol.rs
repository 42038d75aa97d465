//! What a node speaks with its peers.

use core::time::Duration;

use crate::CloseCode;
use crate::wire::Framing;

/// What a node speaks with its peers, all of them alike (`docs/wire.md`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
pub enum Protocol {
    /// `peer-sender/1`: up to eight ordered lanes, each one bidirectional stream. Messages are
    /// settled by what the receiving application says, and their fate is known after a lost
    /// connection.
    #[default]
    Lanes,
    /// One unidirectional stream per message: the payload, nothing else, then FIN. For peers that
    /// know QUIC and nothing of us. Messages are settled by what the peer's transport
    /// acknowledges; they have no order.
    Plain,
    /// One unidirectional stream for each direction, which lasts as long as its connection, with a
    /// length before each message: what nodes of the Acki Nacki network speak. Messages are ordered,
    /// and are settled as [`Written`](crate::Outcome::Written): nothing comes back.
    Framed,
}

impl Protocol {
    /// Whether messages go on lanes. Otherwise there is no session that outlives a connection, and
    /// nobody can be asked what became of a message.
    pub fn has_lanes(self) -> bool {
        match self {
            Self::Lanes => true,
            Self::Plain | Self::Framed => false,
        }
    }

    /// With what an end closes that stops before all is done. A node of the Acki Nacki network knows
    /// no code but that of a good end.
    pub(crate) fn parting_code(self) -> CloseCode {
        match self {
            Self::Lanes | Self::Plain => CloseCode::GoingAway,
            Self::Framed => CloseCode::Done,
        }
    }

    /// How streams are cut; none where each is one message.
    pub(crate) fn framing(self) -> Option<Framing> {
        match self {
            Self::Lanes => Some(Framing::Frames),
            Self::Plain => None,
            Self::Framed => Some(Framing::Lengths),
        }
    }
}

/// How long a connection must have stood under [`Protocol::Framed`] before the peer is asked whether it
/// is still there; once it has answered, what its transport acknowledges counts as written. A node that
/// wants none of us lets the handshake and the first writes succeed, and drops the connection only then,
/// in silence.
pub const FRAMED_TRUSTED_AFTER: Duration = Duration::from_millis(500);

/// The most streams that the other end may have open under [`Protocol::Plain`], each with a message
/// that was not read to its end.
pub const PLAIN_STREAMS: u16 = 128;

/// What one of these streams may send before any of it is read, in bytes.
pub const PLAIN_STREAM_WINDOW: u32 = 128 << 10;
