//! Who holds the places for connections that others dialled.
//!
//! A connection takes a place for as long as it takes up memory, from its first packet until QUIC
//! has forgotten it, which is some time after its close (RFC 9000 section 10.2). So whoever
//! connects and is closed, again and again, is counted like one who stays; but where places run
//! short, those of connections that are over go first.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv6Addr};

use peer_sender_core::PeerKey;

use super::LinkId;

/// What is known of who holds a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Holder {
    /// Whoever is there: it was not let in, or not yet.
    Host(IpAddr),
    /// Whoever has this share: it was let in.
    Share(PeerKey),
}

impl Holder {
    /// The stranger at this address. One host has a whole IPv6 network of 64 bits to draw its
    /// addresses from (RFC 4291 section 2.5.1), so all of it is taken for one.
    pub(super) fn stranger(address: IpAddr) -> Self {
        const NETWORK: u128 = !0 << 64;
        Self::Host(match address.to_canonical() {
            IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & NETWORK).into(),
            address @ IpAddr::V4(_) => address,
        })
    }
}

/// The places that are taken, and by whom.
#[derive(Debug, Default)]
pub(super) struct Places {
    taken: BTreeMap<LinkId, Holder>,
    /// How many of them are each holder's; none that has none.
    held: BTreeMap<Holder, usize>,
    /// Those whose connection is over and has said so, as far as that was to be said.
    over: BTreeSet<LinkId>,
}

impl Places {
    /// How many are taken.
    pub(super) fn len(&self) -> usize {
        self.taken.len()
    }

    /// How many of them this one holds.
    pub(super) fn held_by(&self, holder: Holder) -> usize {
        self.held.get(&holder).copied().unwrap_or_default()
    }

    /// The link's place is this one's from now on, whoever's it was.
    pub(super) fn take(&mut self, id: LinkId, holder: Holder) {
        self.give_back(id);
        self.taken.insert(id, holder);
        *self.held.entry(holder).or_default() += 1;
    }

    /// The link's connection is over; QUIC holds it for what may come late. Nothing happens if it had
    /// no place.
    pub(super) fn ended(&mut self, id: LinkId) {
        if self.taken.contains_key(&id) {
            self.over.insert(id);
        }
    }

    /// Of those that are over, the one that came first.
    pub(super) fn first_over(&self) -> Option<LinkId> {
        self.over.first().copied()
    }

    /// The link is gone. Nothing happens if it had no place.
    pub(super) fn give_back(&mut self, id: LinkId) {
        let Some(holder) = self.taken.remove(&id) else {
            return;
        };
        self.over.remove(&id);
        if let Some(held) = self.held.get_mut(&holder) {
            *held -= 1;
            if *held == 0 {
                self.held.remove(&holder);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stranger(address: &str) -> Holder {
        Holder::stranger(address.parse().unwrap())
    }

    #[test]
    fn a_network_of_64_bits_is_one_host() {
        assert_eq!(stranger("2001:db8::1"), stranger("2001:db8::ffff:0:0:1"));
        assert_ne!(stranger("2001:db8::1"), stranger("2001:db8:0:1::1"));
        assert_ne!(stranger("192.0.2.1"), stranger("192.0.2.2"));
        assert_eq!(stranger("::ffff:192.0.2.1"), stranger("192.0.2.1"));
        assert_ne!(stranger("::ffff:192.0.2.1"), stranger("::ffff:192.0.2.2"));
    }

    #[test]
    fn a_place_has_one_holder_at_a_time() {
        let (host, key) = (stranger("192.0.2.1"), Holder::Share(PeerKey([1; 32])));
        let held = |places: &Places| [places.len(), places.held_by(host), places.held_by(key)];
        let mut places = Places::default();
        places.take(LinkId(1), host);
        places.take(LinkId(2), host);
        assert_eq!(held(&places), [2, 2, 0]);
        places.take(LinkId(1), key);
        assert_eq!(held(&places), [2, 1, 1]);
        places.give_back(LinkId(2));
        places.give_back(LinkId(2));
        places.give_back(LinkId(3));
        assert_eq!(held(&places), [1, 0, 1]);
        places.ended(LinkId(1));
        places.ended(LinkId(4));
        assert_eq!(places.first_over(), Some(LinkId(1)));
        assert_eq!(held(&places), [1, 0, 1]);
        places.give_back(LinkId(1));
        assert_eq!(held(&places), [0, 0, 0]);
        assert_eq!(places.first_over(), None, "who has no place gives none up");
        assert!(places.held.is_empty(), "whoever has none costs nothing");
    }
}
