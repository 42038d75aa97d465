//! How much nodes say to whoever has not proven to be where it says.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use peer_sender_core::Time;

use super::link::Datagram;
use super::op::Place;
use super::oracle::{Broken, broken};

/// Bytes that came from an address and went to it, until it has proven that it is real: by anything
/// that is not a first packet, or by a token that it was given (RFC 9000 section 8.1).
///
/// What comes for a connection from another address counts for the address that the connection talks
/// to, as well: quinn-proto adds it there. Whoever plays with that gains nothing, since all together
/// is still at most three times what it sent.
#[derive(Debug)]
pub(super) struct Amplification {
    /// How many handshakes a node lets be under way.
    handshakes_max: usize,
    /// Handshakes that nodes went into with strangers who have proven nothing, by their own clocks.
    begun: BTreeMap<Place, VecDeque<(Time, SocketAddr)>>,
    addresses: BTreeMap<(Place, SocketAddr), Account>,
    /// Whom a connection may talk to.
    connections: BTreeMap<(Place, Name), BTreeSet<SocketAddr>>,
    /// Who sends to each connection id.
    senders: BTreeMap<Vec<u8>, Place>,
}

/// What a connection is known by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Name {
    /// An id that it was seen to have.
    Id(Vec<u8>),
    /// It is one of those that this node talks on: which of their ids belong together is not to be seen.
    Of(Place),
}

#[derive(Clone, Copy, Debug, Default)]
struct Account {
    received: u64,
    sent: u64,
    /// Datagrams from there that may have moved a connection there.
    moves: u64,
    proven: bool,
    /// A handshake was begun with whoever is there.
    met: bool,
}

impl Amplification {
    pub(super) fn new(handshakes_max: usize) -> Self {
        Self {
            handshakes_max,
            begun: BTreeMap::new(),
            addresses: BTreeMap::new(),
            connections: BTreeMap::new(),
            senders: BTreeMap::new(),
        }
    }

    /// A node has forgotten the handshakes that were under way, or they are over at once.
    pub(super) fn forgot_handshakes(&mut self, place: Place) {
        self.begun.remove(&place);
    }

    pub(super) fn restarted(&mut self, place: Place) {
        self.forgot_handshakes(place);
        self.addresses.retain(|(of, _), _| *of != place);
        self.connections.retain(|(of, _), _| *of != place);
    }

    pub(super) fn received(&mut self, place: Place, datagram: &Datagram) {
        let bytes = datagram.bytes.len() as u64;
        let account = self.addresses.entry((place, datagram.from)).or_default();
        account.received += bytes;
        match datagram.sender {
            Some(_) => account.proven |= proves(&datagram.bytes),
            // Whatever a stranger has got hold of, nothing of what was sent to it came there.
            None => account.moves += u64::from(is_short(&datagram.bytes)),
        }
        let id = destination(&datagram.bytes);
        let name = self.name(id);
        let mut known = self.known(place, &Name::Id(id.to_vec()));
        known.extend(self.known(place, &name));
        known.remove(&datagram.from);
        for other in known {
            let other = self.addresses.entry((place, other)).or_default();
            other.received += bytes;
        }
        // A first packet begins a connection, and whatever a stranger sends may move one.
        if is_short(&datagram.bytes) && datagram.sender.is_some() {
            return;
        }
        self.knows(place, name, datagram.from);
    }

    /// A node has sent this, to whomever.
    pub(super) fn posted(&mut self, place: Place, datagram: &[u8]) {
        self.senders.insert(destination(datagram).to_vec(), place);
    }

    fn name(&self, id: &[u8]) -> Name {
        match self.senders.get(id) {
            Some(&sender) => Name::Of(sender),
            None => Name::Id(id.to_vec()),
        }
    }

    fn known(&self, place: Place, name: &Name) -> BTreeSet<SocketAddr> {
        let known = self.connections.get(&(place, name.clone()));
        known.cloned().unwrap_or_default()
    }

