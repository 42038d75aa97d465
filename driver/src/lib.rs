//! API skeleton: names and signatures stand, bodies and docs are to be written.
#![allow(clippy::todo, unused, missing_docs)]
pub use peer_sender_core::{CloseCode, Config, ConfigBuilder, ConfigError, ErrorClass, FailReason, InvalidPeerKey, Lane, Level, LinkError, MessageId, Outcome, PeerEvent, PeerKey, RefuseCode, RejectReason, Rejected, Stats, StopMode, StopReason, Time, UnknownReason};
pub use peer_sender_quic::{AddPeerError, Identity, IdentityError, NodeConfig, NodeConfigBuilder, NodeStats, PeerConfig, PeerId, PeerStats, Sender, Trust};
pub use bytes::Bytes;
use std::{future::Future, marker::PhantomData, net::{SocketAddr, ToSocketAddrs}, pin::Pin, task::{Context, Poll}, time::{Duration, Instant}, io};

/// What an adapter implements: the runtime's socket, timer and spawn. No protocol decision.
pub trait Runtime: Send + Sync + 'static {
    type Socket: AsyncUdp;
    type Timer: AsyncTimer;
    /// Registers a bound, non-blocking socket with the runtime. Must be called within the runtime.
    fn socket(socket: std::net::UdpSocket) -> io::Result<Self::Socket>;
    fn timer() -> Self::Timer;
    fn spawn(task: impl Future<Output = ()> + Send + 'static);
}
/// A UDP socket that tells when it is ready. The driver does the I/O through quinn-udp on `io()`-like access.
pub trait AsyncUdp: Send + Sync + 'static {
    fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
    fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
    /// Runs `io` if the socket may be readable (writable); on WouldBlock clears the readiness.
    fn try_read<T>(&self, io: impl FnOnce() -> io::Result<T>) -> io::Result<T>;
    fn try_write<T>(&self, io: impl FnOnce() -> io::Result<T>) -> io::Result<T>;
    /// For quinn-udp and socket2.
    fn inner(&self) -> socket2::SockRef<'_>;
}
pub trait AsyncTimer: Send + 'static {
    fn reset(&mut self, at: Instant);
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()>;
}

#[derive(Debug)]
pub enum BindError { Todo } // typed: AddressInUse { address }, AddressNotAvailable { address }, PermissionDenied.., NoAddress { given: String }, Io { address, kind, text }; Clone + Eq

/// The endpoint as users hold it: clone is cheap; dropping the last Node handle aborts (documented).
/// Adapters: `pub type Node<P> = peer_sender_driver::Node<P, Tokio>;`
pub struct Node<P: PeerId, R: Runtime>(PhantomData<(P, R)>);
impl<P: PeerId, R: Runtime> Clone for Node<P, R> { fn clone(&self) -> Self { todo!() } }
impl<P: PeerId, R: Runtime> Node<P, R> {
    pub async fn bind(address: impl ToSocketAddrs, config: NodeConfig) -> Result<Self, BindError> { todo!() }
    pub fn local_addr(&self) -> SocketAddr { todo!() }
    /// Starts a sender to a peer; it dials at once.
    pub fn peer(&self, id: P, config: PeerConfig) -> Result<PeerSender, AddPeerError> { todo!() }
    /// Messages of all sessions. One stream of a node; several Incoming share its messages (each message goes to one).
    pub fn incoming(&self) -> Incoming<P> { todo!() }
    /// Connections that were turned away since the last call: bounded (the last 64), for logs.
    pub fn turned_away(&self) -> Vec<TurnedAway> { todo!() }
    pub async fn stats(&self) -> NodeStats { todo!() }
    /// See NodeMachine::cut_accepted.
    pub fn cut_accepted(&self) { todo!() }
    /// What the kernel gave of the 4 MiB of socket buffers asked for: (receive, send) bytes.
    pub fn socket_buffers(&self) -> (usize, usize) { todo!() }
    /// Time::ZERO of this node, and now.
    pub fn now(&self) -> Time { todo!() }
    /// Stops every peer and all accepting; resolves when all is settled and said.
    pub async fn stop(&self, mode: StopMode) { todo!() }
}
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TurnedAway { pub remote: SocketAddr, pub key: Option<PeerKey>, pub error: LinkError }

/// Cheap to clone, Send + Sync, not generic.
#[derive(Clone)]
pub struct PeerSender;
impl PeerSender {
    /// Waits for room. Err hands the payload back (too large, stopped).
    pub async fn send(&self, payload: impl Into<Bytes>) -> Result<Receipt, Rejected> { todo!() }
    pub fn try_send(&self, payload: impl Into<Bytes>) -> Result<Receipt, Rejected> { todo!() }
    /// Events from now on; a Stream that ends after SenderStopped. Bounded: if the reader lags, the oldest go and `missed()` counts them; SenderStopped is never lost.
    pub fn events(&self) -> Events { todo!() }
    pub async fn stats(&self) -> PeerStats { todo!() }
    /// Resolves when every accepted message is settled and SenderStopped was emitted. A second stop may only shorten the first.
    pub async fn stop(&self, mode: StopMode) -> StopReason { todo!() }
}

/// Future<Output = Outcome>. Dropping it does not retract the message.
#[must_use]
pub struct Receipt;
impl Receipt { pub fn id(&self) -> MessageId { todo!() } }
impl Future for Receipt { type Output = Outcome; fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome> { todo!() } }

/// futures_core::Stream<Item = PeerEvent>; also `async fn next(&mut self) -> Option<PeerEvent>`.
pub struct Events;
impl Events { pub async fn next(&mut self) -> Option<PeerEvent> { todo!() } pub fn missed(&self) -> u64 { todo!() } }

/// futures_core::Stream<Item = IncomingMessage<P>>, fair between sessions; ends when the node has stopped.
pub struct Incoming<P: PeerId>(PhantomData<P>);
impl<P: PeerId> Incoming<P> {
    pub async fn next(&mut self) -> Option<IncomingMessage<P>> { todo!() }
    /// What is there already, without waiting.
    pub fn try_next(&mut self) -> Option<IncomingMessage<P>> { todo!() }
    /// Accepts each message when the next one is polled.
    pub fn auto(self) -> AutoIncoming<P> { todo!() }
}
/// futures_core::Stream<Item = Received<P>> 
pub struct AutoIncoming<P: PeerId>(PhantomData<P>);
impl<P: PeerId> AutoIncoming<P> { pub async fn next(&mut self) -> Option<Received<P>> { todo!() } }
/// A message that auto() yields: there is nothing left to answer.
#[derive(Clone, Debug)]
pub struct Received<P: PeerId> { pub from: std::sync::Arc<Sender<P>>, pub lane: Lane, pub number: u64, pub payload: Bytes, pub received_at: Time }

/// Dropped without accept/refuse: refused with code 3.
pub struct IncomingMessage<P: PeerId>(PhantomData<P>);
impl<P: PeerId> IncomingMessage<P> {
    pub fn from(&self) -> &Sender<P> { todo!() }
    pub fn lane(&self) -> Lane { todo!() }
    pub fn number(&self) -> u64 { todo!() }
    pub fn payload(&self) -> &Bytes { todo!() }
    pub fn received_at(&self) -> Time { todo!() }
    pub fn accept(self) -> Bytes { todo!() }
    /// Refuses with code 2 (by the application).
    pub fn refuse(self) -> Bytes { todo!() }
}
