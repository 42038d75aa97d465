//! What is due, and when.

use std::net::IpAddr;

use peer_sender_core::Time;

use super::link::Datagram;
use super::op::{Junk, Place};

/// What is due at a moment.
#[derive(Debug)]
pub(super) enum Due {
    /// An operation of the scenario.
    Op(usize),
    Arrival(Datagram),
    /// A node's timer, unless it was moved.
    Wake(Place),
    /// An application takes its next message, unless it reads otherwise now.
    Read(Place),
    /// Somebody who is no node sends one a datagram.
    Stranger(Place, Junk),
    /// A node hears that a port of this host is closed.
    Closed(Place, IpAddr),
}

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) at: Time,
    pub(super) seq: u64,
    pub(super) due: Due,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

impl Entry {
    fn key(&self) -> (Time, u64) {
        (self.at, self.seq)
    }
}
