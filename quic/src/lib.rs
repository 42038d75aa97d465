//! A sans-IO QUIC node for peer-sender: peers to dial, peers that dial in, and no I/O.

mod config;
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
    PeerHandle, PeerId, PeerStats, Sender, Transmit,
};

#[cfg(test)]
mod pair;
#[cfg(test)]
mod pair_tests;