    fn knows(&mut self, place: Place, name: Name, address: SocketAddr) {
        let known = self.connections.entry((place, name)).or_default();
        known.insert(address);
    }

    pub(super) fn sent(
        &mut self,
        now: Time,
        place: Place,
        (to, stranger): (SocketAddr, bool),
        datagram: &[u8],
    ) -> Result<(), Broken> {
        if let Some((_, source)) = ids(datagram) {
            self.knows(place, Name::Id(source.to_vec()), to);
        }
        let account = self.addresses.entry((place, to)).or_default();
        // quinn-proto ends a datagram that it began while anything was left of three times what came.
        let begun_in_time = account.sent < 3 * account.received + MOVE_BYTES * account.moves;
        account.sent += datagram.len() as u64;
        if !account.proven && !begun_in_time {
            return broken("I24", format!("node {place} to {to}: {account:?}"));
        }
        match stranger && is_handshake(datagram) && !std::mem::replace(&mut account.met, true) {
            true => self.meet(now, place, to),
            false => Ok(()),
        }
    }

    /// A node goes into a handshake with somebody who has proven nothing. Half of the handshakes are
    /// for those, and each lasts a second at least: QUIC waits for three probe timeouts.
    fn meet(&mut self, now: Time, place: Place, to: SocketAddr) -> Result<(), Broken> {
        const SECOND: Duration = Duration::from_secs(1);
        let begun = self.begun.entry(place).or_default();
        begun.retain(|(at, _)| now.saturating_since(*at) < SECOND);
        begun.push_back((now, to));
        let most = self.handshakes_max.div_ceil(2);
        match begun.len() > most {
            true => broken(
                "I26",
                format!("node {place} meets more than {most}: {begun:?}"),
            ),
            false => Ok(()),
        }
    }
}

/// The first bit of a long header (RFC 9000 section 17.2).
pub(super) const LONG: u8 = 0x80;

/// The bits of a long header that say what it is of.
const KIND: u8 = 0x30;

/// The length of the connection ids that nodes give out.
pub(super) const ID_BYTES: usize = 12;

/// What quinn-proto sends to a new address of a connection, whatever came from there: three datagrams.
const MOVE_BYTES: u64 = 3 * 1_472;

pub(super) fn is_short(datagram: &[u8]) -> bool {
    datagram.first().is_some_and(|first| first & LONG == 0)
}

/// Whether a node answers a first packet so that a handshake is under way: with more than a refusal.
fn is_handshake(datagram: &[u8]) -> bool {
    const FULL: usize = 1_200;
    let initial = |first: &u8| first & (LONG | KIND) == LONG;
    datagram.first().is_some_and(initial) && datagram.len() >= FULL
}

/// Whether it tells an address to prove that it is real (RFC 9000 section 17.2.5).
pub(super) fn is_retry(datagram: &[u8]) -> bool {
    const RETRY: u8 = LONG | KIND;
    datagram.first().is_some_and(|first| first & RETRY == RETRY)
}

/// Whether whoever sent this has seen something that was sent to it.
fn proves(datagram: &[u8]) -> bool {
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

/// The id of the connection that it is for. A short header does not say how long that is: nodes give it out.
fn destination(datagram: &[u8]) -> &[u8] {
    match ids(datagram) {
        Some((destination, _)) => destination,
        None => datagram.get(1..=ID_BYTES).unwrap_or_default(),
    }
}

/// The connection ids of a long header, the destination's first (RFC 8999 section 5.1).
pub(super) fn ids(datagram: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&length, rest) = match datagram {
        [first, _, _, _, _, rest @ ..] if first & LONG != 0 => rest.split_first()?,
        _ => return None,
    };
    let (destination, rest) = rest.split_at_checked(usize::from(length))?;
    let (&length, rest) = rest.split_first()?;
    let (source, _) = rest.split_at_checked(usize::from(length))?;
    Some((destination, source))
}
