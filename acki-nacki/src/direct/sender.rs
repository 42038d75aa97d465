//! Direct sending to many peers.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex};
use std::task::Waker;
use std::time::Duration;

use bytes::Bytes;
use peer_sender_driver::{
    AddPeerError, AddressesError, FailReason, Node, Outcome, PeerConfig, PeerId, PeerSender,
    RefuseCode, RejectReason, Rejected, Runtime, StopMode,
};

use super::error::{DirectReason, DirectRejected, ResolveError};
use super::lock;
use super::metrics::{DirectMetrics, Incident};
use super::receipt::DirectReceipt;
use super::room::{Table, Waiting};
use super::tasks;
use crate::{Limits, NetMessage, UnencodableMessage};

/// The limits of direct sending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DirectConfig {
    /// Of messages.
    pub limits: Limits,
    /// The most messages that wait for one peer to be resolved: 1,000 by default.
    pub room_messages_max: usize,
    /// The most bytes of messages that wait for all of them: 64 MiB by default.
    pub room_bytes_max: usize,
    /// The most peers for which messages wait: 1,000 by default.
    pub unresolved_peers_max: usize,
    /// For how long a message waits for its peer to be resolved before it
    /// [expires](Outcome::Expired): a minute by default, 100 years at most. From then on the peer's own
    /// time to live counts ([`ConfigBuilder::ttl`](peer_sender_driver::ConfigBuilder::ttl)).
    pub room_ttl: Duration,
}

impl Default for DirectConfig {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            room_messages_max: 1_000,
            room_bytes_max: 64 << 20,
            unresolved_peers_max: 1_000,
            room_ttl: Duration::from_secs(60),
        }
    }
}

/// Sends to peers by their names, also to those whose address nobody knows yet. Cheap to clone; all
/// clones are the same.
///
/// A peer is resolved by [`resolve`](Self::resolve). Until then its messages wait in a room of their
/// own, bounded, and each for a time; then they are handed over in their order, before anything that is
/// sent afterwards. A peer whose sender has ended by itself, because it gave the peer up or was stopped
/// by its own handle, counts as not resolved again once somebody sends to it.
///
/// Each accepted message has one outcome, which its receipt tells. When the last `Direct` is dropped what
/// waits in the rooms has failed as stopped, and its [`Node`] handle is dropped with it; so it is when
/// the runtime is dropped. A node that is stopped by another of its handles takes nothing more, and what
/// waits here expires in its time: [`stop`](Self::stop) ends both.
///
/// Whoever sends to a peer by other handles as well ([`Node::get`]) has no order between the two.
pub struct Direct<P: PeerId, R: Runtime> {
    shared: Arc<Shared<P, R>>,
}

pub(super) struct Shared<P: PeerId, R: Runtime> {
    node: Node<P, R>,
    config: DirectConfig,
    pub(super) metrics: DirectMetrics,
    pub(super) table: Mutex<Table<P>>,
}

