//! A whole endpoint without I/O: the peers that it dials, the sessions of those who dial it, and
//! the QUIC connections of both.
//!
//! # How it works
//!
//! [`NodeMachine`] joins machines that decide (`peer-sender-core`) to connections that carry
//! (quinn-proto). A call hands in what came from outside, and marks the connection it concerns as
//! dirty. [`NodeMachine::poll_output`] does the work, one dirty connection after the other: it
//! lets QUIC's endpoint and the connection talk, turns what the connection reports and what its
//! streams hold into facts, hands all of them to the machine in one step, executes the actions,
//! and then lets QUIC send. So a batch of datagrams costs one step, and work follows activity:
//! a connection or a peer to which nothing happens costs nothing but its entry among the timers.

mod acknowledged;
mod alive;
mod clock;
mod datagram;
mod dial;
mod event;
mod inbound;
mod link;
mod messages;
mod net;
mod peer;
mod places;
mod probe;
mod rate;
mod recorded;
mod records;
mod renew;
mod revoke;
mod seeds;
mod sessions;
mod stats;
mod streams;
#[cfg(test)]
mod tests;
mod timers;
mod turn;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use bytes::BytesMut;
use peer_sender_core::trace::About;
use peer_sender_core::{
    Action, CloseCode, Event, PeerKey, SessionHandle, StopMode, Time, WakeReason,
};
use quinn_proto::Endpoint;

use crate::{Identity, NodeConfig, Trust, transport};
use clock::Clock;
use inbound::Inbound;
use link::{LinkId, Speech};
use net::Net;
use peer::Peer;
use seeds::Seeds;

pub use datagram::{DatagramMeta, Ecn, Transmit};
pub use event::{AddPeerError, NodeEvent, Output, Sender, Source, Target};
pub use messages::OutgoingMessage;
pub use peer::{PeerConfig, PeerHandle, PeerId};
pub use records::Records;
pub use stats::{ConnectionInfo, ConnectionRole, NodeStats, PeerSnapshot, PeerStats};

/// An endpoint without I/O: any number of peers over one socket's worth of datagrams; it dials,
/// listens, or both. The same config, seed and calls give the same outputs, apart from what TLS
/// draws for itself.
///
/// # Driving it
///
/// After any number of `handle_*` calls and commands, call [`poll_output`](Self::poll_output)
/// until it answers [`Output::Timeout`]; at that time call
/// [`handle_timeout`](Self::handle_timeout), if nothing came before. `now` is read after a receive
/// call has returned, not before it, or round trips look shorter than they are.
///
/// ```
/// use std::time::Instant;
///
/// use bytes::BytesMut;
/// use peer_sender_core::Time;
/// use peer_sender_quic::{DatagramMeta, NodeEvent, NodeMachine, Output};
///
/// /// One turn of a driver: takes what the socket holds, and says until when to wait.
/// fn turn(
///     node: &mut NodeMachine<String>,
///     base: Instant,
///     mut receive: impl FnMut() -> Option<(DatagramMeta, BytesMut)>,
///     mut send: impl FnMut(&peer_sender_quic::Transmit, &[u8]),
///     mut tell: impl FnMut(NodeEvent<String>),
/// ) -> Option<Time> {
///     let now = || Time::ZERO + base.elapsed();
///     while let Some((meta, datagram)) = receive() {
///         node.handle_datagram(now(), meta, datagram);
///     }
///     node.handle_timeout(now());
///     let mut buffer = Vec::new();
///     loop {
///         match node.poll_output(now(), &mut buffer) {
///             Output::Transmit(transmit) => send(&transmit, &buffer[..transmit.size]),
///             Output::Event(event) => tell(event),
///             Output::Timeout(until) => break until,
///         }
///     }
/// }
/// ```
pub struct NodeMachine<P> {
    config: NodeConfig,
    seeds: Seeds,
    net: Net,
    peers: BTreeMap<PeerHandle, Peer<P>>,
    ids: BTreeMap<P, PeerHandle>,
    keys: BTreeSet<(PeerKey, PeerHandle)>,
    peers_given: u64,
    /// Peers that have not emitted `SenderStopped`.
    running: usize,
    /// Peers with facts that their machine has not been told.
    concerned: VecDeque<PeerHandle>,
    /// None: the node only dials.
    inbound: Option<Inbound>,
    events: VecDeque<NodeEvent<P>>,
    stopping: bool,
    /// Empty between calls, like the next: kept for its capacity.
    actions: Vec<Action>,
    facts: Vec<Event>,
}

