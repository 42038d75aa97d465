//! What a node's own books must say, and how much it may say to strangers.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use peer_sender_quic::{Source, Target};

use super::link::Datagram;
use super::op::Place;
use super::oracle::{Broken, broken};
use super::world::World;

/// The books are looked at in each such turn of a node: it costs as much as a turn.
const TURNS: u64 = 16;

/// Bytes that came from an address and went to it, until it has proven that it is real: by anything
/// that is not a first packet, or by a token that it was given (RFC 9000 section 8.1).
///
/// What comes for a connection from another address counts for the address that the connection talks
/// to, as well: quinn-proto adds it there. Whoever plays with that gains nothing, since all together
/// is still at most three times what it sent.
#[derive(Debug, Default)]
pub(super) struct Amplification {
    addresses: BTreeMap<(Place, SocketAddr), Account>,
    /// Whom a connection talks to, by each id that it was seen to have.
    connections: BTreeMap<(Place, Vec<u8>), SocketAddr>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Account {
    received: u64,
    sent: u64,
    proven: bool,
}

impl Amplification {
    pub(super) fn restarted(&mut self, place: Place) {
        self.addresses.retain(|(of, _), _| *of != place);
        self.connections.retain(|(of, _), _| *of != place);
    }

    pub(super) fn received(&mut self, place: Place, datagram: &Datagram) {
        let bytes = datagram.bytes.len() as u64;
        let account = self.addresses.entry((place, datagram.from)).or_default();
        account.received += bytes;
        account.proven |= proves(&datagram.bytes);
        let talks_to = match ids(&datagram.bytes) {
            Some((destination, _)) => {
                let connection = (place, destination.to_vec());
                Some(*self.connections.entry(connection).or_insert(datagram.from))
            }
            // A short header does not say how long its id is, which nodes give out.
            None => datagram.bytes.get(1..=ID_BYTES).and_then(|id| {
                let connection = (place, id.to_vec());
                self.connections.get(&connection).copied()
            }),
        };
        if let Some(talks_to) = talks_to.filter(|it| *it != datagram.from) {
            self.addresses
                .entry((place, talks_to))
                .or_default()
                .received += bytes;
        }
    }

    pub(super) fn sent(
        &mut self,
        place: Place,
        to: SocketAddr,
        datagram: &[u8],
    ) -> Result<(), Broken> {
        if let Some((_, source)) = ids(datagram) {
            self.connections.insert((place, source.to_vec()), to);
        }
        let account = self.addresses.entry((place, to)).or_default();
        // quinn-proto ends a datagram that it began while anything was left of three times what came.
        let begun_in_time = account.sent < 3 * account.received;
        account.sent += datagram.len() as u64;
        if account.proven || begun_in_time {
            return Ok(());
        }
        broken("I24", format!("node {place} to {to}: {account:?}"))
    }
}

const LONG: u8 = 0x80;

/// The length of the connection ids that nodes give out.
const ID_BYTES: usize = 12;

/// Whether whoever sent this has seen something that was sent to it.
fn proves(datagram: &[u8]) -> bool {
    const KIND: u8 = 0x30;
    let Some(&first) = datagram.first() else {
        return false;
    };
    if first & LONG == 0 || first & KIND != 0 {
        return true;
    }
    // An Initial, which may have a token.
    let token = ids(datagram).and_then(|(destination, source)| {
        let token = 7 + destination.len() + source.len();
        datagram.get(token).copied()
    });
    token.is_some_and(|length| length != 0)
}

/// The connection ids of a long header, the destination's first (RFC 8999 section 5.1).
fn ids(datagram: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&length, rest) = match datagram {
        [first, _, _, _, _, rest @ ..] if first & LONG != 0 => rest.split_first()?,
        _ => return None,
    };
    let (destination, rest) = rest.split_at_checked(usize::from(length))?;
    let (&length, rest) = rest.split_first()?;
    let (source, _) = rest.split_at_checked(usize::from(length))?;
    Some((destination, source))
}

impl World<'_> {
    /// Compares a node's own books with what the oracle knows, now and then.
    pub(super) fn look_at_books(&self, place: Place) -> Result<(), Broken> {
        let host = &self.hosts[usize::from(place)];
        match host.turns % TURNS {
            0 => self.compare_books(place),
            _ => Ok(()),
        }
    }

    pub(super) fn compare_books(&self, place: Place) -> Result<(), Broken> {
        let host = &self.hosts[usize::from(place)];
        // One that is frozen has not told what it has done last.
        let Some(node) = host.node.as_ref().filter(|_| !host.frozen) else {
            return Ok(());
        };
        let peers = host.dialled.values().map(|it| Target::Peer(it.handle));
        let sessions = host.sessions.values().map(|&it| Target::Session(it));
        let it = &self.setup.settings;
        let lanes = u64::from(it.lanes);
        for target in peers.chain(sessions) {
            let Some(channel) = self.oracle.find(place, host.life, target) else {
                continue;
            };
            let (Some(own), Some(stats)) = (
                self.oracle.channels.get(channel),
                node.peer_stats(target).map(|it| it.machine),
            ) else {
                continue;
            };
            let held = (
                stats.queued + stats.in_flight,
                stats.queued_bytes + stats.in_flight_bytes,
                stats.accepted,
            );
            if held != (own.open, own.open_bytes, own.accepted) {
                let told = (own.open, own.open_bytes, own.accepted);
                return broken(
                    "I2",
                    format!("node {place}, {target:?}: {stats:?}, not {told:?}"),
                );
            }
            if stats.queued > lanes * u64::from(it.queue_messages_max)
                || stats.in_flight > lanes * u64::from(it.flight_messages_max)
            {
                return broken("I21", format!("node {place} holds too much: {stats:?}"));
            }
        }
        self.compare_held(place)
    }

    /// What waits for an application has a limit: for each key that dials, and for each peer.
    fn compare_held(&self, place: Place) -> Result<(), Broken> {
        /// What a session that holds nothing may hold beside the limit, over all its lanes.
        const BESIDE: usize = (64 << 10) + 7 * (8 << 10);
        let host = &self.hosts[usize::from(place)];
        let it = &self.setup.settings;
        let (inbound, message) = (it.inbound_bytes_max as usize, it.message_bytes_max as usize);
        let held: usize = host.waiting.values().flatten().map(|it| it.bytes).sum();
        let mut most = usize::from(it.nodes) * inbound;
        for (source, _) in host.waiting.keys() {
            most += match source {
                Source::Session(_) => BESIDE,
                // A lane of which nothing is held may take one message beyond it.
                Source::Peer { .. } => inbound + message,
            };
        }
        match held <= most {
            true => Ok(()),
            false => broken(
                "I21",
                format!("node {place} holds {held} bytes, not {most}"),
            ),
        }
    }
}
