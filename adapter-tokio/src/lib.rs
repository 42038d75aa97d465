//! Peer-sender on tokio.
mod runtime;
pub use peer_sender_driver::*;
pub use runtime::{Socket, Timer, Tokio};

/// A node on tokio; see [`peer_sender_driver::Node`].
pub type Node<P> = peer_sender_driver::Node<P, Tokio>;
