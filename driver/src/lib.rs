//! API skeleton: names and signatures stand, bodies and docs are to be written.
//! The adapter (peer-sender-tokio) re-exports all of this with its own `Node::bind`.
#![allow(clippy::todo, unused, missing_docs)]
pub use peer_sender_core::{CloseCode, Config, ConfigBuilder, ConfigError, ErrorClass, FailReason, InvalidPeerKey, Lane, Level, LinkError, MessageId, Outcome, PeerEvent, PeerKey, RefuseCode, RejectReason, Rejected, Stats, StopMode, StopReason, Time, UnknownReason};
pub use peer_sender_quic::{AddPeerError, Identity, IdentityError, NodeConfig, NodeConfigBuilder, NodeStats, PeerConfig, PeerId, PeerStats, Sender, Trust};
use bytes::Bytes;
use std::{future::Future, marker::PhantomData, net::SocketAddr, pin::Pin, task::{Context, Poll}, time::Duration, io};

/// The endpoint as users hold it: clone is cheap; dropping the last Node handle aborts (documented).
/// In the adapters: `impl<P> Node<P> { pub async fn bind(addr: impl ToSocketAddrs/&str, config: NodeConfig) -> io::Result<Self> }` comes through an
/// extension the adapter defines (e.g. `peer_sender_tokio::Node` is a newtype or alias with `bind`).
#[derive(Clone)]
pub struct Node<P: PeerId>(PhantomData<P>);
impl<P: PeerId> Node<P> {
    pub fn local_addr(&self) -> SocketAddr { todo!() }
    pub fn peer(&self, id: P, config: PeerConfig) -> Result<PeerSender, AddPeerError> { todo!() }
    pub fn incoming(&self) -> Incoming<P> { todo!() }
    /// connections that were turned away, for logs: bounded, oldest dropped and counted
    pub fn inbound_rejections(&self) -> Vec<(SocketAddr, Option<PeerKey>, LinkError)> { todo!() }
    pub fn stats(&self) -> NodeStats { todo!() }
    pub async fn stop(&self, mode: StopMode) { todo!() }
}

/// Cheap to clone, Send + Sync, not generic.
#[derive(Clone)]
pub struct PeerSender;
impl PeerSender {
    pub async fn send(&self, payload: impl Into<Bytes>) -> Result<Receipt, Rejected> { todo!() }
    pub fn try_send(&self, payload: impl Into<Bytes>) -> Result<Receipt, Rejected> { todo!() }
    /// Events from now on; a Stream that ends after SenderStopped. Bounded: if the reader lags, the oldest go and `missed()` counts them; SenderStopped is never lost.
    pub fn events(&self) -> Events { todo!() }
    pub fn stats(&self) -> PeerStats { todo!() }
    /// Resolves when every accepted message is settled and SenderStopped was emitted. A second stop may only shorten the first.
    pub async fn stop(&self, mode: StopMode) -> StopReason { todo!() }
}

/// Future<Output = Outcome>. Dropping it does not retract the message.
pub struct Receipt;
impl Receipt { pub fn id(&self) -> MessageId { todo!() } }
impl Future for Receipt { type Output = Outcome; fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome> { todo!() } }

/// Stream<Item = PeerEvent>; also `async fn next(&mut self) -> Option<PeerEvent>`.
pub struct Events;
impl Events { pub async fn next(&mut self) -> Option<PeerEvent> { todo!() } pub fn missed(&self) -> u64 { todo!() } }

/// Stream<Item = IncomingMessage<P>>, fair between sessions; ends when the node has stopped.
pub struct Incoming<P: PeerId>(PhantomData<P>);
impl<P: PeerId> Incoming<P> {
    pub async fn next(&mut self) -> Option<IncomingMessage<P>> { todo!() }
    /// What is there already, without waiting.
    pub fn try_next(&mut self) -> Option<IncomingMessage<P>> { todo!() }
    /// Accepts each message when the next one is polled.
    pub fn auto(self) -> AutoIncoming<P> { todo!() }
}
pub struct AutoIncoming<P: PeerId>(PhantomData<P>);
impl<P: PeerId> AutoIncoming<P> { pub async fn next(&mut self) -> Option<IncomingMessage<P>> { todo!() } }

/// Dropped without accept/refuse: refused with code 3.
pub struct IncomingMessage<P: PeerId>(PhantomData<P>);
impl<P: PeerId> IncomingMessage<P> {
    pub fn from(&self) -> &Sender<P> { todo!() }
    pub fn lane(&self) -> Lane { todo!() }
    pub fn number(&self) -> u64 { todo!() }
    pub fn payload(&self) -> &Bytes { todo!() }
    pub fn received_at(&self) -> Time { todo!() }
    pub fn accept(self) -> Bytes { todo!() }
    pub fn refuse(self) -> Bytes { todo!() }
}