impl<P: PeerId> NodeMachine<P> {
    /// A node that does nothing before it is told to. `seed` is random and never used twice: a
    /// session id that comes twice makes a receiver take new messages for old ones. `base` and
    /// `date` both stand for [`Time::ZERO`]; the date counts for certificates of an
    /// [`Authority`](crate::Authority), and for nothing else. A node that shares [`Records`] has
    /// their [`base`](Records::base).
    pub fn new(config: NodeConfig, seed: [u8; 32], base: Instant, date: SystemTime) -> Self {
        let mut seeds = Seeds::new(&seed);
        let endpoint_config = transport::endpoint_config(&config.identity, seeds.next());
        let server_seed = seeds.next();
        let inbound = config
            .accept
            .as_ref()
            .map(|_| Inbound::new(&config, server_seed, seeds.next(), base));
        let clock = Clock::new(base, date);
        if let (Some(inbound), Some(trace)) = (&inbound, &config.trace) {
            let about = About {
                name: String::from("sessions"),
                key: Some(config.key()),
                zero_unix_nanos: clock.zero_unix_nanos(),
            };
            inbound.desk.record(trace.clone(), about);
        }
        let server_config = inbound.as_ref().map(|inbound| Arc::clone(&inbound.server));
        // The socket is the driver's, which sees to it that datagrams are never fragmented, so
        // that QUIC may find out what the path carries (RFC 8899).
        let endpoint = Endpoint::new(Arc::new(endpoint_config), server_config, true, None);
        let speech = Speech::of(&config);
        Self {
            config,
            seeds,
            net: Net::new(clock, endpoint, speech),
            peers: BTreeMap::new(),
            ids: BTreeMap::new(),
            keys: BTreeSet::new(),
            peers_given: 0,
            running: 0,
            concerned: VecDeque::new(),
            inbound,
            events: VecDeque::new(),
            stopping: false,
            actions: Vec::new(),
            facts: Vec::new(),
        }
    }

    /// After [`stop`](Self::stop): every peer has emitted `SenderStopped`, every connection has
    /// sent its close, and nothing is left to poll.
    pub fn is_stopped(&self) -> bool {
        self.stopping
            && self.running == 0
            && self.inbound.as_ref().is_none_or(Inbound::is_idle)
            && self.concerned.is_empty()
            && self.events.is_empty()
            && self.net.is_quiet()
    }

    /// The node's counters.
    pub fn stats(&self) -> NodeStats {
        NodeStats {
            connections: self.net.len() as u64,
            sessions: self.inbound.as_ref().map_or(0, |it| it.desk.sessions()) as u64,
            ..self.net.stats
        }
    }

    /// Has this called whenever another node that shares the records of this one has made work for
    /// it: it is to be polled again, although nothing came and no time has passed. It is called
    /// on the other node's thread, and must not wait. Nothing happens for a node that only dials.
    pub fn set_wake(&mut self, wake: impl Fn() + Send + Sync + 'static) {
        if let Some(inbound) = &self.inbound {
            inbound.desk.set_wake(Arc::new(wake));
        }
    }

    /// How many datagrams one [`Output::Transmit`] may hold (generic segmentation offload); at
    /// least 1, which is what a new node begins with. What a system supports may shrink after an
    /// error, so this may be called before every poll.
    pub fn set_segments_max(&mut self, segments: usize) {
        self.net.segments_max = segments.max(1);
    }

    /// Adds a peer, which is dialled at once and for as long as it is not stopped.
    ///
    /// It speaks what the node speaks, whether its configuration says so or leaves the default.
    ///
    /// # Errors
    ///
    /// The node has a peer with this id, or is stopping; or the configuration is for another protocol
    /// than the node's.
    pub fn add_peer(
        &mut self,
        now: Time,
        id: P,
        config: PeerConfig,
    ) -> Result<PeerHandle, AddPeerError> {
        let now = self.net.clock.advance(now);
        if self.stopping {
            return Err(AddPeerError::Stopped);
        }
        if self.ids.contains_key(&id) {
            return Err(AddPeerError::Duplicate);
        }
        let config = config
            .speaking(self.config.protocol())
            .map_err(AddPeerError::Protocol)?;
        let handle = PeerHandle(self.peers_given);
        self.peers_given += 1;
        self.ids.insert(id.clone(), handle);
        let trace = self.config.trace.clone().map(|trace| {
            let about = About {
                name: id.to_string(),
                key: config.expected().key(),
                zero_unix_nanos: self.net.clock.zero_unix_nanos(),
            };
            (trace, about)
        });
        let mut peer = Peer::new(id, config, self.seeds.next(), trace);
        peer.machine.time_transfers(self.config.transfers);
        self.keys.extend(peer.key.map(|key| (key, handle)));
        self.peers.insert(handle, peer);
        self.running += 1;
        // A machine dials in its first step.
        self.step_peer(now, handle, []);
        Ok(handle)
    }

