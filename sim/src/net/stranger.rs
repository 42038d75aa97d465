//! Somebody who is no node, who sees what goes over the network and sends what it likes, from any
//! address; and has no secret of any node's.

use std::collections::{BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use peer_sender_core::Time;
use peer_sender_quic::{NodeMachine, Output};

use super::amplification::{ID_BYTES, LONG, ids};
use super::due::Due;
use super::link::{Datagram, below};
use super::op::{Junk, Place};
use super::provider::Seeded;
use super::report::{Fault, mix};
use super::setup::{Setup, stranger};
use super::world::World;
use crate::tape::Rng;

/// Datagrams of nodes that it keeps.
const SEEN: usize = 64;

/// How long what it sends is under way, at most: it may overtake what it has seen.
const UNDER_WAY: Duration = Duration::from_millis(30);

/// The stranger.
pub(super) struct Stranger {
    rng: Rng,
    /// What nodes have sent, the newest last.
    seen: VecDeque<Datagram>,
    /// Nodes' addresses from which it has seemed to send.
    spoofed: BTreeSet<SocketAddr>,
    addresses: u16,
    /// Writes its first packets. None as long as there were none.
    dialler: Option<Dialler>,
}

/// A node that nobody trusts, of which only first packets are used.
struct Dialler {
    node: NodeMachine<u64>,
    dialled: u64,
    // Behind the node, which must not outlive it.
    _seeded: Option<Seeded>,
}

impl Stranger {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            rng: Rng::new(mix(seed, 0x7374_7261)),
            seen: VecDeque::new(),
            spoofed: BTreeSet::new(),
            addresses: 0,
            dialler: None,
        }
    }

    /// Whether it has seemed to be whoever is at this address: what comes there may answer the stranger.
    pub(super) fn has_spoofed(&self, address: SocketAddr) -> bool {
        self.spoofed.contains(&address)
    }

    /// Sees what a node sends.
    pub(super) fn see(&mut self, datagram: &Datagram) {
        if self.seen.len() == SEEN {
            self.seen.pop_front();
        }
        self.seen.push_back(datagram.clone());
    }

    /// An address that nobody has had, of the family of this one.
    fn address(&mut self, towards: SocketAddr) -> SocketAddr {
        self.addresses = self.addresses.wrapping_add(1);
        let ([high, low], port) = (self.addresses.to_be_bytes(), towards.port());
        match towards.is_ipv6() {
            true => SocketAddr::from(([0xfd01, 0, 0, self.addresses, 0, 0, 0, 1], port)),
            false => SocketAddr::from(([172, 16, high, low], port)),
        }
    }

    /// Something that was sent to this address; `of` says what it may be.
    fn seen_to(&mut self, to: SocketAddr, of: impl Fn(&[u8]) -> bool) -> Option<Datagram> {
        let fits = |it: &&Datagram| it.to == to && of(&it.bytes);
        let count = self.seen.iter().filter(fits).count();
        let place = self.rng.below(count as u64) as usize;
        self.seen.iter().filter(fits).nth(place).cloned()
    }

    fn random(&mut self, most: u64) -> Vec<u8> {
        let mut bytes = vec![0; self.rng.below(most) as usize];
        self.rng.fill(&mut bytes);
        bytes
    }

    /// What looks like version negotiation for a connection that it has seen, or is of a version
    /// that nobody speaks.
    fn versions(&mut self, seen: Option<&Datagram>) -> Vec<u8> {
        const SPOKEN_BY_NOBODY: u32 = 0x5a5a_5a5a;
        const FIRST_PACKET: usize = 1_200;
        let own = [self.random(21), self.random(21)];
        let known = seen.and_then(|it| ids(&it.bytes));
        let (to, from) = known.unwrap_or((&own[0], &own[1]));
        let negotiates = self.rng.below(2) == 0;
        let version = match negotiates {
            true => 0,
            false => SPOKEN_BY_NOBODY,
        };
        let mut bytes = vec![LONG | self.rng.below(128) as u8];
        bytes.extend(u32::to_be_bytes(version));
        for id in [to, from] {
            bytes.push(id.len() as u8);
            bytes.extend(id);
        }
        if negotiates {
            for _ in 0..=self.rng.below(4) {
                let version = self.rng.next_u64() as u32 | 0x100;
                bytes.extend(version.to_be_bytes());
            }
        } else {
            bytes.resize(FIRST_PACKET, 0);
        }
        bytes
    }

    /// What looks like a stateless reset (RFC 9000 section 10.3), for a connection that it has seen.
    fn reset(&mut self, seen: Option<&Datagram>) -> Vec<u8> {
        const SHORT: u8 = 0x40;
        let mut bytes = vec![0; 21 + self.rng.below(80) as usize];
        self.rng.fill(&mut bytes);
        let id = seen.and_then(|it| it.bytes.get(1..=ID_BYTES));
        if let (Some(id), Some(place)) = (id, bytes.get_mut(1..=ID_BYTES)) {
            place.copy_from_slice(id);
        }
        if let Some(first) = bytes.first_mut() {
            *first = SHORT | *first & 0x3f;
        }
        bytes
    }
}

