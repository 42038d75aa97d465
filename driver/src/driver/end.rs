//! The ends: of a peer, and of the node, in good order or not.

use std::sync::Arc;

use peer_sender_core::{StopMode, StopReason};
use peer_sender_quic::{NodeStats, PeerId, PeerStats, Target};

use super::Driver;
use super::outputs::Outputs;
use crate::bell::lock;
use crate::control::NodeShared;
use crate::incoming::wake_takers;
use crate::peer::PeerShared;
use crate::runtime::Runtime;

/// Rounds of outputs that are followed when the task is dropped: far above what a node of any size
/// has to say at its end.
const ABORT_ROUNDS_MAX: usize = 100_000;

impl<P: PeerId, R: Runtime> Driver<P, R> {
    /// Peers that have stopped end here, when every outcome that came before was written down.
    /// False if there were none.
    pub(super) fn end_stopped_peers(&mut self) -> bool {
        let stopped = std::mem::take(&mut self.stopped);
        let any = !stopped.is_empty();
        for (target, reason) in stopped {
            let stats = self.machine.peer_stats(target).unwrap_or_default();
            if let Target::Peer(handle) = target {
                self.machine.remove_peer(handle);
            }
            let Some(peer) = self.peers.remove(target) else {
                continue;
            };
            let reason = match target {
                Target::Peer(_) => reason,
                Target::Session(_) => lock(&peer.shared.mailbox).reason_or(reason),
            };
            self.end_peer(peer.name.as_ref(), &peer.shared, reason, stats);
        }
        any
    }

    /// Gives the name back before anybody hears of the end, so that who hears may use it again.
    pub(super) fn end_peer(
        &self,
        name: Option<&P>,
        peer: &PeerShared,
        reason: StopReason,
        stats: PeerStats,
    ) {
        if let Some(name) = name {
            lock(&self.shared.control).remove(name);
        }
        peer.finish(reason, stats);
    }

    /// Stops the node at once, without the runtime: the machine says what is true of each
    /// message, and what it wants to tell the other ends is tried once.
    fn abort(&mut self) {
        let now = self.now();
        self.shared.bell.wake_up();
        self.shared.stop(StopMode::Abort);
        self.take_news(now);
        for _ in 0..ABORT_ROUNDS_MAX {
            if self.follow_outputs(now) == Outputs::All && !self.end_stopped_peers() {
                break;
            }
        }
    }
}

impl<P: PeerId, R: Runtime> Drop for Driver<P, R> {
    /// The node's end: what is still open gets the outcome that is true of it. The rest is told
    /// when the last field is dropped.
    fn drop(&mut self) {
        if !self.machine.is_stopped() && !std::thread::panicking() {
            self.abort();
        }
        self.ending.stats = self.machine.stats();
        self.ending.peers = self.peers.drain().collect();
        self.peers.wake();
    }
}

/// Tells of the node's end when it is dropped: every stream ends, and whoever waits is woken.
/// Nobody hears of it before the socket is closed, so that its address can be bound again at once.
pub(super) struct Ending<P: PeerId> {
    shared: Arc<NodeShared<P>>,
    stats: NodeStats,
    peers: Vec<Arc<PeerShared>>,
}

impl<P: PeerId> Ending<P> {
    pub(super) fn of(shared: &Arc<NodeShared<P>>) -> Self {
        Self {
            shared: Arc::clone(shared),
            stats: NodeStats::default(),
            peers: Vec::new(),
        }
    }
}

impl<P: PeerId> Drop for Ending<P> {
    fn drop(&mut self) {
        let (commands, replies) = self.shared.close(self.stats);
        let added = commands.added.into_iter().map(|added| added.shared);
        for shared in self.peers.drain(..).chain(replies).chain(added) {
            shared.finish_with_node();
        }
        wake_takers(&self.shared.inbox);
        self.shared.finish();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Mutex, MutexGuard};
    use std::task::{Wake, Waker};

    use peer_sender_core::PeerKey;
    use peer_sender_quic::{Identity, NodeConfig, PeerConfig};

    use super::*;
    use crate::testing;

    /// Notes when it is woken how the peer stands then.
    struct Onlooker {
        peer: Arc<PeerShared>,
        seen: Mutex<Vec<Option<StopReason>>>,
    }

    impl Onlooker {
        fn seen(&self) -> MutexGuard<'_, Vec<Option<StopReason>>> {
            lock(&self.seen)
        }
    }

    impl Wake for Onlooker {
        fn wake(self: Arc<Self>) {
            let stopped = lock(&self.peer.mailbox).stopped();
            self.seen().push(stopped);
        }
    }

    #[test]
    fn who_hears_of_the_end_finds_every_peer_ended() {
        let address = "127.0.0.1:1".parse().unwrap();
        let config = NodeConfig::new(Identity::from_secret([1; 32]));
        let shared = NodeShared::<u8>::new(address, (0, 0), testing::clock(), &config);
        let shared = Arc::new(shared);
        let config = PeerConfig::new(PeerKey([1; 32]), address).unwrap();
        let peer = lock(&shared.control)
            .add(1, config, &shared.bell, shared.clock)
            .unwrap();
        let onlooker = Arc::new(Onlooker {
            peer,
            seen: Mutex::default(),
        });
        let mut place = None;
        let waker = Waker::from(Arc::clone(&onlooker));
        let waits = lock(&shared.control).poll_stopped(&mut place, &waker);
        assert!(waits.is_err());

        drop(Ending::of(&shared));
        assert_eq!(*onlooker.seen(), [Some(StopReason::Aborted)]);
        let ended = lock(&shared.control).poll_stopped(&mut place, &waker);
        assert!(ended.is_ok());
    }
}