    /// Tells a peer's addresses anew; with none it waits until there are some.
    pub fn set_addresses(&mut self, now: Time, peer: PeerHandle, addresses: Vec<SocketAddr>) {
        let now = self.net.clock.advance(now);
        let known = self.peers.get(&peer);
        let stands = known.and_then(|it| it.machine.state().link().address());
        let parts = stands.is_some_and(|it| !addresses.contains(&it));
        let mut facts = match parts {
            true => self.renew_no_more(peer),
            false => Vec::new(),
        };
        facts.push(Event::AddressesChanged { addresses });
        self.step_peer(now, peer, facts);
    }

    /// Cuts a peer's wait before its next attempt short.
    pub fn wake(&mut self, now: Time, peer: PeerHandle, reason: WakeReason) {
        let now = self.net.clock.advance(now);
        self.step_peer(now, peer, [Event::Wake { reason }]);
    }

    /// The host's own network has changed: cuts every wait before a next attempt short, and has
    /// each connection that this node dialled show its peer where it is now (RFC 9000 section 9).
    pub fn network_changed(&mut self, now: Time) {
        let now = self.net.clock.advance(now);
        self.net.move_dialled();
        let peers: Vec<PeerHandle> = self.peers.keys().copied().collect();
        for peer in peers {
            self.wake(now, peer, WakeReason::NetworkChange);
        }
    }

    /// Whom the accepting side lets in from here on. Who is connected and no longer let in is
    /// closed with code 4, as it would be turned away: counted in
    /// [`NodeStats::identities_refused`] and reported as [`NodeEvent::InboundRejected`]; its
    /// session is kept for as long as any. A list without keys lets nobody in. Nothing changes for
    /// a node that only dials.
    pub fn set_trust(&mut self, now: Time, trust: Trust) {
        let now = self.net.clock.advance(now);
        self.replace_trust(now, trust);
    }

    /// Who the node is from here on: connections are made, and accepted, as this identity.
    ///
    /// Each peer that is connected gets a new connection first. Once that is confirmed, nothing
    /// more is written on the old one, and when all that was written there is answered (under the
    /// plain and framed protocols: acknowledged), or after 5 s, it is closed with code 0, and the
    /// peer goes on by the new one at once, without a backoff:
    /// [`Disconnected`](peer_sender_core::PeerEvent::Disconnected) with
    /// [`LinkError::Moved`](peer_sender_core::LinkError::Moved), then
    /// [`Connected`](peer_sender_core::PeerEvent::Connected). What had no answer by then is judged
    /// like after any loss. Where the new connection fails, the peer is parted from the old one all
    /// the same, and its next dial tells why. An attempt under way is begun anew, and a wait for the
    /// next one is cut short.
    ///
    /// Connections that others have dialled stay as they are. A peer of the protocol of lanes
    /// remembers what it took of another key by that key, so replies to it that were not delivered
    /// do not follow. Nodes that share [`Records`] are each told for itself, at about the same time.
    /// The stateless reset key and the mark of connection ids stay those of the identity that the
    /// node was made with.
    pub fn replace_identity(&mut self, now: Time, identity: Identity) {
        let now = self.net.clock.advance(now);
        self.renew(now, identity);
    }

    /// Ends a session in good order (last receipts, FIN, close 3), or at once: its dialler may come
    /// again, as anew. [`NodeEvent::Forgotten`] says when that is done.
    pub fn stop_session(&mut self, now: Time, session: SessionHandle, mode: StopMode) {
        let now = self.net.clock.advance(now);
        self.step_session(now, session, [Event::Stop { mode }]);
    }

    /// Stops a peer; [`PeerEvent::SenderStopped`](peer_sender_core::PeerEvent::SenderStopped)
    /// says when that is done. A second call may only shorten the first.
    pub fn stop_peer(&mut self, now: Time, peer: PeerHandle, mode: StopMode) {
        let now = self.net.clock.advance(now);
        let mut facts = self.renew_no_more(peer);
        facts.push(Event::Stop { mode });
        self.step_peer(now, peer, facts);
    }

    /// Frees what is left of a peer, and its id, after it has emitted `SenderStopped`. A peer that
    /// has not is stopped as removed first, so that its messages get their outcomes in any case. What
    /// it sent can no longer be answered.
    pub fn remove_peer(&mut self, handle: PeerHandle) {
        let now = self.net.clock.latest();
        if self.peers.get(&handle).is_some_and(|peer| !peer.stopped) {
            self.stop_peer(now, handle, StopMode::Remove);
        }
        self.forget_source(handle);
        if let Some(mut peer) = self.peers.remove(&handle) {
            self.ids.remove(&peer.id);
            if let Some(key) = peer.key {
                self.keys.remove(&(key, handle));
            }
            self.net
                .timers
                .disarm(timers::TimerOf::Peer(handle), &mut peer.armed);
            let links = peer.link.into_iter().map(|(_, link)| link);
            for link in links.chain(peer.spare) {
                self.net.close(link, CloseCode::Done, "");
            }
        }
    }

