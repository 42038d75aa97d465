//! The endpoint as users hold it.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::net::{SocketAddr, ToSocketAddrs};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::SystemTime;

use bytes::Bytes;
use peer_sender_core::{Rejected, StopMode, Time};
use peer_sender_quic::{
    AddPeerError, Identity, NodeConfig, NodeMachine, NodeStats, PeerConfig, PeerId, Records, Trust,
};

use crate::bell::lock;
use crate::bind::{self, BindError};
use crate::clock::Clock;
use crate::control::{NodeShared, TurnedAway};
use crate::driver::Driver;
use crate::incoming::Incoming;
use crate::peer::PeerSender;
use crate::receipt::Receipt;
use crate::runtime::{Datagrams, Runtime};
use crate::wait::reply;

/// An endpoint on one UDP socket: it dials peers, and takes messages of those who dial it if its
/// configuration says whom to accept.
///
/// `P` is the caller's own name of a peer, `R` the runtime; adapters name the pair
/// (`peer_sender_tokio::Node<P>`). Cheap to clone; all clones are the same node.
///
/// When the last `Node` handle is dropped the node is stopped with [`StopMode::Abort`], whatever
/// other handles there are: every receipt resolves, every stream ends. Use [`stop`](Self::stop)
/// to finish what was accepted first. When the runtime is dropped, the same happens at once.
pub struct Node<P: PeerId, R: Runtime> {
    owner: Arc<Owner<P>>,
    runtime: PhantomData<fn() -> R>,
}

/// Held by the node's handles alone.
struct Owner<P: PeerId> {
    shared: Arc<NodeShared<P>>,
}

