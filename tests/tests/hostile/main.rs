//! Bad input against a live node: raw QUIC peers that hold a trusted key, or none, and say what no
//! correct peer says, over real sockets on loopback.
//!
//! Each test has an honest peer beside the hostile one, which sends numbered messages through the
//! same node all the time ([`scene::Scene`]). They arrive once each and in order, whatever the
//! hostile one does; what it does gets its typed answer, is counted, and takes up no more than its
//! share.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails where it cannot go on"
)]

mod configs;
mod datagrams;
mod framed;
mod frames;
mod handshakes;
mod identities;
mod lanes;
mod limits;
mod memory;
mod plain;
mod raw;
mod receipts;
mod scene;
mod sessions;
mod streams;
mod windows;