    /// Stops accepting, stops every peer, and ends the accepted connections: in good order (last
    /// receipts, FIN, close 3), or at once. [`is_stopped`](Self::is_stopped) says when that is
    /// done. A second call may only shorten the first. Of the sessions whose [`Records`] it shares
    /// those end whose home it is; others go on by other nodes.
    pub fn stop(&mut self, now: Time, mode: StopMode) {
        let now = self.net.clock.advance(now);
        self.serve_all(now);
        self.stopping = true;
        let peers: Vec<PeerHandle> = self.peers.keys().copied().collect();
        for peer in peers {
            self.stop_peer(now, peer, mode);
        }
        self.stop_inbound(now, mode);
    }

    /// Forgets every accepted connection without a word to the other end, as a crash of the path
    /// would; sessions are kept, and the other ends find out by stateless reset (RFC 9000 section
    /// 10.3). For demonstrations and tests of loss.
    pub fn cut_accepted(&mut self, now: Time) {
        let now = self.net.clock.advance(now);
        self.cut_inbound(now);
    }

    /// A datagram came.
    pub fn handle_datagram(&mut self, now: Time, meta: DatagramMeta, data: BytesMut) {
        let now = self.net.clock.advance(now);
        self.receive(now, meta, data);
    }

    /// Time has passed. Early and late calls are harmless.
    pub fn handle_timeout(&mut self, now: Time) {
        let now = self.net.clock.advance(now);
        self.fire(now);
    }

    /// The network has reported that some port of this host has no listener (ICMP port
    /// unreachable; the report does not say which port). A hint, never a proof, as anybody may
    /// have sent it: each connection to that host is probed and put on probation, and one that
    /// stays silent is given up as unreachable.
    ///
    /// A probation lasts 250 ms at least if all connections to the host go to one port, so that
    /// the report must mean it. Else it lasts 1 s at least, three times the initial round trip of
    /// RFC 9002, so that a short pause of a live peer is not taken for its death. A connection
    /// that has heard from its peer has no less than nine round trips and 75 ms: three probe
    /// timeouts (RFC 9002 section 6.2) of a path whose round trip varies by half of itself.
    pub fn handle_unreachable(&mut self, now: Time, host: IpAddr) {
        let now = self.net.clock.advance(now);
        self.probe(now, host);
    }

    /// Does what is to be done and answers with the next thing for the caller to do. `buffer` is
    /// cleared; a [`Transmit`]'s bytes are the first [`size`](Transmit::size) of it.
    ///
    /// When [`Output::Timeout`] comes, nothing is left to do at `now`: no event, no datagram, no
    /// timer that is due.
    pub fn poll_output(&mut self, now: Time, buffer: &mut Vec<u8>) -> Output<P> {
        let now = self.net.clock.advance(now);
        buffer.clear();
        loop {
            if let Some(event) = self.next_event(now) {
                return Output::Event(event);
            }
            if let Some(transmit) = self.net.poll_transmit(now, buffer) {
                return Output::Transmit(transmit);
            }
            if !self.net.is_quiet() {
                continue;
            }
            match self.net.timers.next() {
                Some(at) if at <= now => self.fire(now),
                at => {
                    buffer.clear();
                    return Output::Timeout(at);
                }
            }
        }
    }

    /// What [`poll_output`](Self::poll_output) would answer as long as that is an event; none when
    /// a datagram or the timeout would come next. For a driver whose socket takes no datagram now:
    /// what has happened is told all the same.
    pub fn poll_event(&mut self, now: Time) -> Option<NodeEvent<P>> {
        let now = self.net.clock.advance(now);
        self.next_event(now)
    }

    /// When [`handle_timeout`](Self::handle_timeout) has something to do, as far as is known
    /// before everything was sent: a connection with datagrams left to send sets its timer when
    /// they are sent. For a driver that stops before [`Output::Timeout`] comes.
    pub fn next_timeout(&self) -> Option<Time> {
        self.net.timers.next()
    }

    /// Has everybody act who has something to do, until that makes an event.
    fn next_event(&mut self, now: Time) -> Option<NodeEvent<P>> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Some(event);
            }
            if self.is_called() {
                self.open_box(now);
            } else if let Some(peer) = self.concerned.pop_front() {
                self.tell_peer(now, peer);
            } else {
                let link = self.net.next_dirty()?;
                self.serve(now, link);
            }
        }
    }
}
