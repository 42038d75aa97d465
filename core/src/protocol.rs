//! What a node speaks with its peers.

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
}

/// The most streams that the other end may have open under [`Protocol::Plain`], each with a message
/// that was not read to its end.
pub const PLAIN_STREAMS: u16 = 128;

/// What one of these streams may send before any of it is read, in bytes.
pub const PLAIN_STREAM_WINDOW: u32 = 128 << 10;
