//! The nodes of the tests, and what they send.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use bytes::Bytes;

use super::end::End;
use crate::{Identity, NodeConfig, Trust};

/// Where a node stands in its world.
pub(super) type Place = usize;

pub(super) fn identity(number: u8) -> Identity {
    Identity::from_secret([number; 32])
}

pub(super) fn address(place: Place) -> SocketAddr {
    SocketAddr::from(([10, 0, (place >> 8) as u8, place as u8], 4433))
}

/// A node that listens, and lets in whom it trusts.
pub(super) fn listener(number: u8, trust: Trust) -> NodeConfig {
    NodeConfig::builder(identity(number))
        .accept(trust)
        .build()
        .unwrap()
}

/// A node that only dials.
pub(super) fn dialler(number: u8) -> NodeConfig {
    NodeConfig::new(identity(number))
}

pub(super) fn trust(number: u8) -> Trust {
    Trust::Keys(BTreeSet::from([identity(number).key()]))
}

/// Messages that differ from one another, named from `first` on.
pub(super) fn messages(first: u64, count: u64) -> impl Iterator<Item = (u64, Bytes)> {
    (first..first + count).map(|id| (id, payload(id)))
}

pub(super) fn payload(id: u64) -> Bytes {
    Bytes::from(format!("message {id:06}").repeat(1 + id as usize % 7))
}

/// These messages, once each, in order.
pub(super) fn assert_received(end: &End, count: u64) {
    let received: Vec<_> = end
        .received
        .iter()
        .map(|(_, _, payload)| payload.clone())
        .collect();
    let expected: Vec<_> = messages(0, count).map(|(_, payload)| payload).collect();
    assert_eq!(received.len(), expected.len());
    assert!(received == expected, "the messages differ, or their order");
}
