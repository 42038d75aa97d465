//! The protocols without lanes: `PeerSenderMachine` against `Sessions` over a model of QUIC whose
//! streams advance and are lost whenever chance says so, judged by an oracle that sees what both transports
//! had.
//!
//! `PEER_SENDER_SEEDS` sets how many seeds each protocol runs (600 by default), or which: `17..18` runs seed
//! 17 alone. A failure names its seed.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a violation ends the test"
)]

mod connections;
mod ends;
mod framed;
mod machines;
mod oracle;
mod pipes;
mod plain;
mod rng;
mod runs;
#[path = "../seeds/mod.rs"]
mod seeds;
#[path = "../twin/mod.rs"]
mod twin;
mod world;
