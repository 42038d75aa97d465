//! What the handles of a node and its driver share.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::task::Waker;

use peer_sender_core::{LinkError, PeerKey, Protocol, StopMode};
use peer_sender_quic::{AddPeerError, Identity, NodeConfig, NodeStats, PeerConfig, PeerId, Trust};

use crate::bell::{Bell, lock};
use crate::clock::Clock;
use crate::incoming::Inbox;
use crate::mailbox::shorter;
use crate::peer::{Kind, PeerShared};
use crate::wait::{Replaced, Reply, WaitSet, wake_all};

/// The most refused connections that are remembered.
const TURNED_AWAY_MAX: usize = 64;

/// A connection that was turned away, or cut because the other end broke the protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TurnedAway {
    /// Where it came from.
    pub remote: SocketAddr,
    /// The key that it showed, if it came so far.
    pub key: Option<PeerKey>,
    /// Why.
    pub error: LinkError,
}

/// See the module.
pub(crate) struct NodeShared<P: PeerId> {
    pub(crate) bell: Arc<Bell>,
    pub(crate) control: Mutex<Control<P>>,
    pub(crate) inbox: Arc<Inbox<P>>,
    pub(crate) turned_away: Mutex<VecDeque<TurnedAway>>,
    pub(crate) address: SocketAddr,
    pub(crate) buffers: (usize, usize),
    pub(crate) clock: Clock,
    /// What the node speaks with all its peers.
    pub(crate) protocol: Protocol,
}

/// The node's life, its peers by name, and what the driver is asked to do.
pub(crate) struct Control<P> {
    phase: Phase,
    peers: BTreeMap<P, Arc<PeerShared>>,
    commands: Commands<P>,
    waiting: WaitSet,
    /// The counters as they were at the end.
    last_stats: NodeStats,
    /// Whether the times of messages to peers are kept.
    timed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Running,
    Stopping,
    Stopped,
}

/// What the driver is asked to do.
pub(crate) struct Commands<P> {
    pub(crate) added: Vec<Added<P>>,
    pub(crate) stop: Option<StopMode>,
    pub(crate) cut_accepted: bool,
    pub(crate) network_changed: bool,
    pub(crate) trust: Option<Trust>,
    pub(crate) identity: Option<Identity>,
    pub(crate) stats: Vec<Reply<NodeStats>>,
}

/// A peer that the driver does not know yet.
pub(crate) struct Added<P> {
    pub(crate) name: P,
    pub(crate) config: PeerConfig,
    pub(crate) shared: Arc<PeerShared>,
}

impl<P: PeerId> NodeShared<P> {
    pub(crate) fn new(
        address: SocketAddr,
        buffers: (usize, usize),
        clock: Clock,
        config: &NodeConfig,
    ) -> Self {
        let bell = Arc::new(Bell::new());
        let replies = config.replies().clone();
        Self {
            inbox: Arc::new(Inbox::new(Arc::clone(&bell), replies, clock)),
            protocol: config.protocol(),
            bell,
            control: Mutex::new(Control {
                phase: Phase::Running,
                peers: BTreeMap::new(),
                commands: Commands::default(),
                waiting: WaitSet::default(),
                last_stats: NodeStats::default(),
                timed: config.transfers(),
            }),
            turned_away: Mutex::default(),
            address,
            buffers,
            clock,
        }
    }

    /// Asks for the end, and for that of every peer.
    pub(crate) fn stop(&self, mode: StopMode) {
        let mut wakers = Vec::new();
        lock(&self.control).stop(mode, &mut wakers);
        self.inbox.stop_replies(mode);
        self.bell.ring();
        wake_all(wakers);
    }

    pub(crate) fn turn_away(&self, turned_away: TurnedAway) {
        let mut list = lock(&self.turned_away);
        if list.len() == TURNED_AWAY_MAX {
            list.pop_front();
        }
        list.push_back(turned_away);
    }

    /// The end is near: nothing new begins, and names are free. Hands back what the driver never
    /// got to: commands, and senders of replies.
    pub(crate) fn close(&self, stats: NodeStats) -> (Commands<P>, Vec<Arc<PeerShared>>) {
        let commands = {
            let mut control = lock(&self.control);
            control.phase = Phase::Stopping;
            control.last_stats = stats;
            control.peers.clear();
            control.take_commands()
        };
        (commands, self.inbox.close())
    }

    /// The end itself, when every message has its outcome.
    pub(crate) fn finish(&self) {
        let (late, wakers) = {
            let mut control = lock(&self.control);
            control.phase = Phase::Stopped;
            (control.take_commands(), control.waiting.take())
        };
        // To drop a question answers it: with the counters of the end.
        drop(late);
        wake_all(wakers.into_values());
    }
}

