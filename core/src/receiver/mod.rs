//! The accepting end: what became of each message that peers sent.
//!
//! A [`PeerReceiverMachine`] is one session of one peer, whole, over all its connections;
//! [`Sessions`] is the table of all sessions of an accepting node, and binds each accepted
//! connection to its session by the first OPEN on it.

mod canonical;
mod machine;
mod phase;
mod sessions;
mod unbound;

pub use canonical::ReceiverCanonical;
pub use machine::PeerReceiverMachine;
pub use sessions::{SessionHandle, SessionNews, Sessions, SessionsCanonical, SessionsConfig};
