//! Nodes under attack: what the targets share that speak QUIC to a node.
//!
//! All of it is without cryptography ([`peer_sender_quic::simulation::null`]), so that packets can be
//! made by hand, and so that the same bytes always lead to the same run.

pub(crate) mod frames;
pub(crate) mod intruder;
pub(crate) mod scene;
