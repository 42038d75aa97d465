//! A QUIC endpoint for peer-sender, without I/O.
//!
//! [`NodeMachine`] dials peers, listens, or both. It is handed datagrams and the time, and answers
//! with datagrams, events and the time at which it wants to be called again. Whoever owns a socket
//! and a timer can drive it; its documentation shows the loop.
//!
//! # Who is who
//!
//! A node is an [`Identity`]: a key, and a certificate that itself or an authority has signed. Peers
//! know it by its [`PeerKey`], the hash of its public key, or of its certificate in the Acki Nacki
//! network ([`Naming`]). The dialling end knows who must be at an address ([`PeerConfig`]), and takes
//! nobody else: the holder of a key, whom an [`Authority`] has certified by name, or whose key an
//! [`Owner`] has signed. The accepting end learns which key the dialler holds, and lets in whom it
//! trusts ([`Trust`]). Both happen inside TLS 1.3, or right after it and before the dialler counts
//! as connected, so that being connected means being accepted. Names and dates count only where an
//! authority is trusted.
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
//! datagrams, and neither their sizes nor their times, but that signatures of P-256 and P-384 keys
//! differ in length. Two things outlive a process, because they
//! are derived from the identity's secret: the key of stateless resets, and the mark by which a
//! node recognises its own connection ids. So a restarted listener tells its old peers at once that
//! it has forgotten them.
//!
//! [`PeerKey`]: peer_sender_core::PeerKey

mod authority;
mod certificate;
mod config;
mod congestion;
mod connection_id;
mod derive;
mod error;
mod identity;
mod naming;
mod node;
mod owner;
mod pem;
mod security;
#[cfg(feature = "simulation")]
pub mod simulation;
mod tls;
mod trace;
mod transport;
mod trust;

pub use authority::{Authority, AuthorityError, InvalidPeerName, Members, PeerName};
pub use config::{NodeConfig, NodeConfigBuilder};
pub use identity::{Identity, IdentityError};
pub use naming::Naming;
pub use node::{
    AddPeerError, ConnectionInfo, ConnectionRole, DatagramMeta, Ecn, NodeEvent, NodeMachine,
    NodeStats, OutgoingMessage, Output, PeerConfig, PeerHandle, PeerId, PeerSnapshot, PeerStats,
    Records, Sender, Source, Target, Transmit,
};
pub use owner::{InvalidOwner, Owner, OwnerKey};
pub use trace::Trace;
pub use trust::{Expected, Trust};

#[cfg(test)]
mod issue;
#[cfg(test)]
mod pair;
#[cfg(test)]
mod pair_tests;
