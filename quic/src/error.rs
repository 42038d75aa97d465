//! QUIC's errors in the machines' terms.
#![allow(clippy::todo, unused, missing_docs)]

use peer_sender_core::{LinkError, PeerKey};

use crate::tls::OfferedKey;

/// What is known of a connection that we dialled.
#[derive(Clone, Debug)]
pub(crate) struct DialContext {
    /// The key that we offer.
    pub(crate) ours: PeerKey,
    /// The key that the peer must have.
    pub(crate) pin: PeerKey,
    /// The key that the peer offered.
    pub(crate) offered: OfferedKey,
}

/// Why a connection ended. `dial`: none for one that was accepted.
pub(crate) fn link_error(
    error: &quinn_proto::ConnectionError,
    dial: Option<&DialContext>,
) -> LinkError {
    todo!()
}