impl<P: PeerId, R: Runtime> Direct<P, R> {
    /// Sends by this node. Called in the runtime that the node runs in.
    ///
    /// # Errors
    ///
    /// The runtime has no room for a task.
    pub fn new(
        node: Node<P, R>,
        config: DirectConfig,
        metrics: &DirectMetrics,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            node,
            config,
            metrics: metrics.clone(),
            table: Mutex::new(Table::new()),
        });
        R::spawn(tasks::keep_rooms(&shared))?;
        Ok(Self { shared })
    }

    /// Hands a message over, for whoever has this name. It never waits.
    ///
    /// # Errors
    ///
    /// The message is handed back: it cannot be encoded, there is no room for it, or everything was
    /// stopped.
    pub fn send(
        &self,
        id: &P,
        message: NetMessage,
    ) -> Result<DirectReceipt, DirectRejected<Box<NetMessage>>> {
        match message.encode(&self.shared.config.limits) {
            Ok(bytes) => {
                let sent = self.send_bytes(id, bytes);
                sent.map_err(|rejected| rejected.handing_back(Box::new(message)))
            }
            Err(error) => Err(DirectRejected::new(error.into(), Box::new(message))),
        }
    }

    /// The same for a message that is encoded already: for one that goes to many. The bytes are shared,
    /// not copied, and not looked at.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn send_bytes(&self, id: &P, bytes: Bytes) -> Result<DirectReceipt, DirectRejected<Bytes>> {
        let Shared { config, .. } = &*self.shared;
        let (length, max) = (bytes.len(), config.limits.message_bytes_max);
        if length > max {
            let error = UnencodableMessage::TooLarge { length, max };
            return Err(DirectRejected::new(error.into(), bytes));
        }
        if length == 0 {
            return Err(DirectRejected::new(RejectReason::Empty.into(), bytes));
        }
        let open = lock(&self.shared.table).open(id).cloned();
        let Some(open) = open else {
            return self.let_wait(id, bytes);
        };
        match open.sender.try_send(bytes) {
            Ok(receipt) => Ok(DirectReceipt::of_sent(receipt)),
            Err(Rejected {
                reason: RejectReason::Stopped,
                payload,
            }) => {
                lock(&self.shared.table).unresolve(id, open.generation, None);
                self.let_wait(id, payload)
            }
            Err(Rejected { reason, payload }) => Err(DirectRejected::new(reason.into(), payload)),
        }
    }

    fn let_wait(&self, id: &P, bytes: Bytes) -> Result<DirectReceipt, DirectRejected<Bytes>> {
        let Shared {
            config, metrics, ..
        } = &*self.shared;
        let waits = {
            let mut table = lock(&self.shared.table);
            match table.stopped {
                true => Err(DirectReason::Stopped),
                // Resolved since it was looked for.
                false if table.open(id).is_some() => {
                    drop(table);
                    return self.send_bytes(id, bytes);
                }
                false => table.wait(id, &bytes, R::now(), config, metrics),
            }
        };
        match waits {
            Ok((receipt, waker)) => {
                waker.into_iter().for_each(Waker::wake);
                Ok(receipt)
            }
            Err(reason) => {
                if reason != DirectReason::Stopped {
                    metrics.happened(Incident::RoomFull);
                }
                Err(DirectRejected::new(reason, bytes))
            }
        }
    }

    /// Tells who the peer of this name is, and where: it is dialled, and what waits for it is handed
    /// over. Of a peer that is resolved already the addresses are replaced, and the rest of the
    /// configuration is left as it was. Called in the runtime that the node runs in.
    ///
    /// A waiting message that is larger than this peer's configuration allows is
    /// [refused](Outcome::Refused) as too large.
    ///
    /// # Errors
    ///
    /// The node does not take the peer, or not these addresses, or it is resolved as somebody else.
    /// Nothing is changed then.
    pub fn resolve(&self, id: P, config: PeerConfig) -> Result<PeerSender, ResolveError> {
        let mut wakers = Vec::new();
        let resolved = self.resolve_and_move(id, config, &mut wakers);
        wakers.into_iter().for_each(Waker::wake);
        let (sender, tasks) = resolved?;
        for task in tasks {
            // A task that there is no room for is dropped, and puts back what it had to do.
            let _no_room = R::spawn(task);
        }
        Ok(sender)
    }

    fn resolve_and_move(
        &self,
        id: P,
        config: PeerConfig,
        wakers: &mut Vec<Waker>,
    ) -> Result<(PeerSender, Vec<tasks::Task>), ResolveError> {
        let expected = config.expected().clone();
        let addresses = config.machine().addresses().to_vec();
        let mut table = lock(&self.shared.table);
        if table.stopped {
            return Err(AddPeerError::Stopped.into());
        }
        if let Some(known) = table.resolved(&id).cloned() {
            // One that has stopped is another's in any case.
            if known.expected != expected && self.shared.node.get(&id).is_some() {
                return Err(ResolveError::AnotherIdentity);
            }
            match known.sender.set_addresses(addresses) {
                Ok(()) => return Ok((known.sender, Vec::new())),
                Err(AddressesError::Stopped) => {
                    table.unresolve(&id, known.generation, None);
                    wakers.extend(table.keeper.take());
                }
                Err(error) => return Err(error.into()),
            }
        }
        let sender = self.shared.node.peer(id.clone(), config)?;
        let times = tasks::count_transfers(sender.transfers(), self.shared.metrics.clone());
        let (_, room) = table.take(&id);
        let rest = self.hand_over(&sender, room, wakers);
        let moves = !rest.is_empty();
        let generation = table.resolve(id.clone(), sender.clone(), expected, rest);
        drop(table);
        let mut tasks: Vec<tasks::Task> = vec![Box::pin(times)];
        if moves {
            let moving = tasks::hand_over(&self.shared, id, sender.clone(), generation);
            tasks.push(Box::pin(moving));
        }
        Ok((sender, tasks))
    }

    /// Hands over as much as the sender's queue takes at once. Returns the rest.
    fn hand_over(
        &self,
        sender: &PeerSender,
        mut room: VecDeque<Waiting>,
        wakers: &mut Vec<Waker>,
    ) -> VecDeque<Waiting> {
        let now = R::now();
        while let Some(message) = room.pop_front() {
            match sender.try_send(message.payload()) {
                Ok(receipt) => wakers.extend(message.sent(receipt, now)),
                Err(Rejected {
                    reason: RejectReason::QueueFull | RejectReason::Stopped,
                    ..
                }) => {
                    room.push_front(message);
                    break;
                }
                Err(_too_large) => wakers.extend(message.settle(TOO_LARGE, now)),
            }
        }
        room
    }

    /// The sender to the peer of this name, if it is resolved.
    pub fn get(&self, id: &P) -> Option<PeerSender> {
        let table = lock(&self.shared.table);
        table.resolved(id).map(|resolved| resolved.sender.clone())
    }

    /// Peers for which messages wait as they are not resolved, and the messages and bytes that wait, for
    /// these and behind others that are just being handed over.
    pub fn waiting(&self) -> (usize, usize, usize) {
        lock(&self.shared.table).waiting()
    }

    /// Gives a peer up: what waits for it has failed as removed, and a peer that was resolved is
    /// [removed](PeerSender::remove), so that its name is free.
    ///
    /// # Cancel safety
    ///
    /// What waits is settled, and the peer asked to end, when this is first polled; dropping it later
    /// changes nothing of that.
    pub async fn give_up(&self, id: &P) {
        let (resolved, room) = lock(&self.shared.table).take(id);
        let now = R::now();
        for message in room {
            let waker = message.settle(Outcome::Failed(FailReason::Removed), now);
            waker.into_iter().for_each(Waker::wake);
        }
        if let Some(resolved) = resolved {
            resolved.sender.remove().await;
        }
    }

    /// Stops everything, the node as well ([`Node::stop`]). What waits for its peer has failed as
    /// stopped, at once, however much time a drain has.
    ///
    /// # Cancel safety
    ///
    /// As [`Node::stop`].
    pub async fn stop(&self, mode: StopMode) {
        self.shared.close();
        self.shared.node.stop(mode).await;
    }

    /// The node that it sends by.
    pub fn node(&self) -> &Node<P, R> {
        &self.shared.node
    }

    /// What it counts into.
    pub fn metrics(&self) -> &DirectMetrics {
        &self.shared.metrics
    }
}

/// What becomes of a message that waited, and is larger than its peer's configuration allows.
pub(super) const TOO_LARGE: Outcome = Outcome::Refused(RefuseCode::TooLarge);

impl<P: PeerId, R: Runtime> Shared<P, R> {
    /// Nothing is accepted from here on, and what waits has failed.
    pub(super) fn close(&self) {
        let (left, keeper) = {
            let mut table = lock(&self.table);
            (table.stop(), table.keeper.take())
        };
        drop(left);
        keeper.into_iter().for_each(Waker::wake);
    }
}

impl<P: PeerId, R: Runtime> Drop for Shared<P, R> {
    /// Ends the task that looks after the rooms.
    fn drop(&mut self) {
        self.close();
    }
}

impl<P: PeerId, R: Runtime> Clone for Direct<P, R> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<P: PeerId, R: Runtime> fmt::Debug for Direct<P, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Direct")
            .field("node", &self.shared.node)
            .field("waiting", &self.waiting())
            .finish_non_exhaustive()
    }
}