impl Dialler {
    fn new(setup: &Setup, chance: u64) -> Option<Self> {
        let (node, seeded) = stranger(setup, chance).ok()?;
        Some(Self {
            node,
            dialled: 0,
            _seeded: seeded,
        })
    }

    /// The first packet of a connection to this address.
    fn first_packet(&mut self, now: Time, setup: &Setup, to: SocketAddr) -> Option<Vec<u8>> {
        let config = setup.peer(0, vec![to]).ok()?;
        self.dialled += 1;
        let peer = self.node.add_peer(now, self.dialled, config).ok()?;
        let mut buffer = Vec::new();
        let mut packet = None;
        loop {
            match self.node.poll_output(now, &mut buffer) {
                Output::Transmit(transmit) if packet.is_none() => {
                    packet = buffer.get(..transmit.size).map(<[u8]>::to_vec);
                    self.node.remove_peer(peer);
                }
                Output::Transmit(_) | Output::Event(_) => {}
                Output::Timeout(_) => break,
            }
        }
        packet
    }
}

impl World<'_> {
    /// A stranger sends one datagram of this kind to a node.
    pub(super) fn strange(&mut self, to: Place, what: Junk) {
        let (Some(host), Some(stranger)) = (self.hosts.get(usize::from(to)), &mut self.stranger)
        else {
            return;
        };
        let v6 = host.address_v6.filter(|_| stranger.rng.below(2) == 0);
        let address = v6.unwrap_or(host.address);
        let any = |_: &[u8]| true;
        let own = stranger.address(address);
        let (fault, from, bytes) = match what {
            Junk::FirstPackets => {
                let chance = mix(self.setup.settings.seed, 0x6469_616c);
                if stranger.dialler.is_none() {
                    stranger.dialler = Dialler::new(&self.setup, chance);
                }
                let dialler = stranger.dialler.as_mut();
                let packet = dialler.and_then(|it| {
                    it.node.handle_timeout(self.now);
                    it.first_packet(self.now, &self.setup, address)
                });
                let Some(packet) = packet else { return };
                (Fault::FirstPacket, own, packet)
            }
            Junk::Random => {
                let bytes = stranger.random(1_500);
                let spoofed = stranger.seen_to(address, any).map(|it| it.from);
                let from = spoofed.filter(|_| stranger.rng.below(2) == 0);
                (Fault::Random, from.unwrap_or(own), bytes)
            }
            Junk::Replays => {
                let Some(seen) = stranger.seen_to(address, any) else {
                    return;
                };
                (Fault::Stray, own, seen.bytes.to_vec())
            }
            Junk::Versions => {
                let long = |it: &[u8]| it.first().is_some_and(|first| first & LONG != 0);
                let seen = stranger.seen_to(address, long);
                let bytes = stranger.versions(seen.as_ref());
                (Fault::Versions, seen.map_or(own, |it| it.from), bytes)
            }
            Junk::Resets => {
                let short = |it: &[u8]| it.first().is_some_and(|first| first & LONG == 0);
                let seen = stranger.seen_to(address, short);
                let bytes = stranger.reset(seen.as_ref());
                (Fault::Reset, seen.map_or(own, |it| it.from), bytes)
            }
        };
        let at = self.now + below(&mut stranger.rng, UNDER_WAY);
        if from != own {
            stranger.spoofed.insert(from);
        }
        self.report.faults.count(fault);
        let datagram = Datagram {
            sender: None,
            reset: false,
            from,
            to: address,
            ecn: None,
            bytes: Bytes::from(bytes),
        };
        self.push(at, Due::Arrival(datagram));
    }

    /// A stranger begins to send so many datagrams, one each so often.
    pub(super) fn strange_again(&mut self, to: Place, what: Junk, count: u32, every: Duration) {
        for number in 0..count {
            let at = self.now + every.saturating_mul(number);
            self.push(at, Due::Stranger(to, what));
        }
    }
}