impl<P: PeerId> Control<P> {
    /// Makes a peer under a name that is free.
    pub(crate) fn add(
        &mut self,
        name: P,
        config: PeerConfig,
        bell: &Arc<Bell>,
        clock: Clock,
    ) -> Result<Arc<PeerShared>, AddPeerError> {
        if self.phase != Phase::Running {
            return Err(AddPeerError::Stopped);
        }
        if self.peers.contains_key(&name) {
            return Err(AddPeerError::Duplicate);
        }
        let limits = config.machine().send_limits().clone();
        let shared = PeerShared::new(Kind::Dialled, Arc::clone(bell), limits, clock);
        if self.timed {
            lock(&shared.mailbox).keep_times();
        }
        let shared = Arc::new(shared);
        self.peers.insert(name.clone(), Arc::clone(&shared));
        self.commands.added.push(Added {
            name,
            config,
            shared: Arc::clone(&shared),
        });
        Ok(shared)
    }

    /// The sender to the peer of this name.
    pub(crate) fn get(&self, name: &P) -> Option<Arc<PeerShared>> {
        self.peers.get(name).cloned()
    }

    /// Every peer, in the order of their names.
    pub(crate) fn peers(&self) -> Vec<(P, Arc<PeerShared>)> {
        let peers = self.peers.iter();
        peers
            .map(|(name, peer)| (name.clone(), Arc::clone(peer)))
            .collect()
    }

    /// The name is free again.
    pub(crate) fn remove(&mut self, name: &P) {
        self.peers.remove(name);
    }

    pub(crate) fn cut_accepted(&mut self) {
        self.commands.cut_accepted = true;
    }

    pub(crate) fn network_changed(&mut self) {
        self.commands.network_changed = true;
    }

    /// Hands back what this replaces, to be dropped when the lock is released.
    pub(crate) fn set_trust(&mut self, trust: Trust) -> Option<Trust> {
        self.commands.trust.replace(trust)
    }

    /// Hands back what this replaces, to be dropped when the lock is released.
    pub(crate) fn replace_identity(&mut self, identity: Identity) -> Option<Identity> {
        self.commands.identity.replace(identity)
    }

    /// Asks for the counters; those of the end if it has come.
    pub(crate) fn ask_stats(&mut self, to: Reply<NodeStats>) {
        match self.phase {
            Phase::Running | Phase::Stopping => self.commands.stats.push(to),
            Phase::Stopped => to.send(self.last_stats),
        }
    }

    pub(crate) fn last_stats(&self) -> NodeStats {
        self.last_stats
    }

    /// Whether the end has come; otherwise the waker waits for it.
    pub(crate) fn poll_stopped(
        &mut self,
        place: &mut Option<u64>,
        waker: &Waker,
    ) -> Result<(), Replaced> {
        match self.phase {
            Phase::Stopped => Ok(()),
            Phase::Running | Phase::Stopping => Err(self.waiting.join(place, waker)),
        }
    }

    pub(crate) fn leave(&mut self, place: u64) -> Replaced {
        self.waiting.leave(place)
    }

    pub(crate) fn take_commands(&mut self) -> Commands<P> {
        std::mem::take(&mut self.commands)
    }

    fn stop(&mut self, mode: StopMode, wakers: &mut Vec<Waker>) {
        if self.phase == Phase::Stopped {
            return;
        }
        self.phase = Phase::Stopping;
        for peer in self.peers.values() {
            lock(&peer.mailbox).close(wakers);
        }
        self.commands.stop = Some(match self.commands.stop {
            Some(earlier) => shorter(earlier, mode),
            None => mode,
        });
    }
}

impl<P> Default for Commands<P> {
    fn default() -> Self {
        Self {
            added: Vec::new(),
            stop: None,
            cut_accepted: false,
            network_changed: false,
            trust: None,
            identity: None,
            stats: Vec::new(),
        }
    }
}

/// Takes an IPv4 address out of an IPv6 one that only wraps it (RFC 4291 section 2.5.5.2).
pub(crate) fn unmapped(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// Wraps an IPv4 address for a socket of IPv6.
pub(crate) fn mapped(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) => SocketAddr::new(ip.to_ipv6_mapped().into(), address.port()),
        IpAddr::V6(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ipv4_addresses_go_in_and_out_of_their_wrapping() {
        let plain: SocketAddr = "192.0.2.1:443".parse().unwrap();
        let wrapped: SocketAddr = "[::ffff:192.0.2.1]:443".parse().unwrap();
        let ipv6: SocketAddr = "[2001:db8::1]:443".parse().unwrap();
        assert_eq!((mapped(plain), unmapped(wrapped)), (wrapped, plain));
        assert_eq!((mapped(ipv6), unmapped(ipv6)), (ipv6, ipv6));
    }
}