impl<P: PeerId, R: Runtime> Node<P, R> {
    /// Opens a UDP socket and starts the node on the runtime that this is called in.
    ///
    /// Of several addresses the first that works is taken. Port 0 is any free port;
    /// [`local_addr`](Self::local_addr) tells which. A host name is looked up with the system's
    /// blocking resolver, so addresses are better.
    ///
    /// # Errors
    ///
    /// The address is in use, is not this host's, is not allowed; or there is no runtime here.
    ///
    /// # Cancel safety
    ///
    /// It does not wait; a node that was dropped with the future is stopped.
    pub async fn bind(address: impl ToSocketAddrs, config: NodeConfig) -> Result<Self, BindError> {
        let socket = bind::at_first(address, R::bind)?;
        let seed = R::seed().map_err(|error| BindError::from_entropy(&error))?;
        let now = R::now();
        let base = config.records().map_or(now, Records::base);
        let clock = Clock::new(base, R::now);
        let (address, buffers) = (socket.local_addr(), socket.buffers());
        let shared = Arc::new(NodeShared::new(address, buffers, clock, &config));
        #[expect(
            clippy::disallowed_methods,
            reason = "the date, for certificates; read once, and counted on by the node's clock"
        )]
        let date = SystemTime::now();
        let since = now.saturating_duration_since(base);
        let date = date.checked_sub(since).unwrap_or(date);
        let mut machine = NodeMachine::new(config, seed, base, date);
        let bell = Arc::clone(&shared.bell);
        machine.set_wake(move || bell.ring());
        let driver = Driver::<P, R>::new(machine, socket, Arc::clone(&shared));
        R::spawn(driver.run()).map_err(|error| BindError::from_runtime(&error))?;
        Ok(Self {
            owner: Arc::new(Owner { shared }),
            runtime: PhantomData,
        })
    }

    /// Records for several nodes of one identity, so that a dialler that loses one of them goes on
    /// by another without loss or doubles; see [`Records`] for what each of the nodes does. They
    /// are for configurations with the identity and inbound limits of this one.
    ///
    /// A node uses one core. For more, bind one for each, to addresses of their own; give all of
    /// these to the diallers, in another order to each
    /// ([`addresses`](peer_sender_core::ConfigBuilder::addresses)), and take what comes from each
    /// node's own [`incoming`](Self::incoming):
    ///
    /// ```
    /// use peer_sender_driver::{Identity, Node, NodeConfig, Runtime, Trust};
    ///
    /// # #[expect(dead_code, reason = "there is no runtime here")]
    /// async fn one_node_a_core<R: Runtime>(
    ///     identity: Identity,
    ///     trust: Trust,
    /// ) -> Result<Vec<Node<String, R>>, Box<dyn std::error::Error>> {
    ///     let config = || NodeConfig::builder(identity.clone()).accept(trust.clone());
    ///     let records = Node::<String, R>::records(&config().build()?)?;
    ///     let mut nodes = Vec::new();
    ///     for core in 0..std::thread::available_parallelism()?.get() as u16 {
    ///         let config = config().records(records.clone()).build()?;
    ///         nodes.push(Node::bind(("0.0.0.0", 4433 + core), config).await?);
    ///     }
    ///     Ok(nodes)
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// The system has no random bytes ([`Entropy`](BindError::Entropy)).
    pub fn records(config: &NodeConfig) -> Result<Records, BindError> {
        let seed = R::seed().map_err(|error| BindError::from_entropy(&error))?;
        Ok(Records::new(config, seed, R::now()))
    }

    /// The address that the socket is bound to.
    pub fn local_addr(&self) -> SocketAddr {
        self.shared().address
    }

    /// Starts a sender to a peer. It dials at once, and again whenever the connection is lost,
    /// until it is stopped.
    ///
    /// # Errors
    ///
    /// A peer of this name exists ([`Duplicate`](AddPeerError::Duplicate)); its name is free
    /// again once it was stopped. The node is stopping or has stopped
    /// ([`Stopped`](AddPeerError::Stopped)). The configuration is for another protocol than the
    /// node's ([`Protocol`](AddPeerError::Protocol)).
    pub fn peer(&self, id: P, config: PeerConfig) -> Result<PeerSender, AddPeerError> {
        let shared = self.shared();
        let config = config.speaking(shared.protocol);
        let config = config.map_err(AddPeerError::Protocol)?;
        let peer = lock(&shared.control).add(id, config, &shared.bell, shared.clock)?;
        shared.bell.ring();
        Ok(PeerSender::new(peer))
    }

    /// The sender to the peer of this name, if there is one that has not stopped.
    pub fn get(&self, id: &P) -> Option<PeerSender> {
        let peer = lock(&self.shared().control).get(id)?;
        Some(PeerSender::new(peer))
    }

    /// Every peer that this node dials, in the order of their names.
    pub fn peers(&self) -> Vec<(P, PeerSender)> {
        let peers = lock(&self.shared().control).peers();
        let peers = peers.into_iter();
        peers
            .map(|(id, peer)| (id, PeerSender::new(peer)))
            .collect()
    }

    /// Hands the message to every peer that this node dials, on lane 0, and says for each whether
    /// it was accepted, in the order of their names. It waits for nobody: a peer whose queue is
    /// full answers `QueueFull`, and hands the message back to be sent again to it alone. The
    /// bytes are shared, not copied.
    pub fn broadcast(&self, payload: impl Into<Bytes>) -> Vec<(P, Result<Receipt, Rejected>)> {
        let payload = payload.into();
        let peers = self.peers().into_iter();
        peers
            .map(|(id, peer)| (id, peer.try_send(payload.clone())))
            .collect()
    }

    /// The host's own network has changed: dials every peer now that waits to be dialled again,
    /// but none sooner than its `backoff_min` after it was dialled last.
    pub fn network_changed(&self) {
        lock(&self.shared().control).network_changed();
        self.shared().bell.ring();
    }

    /// Whom the accepting side lets in from the driver's next turn on. Connections that stand and
    /// are no longer let in are closed with code 4, so that a key that was revoked is cut off at
    /// once. With no key at all nobody is let in. For a node that only dials nothing changes.
    pub fn set_trust(&self, trust: Trust) {
        let _replaced = lock(&self.shared().control).set_trust(trust);
        self.shared().bell.ring();
    }

    /// Who this node is from the driver's next turn on. Each peer that is connected gets a new
    /// connection as this identity, and the old one is then left in good order: at once and without
    /// a backoff, with nothing lost or sent twice if the peer answers what it got within 5 s, and
    /// otherwise as after any loss. Connections that others have dialled stay. See
    /// [`NodeMachine::replace_identity`](peer_sender_quic::NodeMachine::replace_identity).
    pub fn replace_identity(&self, identity: Identity) {
        let _replaced = lock(&self.shared().control).replace_identity(identity);
        self.shared().bell.ring();
    }

    /// The messages of all who dial this node, and the replies of those that it dials. Several
    /// `Incoming` share them: each message goes to one. Until there is one messages wait, and hold
    /// back who sends them when a budget is used up; see [`Incoming`].
    pub fn incoming(&self) -> Incoming<P> {
        Incoming::new(Arc::clone(&self.shared().inbox))
    }

    /// Connections that were turned away since the last call, the last 64 of them, for logs.
    pub fn turned_away(&self) -> Vec<TurnedAway> {
        lock(&self.shared().turned_away).drain(..).collect()
    }

    /// The node's counters as they are at the driver's next turn, or as they were at the end.
    ///
    /// # Cancel safety
    ///
    /// Dropping it changes nothing.
    pub async fn stats(&self) -> NodeStats {
        let (to, from) = reply();
        lock(&self.shared().control).ask_stats(to);
        self.shared().bell.ring();
        match from.await {
            Some(stats) => stats,
            None => lock(&self.shared().control).last_stats(),
        }
    }

    /// Forgets every accepted connection without a word to the other end, as a crash of the path
    /// would. Sessions are kept, so the other ends dial again and go on where they were. For
    /// demonstrations and tests of loss.
    pub fn cut_accepted(&self) {
        lock(&self.shared().control).cut_accepted();
        self.shared().bell.ring();
    }

    /// What the kernel gave of the 4 MiB of socket buffers asked for: receive, send, in bytes.
    pub fn socket_buffers(&self) -> (usize, usize) {
        self.shared().buffers
    }

    /// Now, on the node's own clock, which began when it was bound; or when the records were made
    /// that it shares with others.
    pub fn now(&self) -> Time {
        self.shared().clock.now()
    }

    /// Stops every peer and all accepting. Resolves when every accepted message has its outcome
    /// and everybody was told: streams have ended, and no task of the node is left.
    ///
    /// With [`StopMode::Drain`] what was accepted is finished within that time, and messages that
    /// the application holds, or that wait for it, can still be answered: it ends sooner once they
    /// are. A further stop may only shorten the first. With [`StopMode::Remove`] it ends as with
    /// [`StopMode::Abort`], and every peer that it dials as removed.
    ///
    /// What was not sent is handed back to who [stops the peer](PeerSender::stop), before or while
    /// the node stops.
    ///
    /// # Cancel safety
    ///
    /// The node is asked to stop when this is first polled; dropping it later changes nothing of
    /// that. Call it again to wait for the end.
    pub async fn stop(&self, mode: StopMode) {
        self.shared().stop(mode);
        Stopped {
            shared: self.shared(),
            place: None,
        }
        .await;
    }

    fn shared(&self) -> &Arc<NodeShared<P>> {
        &self.owner.shared
    }
}

impl<P: PeerId, R: Runtime> Clone for Node<P, R> {
    fn clone(&self) -> Self {
        Self {
            owner: Arc::clone(&self.owner),
            runtime: PhantomData,
        }
    }
}

impl<P: PeerId, R: Runtime> fmt::Debug for Node<P, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node")
            .field("local_addr", &self.local_addr())
            .finish_non_exhaustive()
    }
}

impl<P: PeerId> Drop for Owner<P> {
    fn drop(&mut self) {
        self.shared.stop(StopMode::Abort);
    }
}

/// Waits for the end of a node.
struct Stopped<'a, P: PeerId> {
    shared: &'a NodeShared<P>,
    place: Option<u64>,
}

impl<P: PeerId> Future for Stopped<'_, P> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let polled = lock(&this.shared.control).poll_stopped(&mut this.place, cx.waker());
        polled.map_or_else(|_replaced| Poll::Pending, Poll::Ready)
    }
}

impl<P: PeerId> Drop for Stopped<'_, P> {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            let _replaced = lock(&self.shared.control).leave(place);
        }
    }
}
