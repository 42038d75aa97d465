//! What a node tells its driver.

use std::net::SocketAddr;

use peer_sender_core::{
    Capacity, ConfigError, IncomingMessage, Lane, LinkError, MessageId, Outcome, PeerEvent,
    PeerKey, Rejected, SessionHandle, Time, Transfer, Unsent,
};
use thiserror::Error;

use super::{PeerHandle, Transmit};

/// One thing for the driver to do; see [`NodeMachine::poll_output`](super::NodeMachine::poll_output).
#[derive(Debug)]
pub enum Output<P> {
    /// Send datagrams; their bytes are in the caller's buffer.
    Transmit(Transmit),
    /// Tell the user.
    Event(NodeEvent<P>),
    /// Nothing is left to do before this moment, which lies after the `now` of the call; with
    /// none, before the next input. Ends the loop.
    Timeout(Option<Time>),
}

/// What happened in a node. Messages are batched, so that nothing here costs per message.
#[derive(Debug)]
pub enum NodeEvent<P> {
    /// Outcomes of one step of a peer's machine, in the order in which they fell.
    Settled {
        /// Whom the messages were for.
        to: Target,
        /// Each message with its only outcome.
        settled: Vec<(MessageId, Outcome)>,
    },
    /// The times of the messages of one step, whose outcomes come next, if the node keeps them
    /// ([`transfers`](crate::NodeConfigBuilder::transfers)). Of peers that it dials alone.
    Transferred {
        /// Whom the messages were for.
        to: Target,
        /// Each message that had been accepted, at least one; lane by lane.
        transfers: Vec<Transfer>,
    },
    /// Messages that failed when their machine ended, without having been sent or received: after
    /// their outcomes, and before the last word of the machine.
    HandedBack {
        /// Whom they were for.
        to: Target,
        /// The messages, at least one.
        unsent: Vec<Unsent>,
    },
    /// A message that was queued is not accepted, and handed back.
    Rejected {
        /// Whom it was for.
        to: Target,
        /// The name it would have had.
        id: MessageId,
        /// The lane that it was for.
        lane: Lane,
        /// Why, and the message.
        rejected: Rejected,
    },
    /// Messages left a lane's queue in a step.
    Room {
        /// Whom they were for.
        to: Target,
        /// The lane.
        lane: Lane,
        /// What its machine would accept on the lane now.
        capacity: Capacity,
    },
    /// Something happened to a peer.
    Peer {
        /// The peer.
        peer: PeerHandle,
        /// What. After [`PeerEvent::SenderStopped`] nothing more comes of the peer, but a
        /// [`Rejected`](Self::Rejected) for each message that is queued later.
        event: PeerEvent,
    },
    /// Messages that came in one step, in order.
    Incoming {
        /// Where they come from: answers to them name it.
        source: Source,
        /// Who sent them.
        from: Sender<P>,
        /// The messages, at least one.
        messages: Vec<IncomingMessage>,
    },
    /// The node forgot where messages came from: answers to them are ignored from here on. Of a
    /// session this is the last that is heard, and every reply to it was settled before.
    Forgotten {
        /// Where they came from.
        source: Source,
    },
    /// A connection that somebody else dialled was turned away: by a limit of the node, or of what
    /// one host or one key gets ([`NodeConfig`](crate::NodeConfig), shares), for its identity, for
    /// a failed handshake, for a broken protocol, for a message that is too large or for streams
    /// that were cut too fast. For logs; counted in [`NodeStats`](super::NodeStats).
    InboundRejected {
        /// Where it came from.
        remote: SocketAddr,
        /// The key that was shown and proven, if the handshake came that far.
        key: Option<PeerKey>,
        /// Why. Where it was this node that ended the connection, this is what the other end is
        /// told.
        error: LinkError,
    },
}

/// Whom messages are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// A peer that this node dials.
    Peer(PeerHandle),
    /// A session of somebody who dialled this node: messages for it are replies.
    Session(SessionHandle),
}

/// Where messages come from. Never given out twice by one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// A session of somebody who dialled this node.
    Session(SessionHandle),
    /// The replies of a peer that this node dials, as long as the peer's process remembers what it
    /// sent.
    Peer {
        /// The peer.
        peer: PeerHandle,
        /// Counts how often the peer's sending half has begun anew.
        generation: u64,
    },
}

impl Source {
    /// Whom an answer in kind is for.
    pub fn target(self) -> Target {
        match self {
            Self::Session(session) => Target::Session(session),
            Self::Peer { peer, .. } => Target::Peer(peer),
        }
    }
}

/// Who sent a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sender<P> {
    /// The key it has proven to hold.
    pub key: PeerKey,
    /// The caller's own name for it, where the node has a peer with that key.
    pub peer: Option<P>,
}

/// Why a peer was not added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AddPeerError {
    /// A peer with this id exists.
    #[error(
        "the node has a peer with this id; stop and remove it first, or give this one another id"
    )]
    Duplicate,
    /// The node is stopping, or has stopped.
    #[error("the node was stopped; make a new one")]
    Stopped,
    /// The configuration does not suit what the node speaks: this field of it.
    #[error("the peer's configuration does not suit the node's protocol: {0}")]
    Protocol(ConfigError),
}
