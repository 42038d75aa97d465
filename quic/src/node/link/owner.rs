//! Who listens to a connection.

use peer_sender_core::{Attempt, PeerKey, Time};

use super::super::PeerHandle;
use crate::error::DialContext;
use crate::tls::Offered;

/// Who listens to what a connection has to say.
#[derive(Debug)]
pub(in crate::node) enum Owner {
    /// The machine of a peer that we dial.
    Dialled {
        peer: PeerHandle,
        attempt: Attempt,
        /// The handshake is confirmed (RFC 9001 section 4.1.2), and the machine knows it.
        confirmed: bool,
        context: DialContext,
    },
    /// Nobody yet: it waits for the next dial of a peer's machine.
    Spare {
        peer: PeerHandle,
        /// When it has taken too long to be confirmed.
        until: Time,
        context: DialContext,
    },
    /// Nobody yet: somebody dialled us and has not shown who it is.
    Handshaking {
        /// When it has taken too long.
        until: Time,
        /// What we have shown it.
        ours: PeerKey,
        /// What it has shown of itself within TLS, where that is judged there.
        offered: Offered,
    },
    /// The table of sessions.
    Accepted {
        attempt: Attempt,
        key: PeerKey,
        /// What the dialler knows us by.
        ours: PeerKey,
    },
    /// Nobody any more: QUIC ends it on its own (RFC 9000 section 10.2).
    Nobody,
}
