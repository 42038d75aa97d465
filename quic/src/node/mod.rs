//! API skeleton: names and signatures stand, bodies and docs are to be written.
#![allow(clippy::todo, unused, missing_docs)]
use bytes::{Bytes, BytesMut};
use peer_sender_core::*;
use std::{fmt::{Debug, Display}, hash::Hash, marker::PhantomData, net::{IpAddr, SocketAddr}, time::{Duration, Instant}};

use crate::NodeConfig;

/// The caller's own name of a peer.
pub trait PeerId: Clone + Debug + Display + Hash + Ord + Send + Sync + 'static {}
impl<T: Clone + Debug + Display + Hash + Ord + Send + Sync + 'static> PeerId for T {}

/// A peer to dial: the key it must have, and the machine's config (which holds the address).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerConfig { pub(crate) key: PeerKey, pub(crate) machine: Config }
impl PeerConfig {
    pub fn new(key: PeerKey, address: SocketAddr) -> Result<Self, ConfigError> { todo!() }
    pub fn with(key: PeerKey, machine: Config) -> Self { todo!() }
    pub fn key(&self) -> PeerKey { todo!() }
    pub fn machine(&self) -> &Config { todo!() }
}

/// A peer of this node that we dial. Never given out twice by one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerHandle(pub(crate) u64);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ecn { Ect0, Ect1, Ce }
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DatagramMeta { pub remote: SocketAddr, pub local_ip: Option<IpAddr>, pub ecn: Option<Ecn> }
/// `size` bytes now in the caller's buffer are to be sent, in segments of `segment_size` if set (GSO).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transmit { pub destination: SocketAddr, pub ecn: Option<Ecn>, pub size: usize, pub segment_size: Option<usize>, pub src_ip: Option<IpAddr> }

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sender<P> { pub key: PeerKey, /** the caller's id where it has a peer with that key */ pub peer: Option<P> }

#[derive(Debug)]
pub enum NodeEvent<P> {
    /// Outcomes of one step, in the order in which they fell.
    Settled { peer: PeerHandle, settled: Vec<(MessageId, Outcome)> },
    Rejected { peer: PeerHandle, id: MessageId, rejected: Rejected },
    /// Messages left the queue in a step; this is what the peer's machine would accept now.
    Room { peer: PeerHandle, capacity: Capacity },
    Peer { peer: PeerHandle, event: PeerEvent },
    /// Messages that came in one step, in order.
    Incoming { session: SessionHandle, from: Sender<P>, messages: Vec<IncomingMessage> },
    /// the node forgot the session: answers to its messages are ignored from here on
    SessionForgotten { session: SessionHandle },
    /// accepting side refused or lost a connection before / because of its identity or a protocol error; for logs and counters
    InboundRejected { remote: SocketAddr, key: Option<PeerKey>, error: LinkError },
}
pub enum Output<P> { Transmit(Transmit), Event(NodeEvent<P>), /** nothing more to do before this time (None: until some input) */ Timeout(Option<Time>) }

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AddPeerError { /** a peer with this id exists */ Duplicate, /** the node is stopping */ Stopped }

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct NodeStats { pub datagrams_received: u64, pub bytes_received: u64, pub datagrams_sent: u64, pub bytes_sent: u64, pub connections: u64, pub accepted: u64, pub identities_refused: u64, pub protocol_errors: u64, pub sessions: u64 }
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PeerStats { pub machine: Stats, pub rtt: Option<Duration>, pub lost_packets: u64, pub mtu: u16 }

pub struct NodeMachine<P>(PhantomData<P>);
impl<P: PeerId> NodeMachine<P> {
    /// `base`: the Instant that stands for Time::ZERO. `seed`: random, never used twice.
    pub fn new(config: NodeConfig, seed: [u8; 32], base: Instant) -> Self { todo!() }
    pub fn handle_datagram(&mut self, now: Time, meta: DatagramMeta, data: BytesMut) { todo!() }
    pub fn handle_timeout(&mut self, now: Time) { todo!() }
    /// The network reported that some port of this host has no listener (ICMP port unreachable; the report names no port). A hint, never a proof:
    /// each connection to that host is probed (PING) and put on probation; whoever is then silent for max(250 ms, 3 PTO) is given up with `Unreachable`.
    pub fn handle_unreachable(&mut self, now: Time, host: IpAddr) { todo!() }
    /// `buffer` is cleared by the call. Transmit's bytes are `buffer[..size]`.
    pub fn poll_output(&mut self, now: Time, buffer: &mut Vec<u8>) -> Output<P> { todo!() }
    /// How many datagrams one Transmit may hold; at least 1.
    pub fn set_segments_max(&mut self, segments: usize) { todo!() }
    pub fn add_peer(&mut self, now: Time, id: P, config: PeerConfig) -> Result<PeerHandle, AddPeerError> { todo!() }
    /// Queues messages; a message that is not accepted comes back as NodeEvent::Rejected.
    pub fn queue(&mut self, now: Time, peer: PeerHandle, messages: impl IntoIterator<Item = (MessageId, Lane, Bytes)>) { todo!() }
    /// What the peer's machine would accept now, messages handed over by `queue` already taken off.
    pub fn capacity(&self, peer: PeerHandle) -> Capacity { todo!() }
    pub fn stop_peer(&mut self, now: Time, peer: PeerHandle, mode: StopMode) { todo!() }
    /// After SenderStopped: free what is left of the peer.
    pub fn remove_peer(&mut self, peer: PeerHandle) { todo!() }
    /// The application answered all messages of the session's lane below this number.
    pub fn consumed(&mut self, now: Time, session: SessionHandle, lane: Lane, below: u64) { todo!() }
    /// It refused one; comes before the `consumed` that covers it.
    pub fn refuse(&mut self, now: Time, session: SessionHandle, lane: Lane, number: u64, code: RefuseCode) { todo!() }
    /// Forgets every accepted connection without a word to the other end, as a crash of the path would; sessions are kept, and the other ends find out
    /// by stateless reset. For demonstrations and tests of loss.
    pub fn cut_accepted(&mut self, now: Time) { todo!() }
    /// Stops accepting, stops every peer, ends accepted connections in good order (last receipts, FIN, close 3).
    pub fn stop(&mut self, now: Time, mode: StopMode) { todo!() }
    /// After `stop`: every peer has emitted SenderStopped and every connection has sent its close; nothing is left to send.
    pub fn is_stopped(&self) -> bool { todo!() }
    pub fn stats(&self) -> NodeStats { todo!() }
    pub fn peer_stats(&self, peer: PeerHandle) -> Option<PeerStats> { todo!() }
}
