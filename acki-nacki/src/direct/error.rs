//! What is not sent, not resolved, or not a message.

use std::fmt;

use peer_sender_driver::{AddPeerError, AddressesError, PeerId, RejectReason, Sender, Time};
use thiserror::Error;

use crate::{MalformedMessage, UnencodableMessage};

/// A message that was not accepted, handed back as it was given.
#[derive(Clone, PartialEq, Eq, Error)]
#[error("the message was not accepted: {reason}")]
pub struct DirectRejected<M> {
    /// Why.
    pub reason: DirectReason,
    /// The message, untouched.
    pub message: M,
}

/// Tells the reason and not the message: an `unwrap` must not fill a log with it.
impl<M> fmt::Debug for DirectRejected<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DirectRejected")
            .field("reason", &self.reason)
            .finish_non_exhaustive()
    }
}

impl<M> DirectRejected<M> {
    pub(super) fn new(reason: DirectReason, message: M) -> Self {
        Self { reason, message }
    }

    pub(super) fn handing_back<N>(self, message: N) -> DirectRejected<N> {
        DirectRejected::new(self.reason, message)
    }
}

/// Why a message was not accepted.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DirectReason {
    /// It cannot be written, or its receiver could not read it.
    #[error(transparent)]
    Unencodable(#[from] UnencodableMessage),
    /// The room of its peer, which is not resolved yet, is full: resolve it, or try again later.
    #[error("{messages_max} messages wait already for the peer to be resolved")]
    RoomFull {
        /// Messages that may wait for one peer.
        messages_max: usize,
    },
    /// All rooms together hold as many bytes as they may.
    #[error("messages of {bytes_max} bytes wait already for their peers to be resolved")]
    RoomBytes {
        /// Bytes that may wait.
        bytes_max: usize,
    },
    /// Messages wait for as many peers as they may.
    #[error("messages wait already for {peers_max} peers to be resolved")]
    UnresolvedPeers {
        /// Peers that may be waited for.
        peers_max: usize,
    },
    /// The peer's sender does not take it: its queue is full
    /// ([`QueueFull`](RejectReason::QueueFull)), or it takes none of this size.
    #[error(transparent)]
    Peer(#[from] RejectReason),
    /// [`Direct`](super::Direct) was stopped.
    #[error("direct sending was stopped")]
    Stopped,
}

/// Why a peer was not resolved; nothing was changed then, and what waits for it goes on waiting.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ResolveError {
    /// The node does not take it: somebody else has added a peer of this name to it, it does not speak
    /// what the peer is configured for, or it was stopped.
    #[error(transparent)]
    Peer(#[from] AddPeerError),
    /// The addresses cannot be dialled.
    #[error(transparent)]
    Addresses(#[from] AddressesError),
    /// The peer is resolved, with another key or another name in its certificate:
    /// [give it up](super::Direct::give_up) first.
    #[error("the peer is resolved as another one; give it up first")]
    AnotherIdentity,
}

/// A message that came in and is none: its connection is closed, and nothing of it is delivered.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("what {} sent is no message: {error}", from.key)]
pub struct MalformedFrom<P: PeerId> {
    /// Who sent it.
    pub from: Sender<P>,
    /// When its last byte came, on the node's clock.
    pub received_at: Time,
    /// How long it was.
    pub bytes: usize,
    /// What is wrong with it.
    pub error: MalformedMessage,
}
