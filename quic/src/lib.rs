//! A QUIC endpoint for peer-sender, without I/O.
//!
//! [`NodeMachine`] dials peers, listens, or both. It is handed datagrams and the time, and answers
//! with datagrams, events and the time at which it wants to be called again. Whoever owns a socket
//! and a timer can drive it; its documentation shows the loop.
//!
//! # Who is who
//!
//! A node is an [`Identity`]: an Ed25519 key with a certificate that nobody but itself has signed.
//! Peers know it by its [`PeerKey`], the hash of its public key. There are no authorities, names or
//! dates. The dialling end knows the key that must be at an address ([`PeerConfig`]), and takes no
//! other. The accepting end learns which key the dialler holds, and lets in whom it trusts
//! ([`Trust`]). Both happen inside TLS 1.3, or right after it and before the dialler counts as
//! connected, so that being connected means being accepted.
//!
//! # What a peer can take
//!
//! Streams, windows, handshakes, connections, sessions and the bytes held for the application all
//! have limits ([`NodeConfig`]), whoever is at the other end. Connections without traffic are kept
//! up by the dialling end alone.
//!
//! # What is the same each time
//!
//! The crate reads no clock and draws no random number of its own: the time is an argument, and all
//! that QUIC needs chance for (connection ids, packet numbers, tokens) comes from the node's seed.
//! What TLS draws (key shares and nonces) comes from the system; it changes the contents of
//! datagrams, and neither their sizes nor their times. Two things outlive a process, because they
//! are derived from the identity's secret: the key of stateless resets, and the mark by which a
//! node recognises its own connection ids. So a restarted listener tells its old peers at once that
//! it has forgotten them.
//!
//! [`PeerKey`]: peer_sender_core::PeerKey

mod config;
mod congestion;
mod connection_id;
mod derive;
mod error;
mod identity;
mod node;
mod pem;
mod tls;
mod transport;

pub use config::{NodeConfig, NodeConfigBuilder, Trust};
pub use identity::{Identity, IdentityError};
pub use node::{
    AddPeerError, DatagramMeta, Ecn, NodeEvent, NodeMachine, NodeStats, Output, PeerConfig,
    PeerHandle, PeerId, PeerSnapshot, PeerStats, Sender, Source, Target, Transmit,
};

#[cfg(test)]
mod pair;
#[cfg(test)]
mod pair_tests;
