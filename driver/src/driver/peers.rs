//! The driver's side of the mailboxes: those of the peers that this node dials, and those of
//! replies to the sessions of others.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::task::Waker;

use peer_sender_core::{
    Lane, MessageId, Outcome, SessionHandle, Time, Transfer, Unsent, WakeReason,
};
use peer_sender_quic::{NodeMachine, PeerHandle, PeerId, Target};

use crate::bell::lock;
use crate::control::Added;
use crate::mailbox::{Accepted, News};
use crate::peer::PeerShared;

/// Outcomes that are written down under one lock, so that no caller waits long for it.
const SETTLED_AT_ONCE: usize = 128;

/// All whom messages are for, by the names of their mailboxes, and these by the machine's name for
/// them.
pub(super) struct Peers<P> {
    peers: BTreeMap<usize, Peer<P>>,
    places: BTreeMap<Target, usize>,
    /// Room for the messages of one mailbox.
    messages: Accepted,
    /// Whoever is to be woken when the turn is over.
    wakers: Vec<Waker>,
}

/// One of them.
pub(super) struct Peer<P> {
    /// The user's name of a peer that this node dials.
    pub(super) name: Option<P>,
    pub(super) shared: Arc<PeerShared>,
    target: Target,
}

impl<P: PeerId> Peers<P> {
    pub(super) fn new() -> Self {
        Self {
            peers: BTreeMap::new(),
            places: BTreeMap::new(),
            messages: Accepted::default(),
            wakers: Vec::new(),
        }
    }

    /// Makes the peer known to the machine. The name and handle of one that the machine does not
    /// take are handed back.
    pub(super) fn add(
        &mut self,
        machine: &mut NodeMachine<P>,
        now: Time,
        added: Added<P>,
    ) -> Result<(), (P, Arc<PeerShared>)> {
        let Added {
            name,
            config,
            shared,
        } = added;
        match machine.add_peer(now, name.clone(), config) {
            Ok(handle) => {
                self.insert(Target::Peer(handle), Some(name), shared);
                Ok(())
            }
            Err(error) => {
                tracing::debug!(peer = %name, %error, "a peer was not added");
                Err((name, shared))
            }
        }
    }

    /// Somebody wants to answer a session.
    pub(super) fn add_replies(&mut self, session: SessionHandle, shared: Arc<PeerShared>) {
        self.insert(Target::Session(session), None, shared);
    }

    fn insert(&mut self, target: Target, name: Option<P>, shared: Arc<PeerShared>) {
        let place = shared.place();
        self.places.insert(target, place);
        self.peers.insert(
            place,
            Peer {
                name,
                shared,
                target,
            },
        );
    }

    /// Hands the news of one mailbox to the machine: first what was accepted, last the stop.
    pub(super) fn collect(&mut self, machine: &mut NodeMachine<P>, now: Time, place: usize) {
        let Some(peer) = self.peers.get(&place) else {
            return;
        };
        let target = peer.target;
        let News {
            cancels,
            addresses,
            wake,
            stop,
            stats,
            snapshots,
            unseen,
        } = lock(&peer.shared.mailbox).take(&mut self.messages);
        let count = self.messages.len();
        if count > 0 {
            machine.queue(now, target, self.messages.by_ref());
        }
        for id in cancels {
            machine.cancel(now, target, id);
        }
        if let Target::Peer(handle) = target {
            if let Some(addresses) = addresses {
                machine.set_addresses(now, handle, addresses);
            }
            if wake {
                machine.wake(now, handle, WakeReason::Operator);
            }
        }
        match (stop, target) {
            (None, _) => {}
            (Some(mode), Target::Peer(handle)) => machine.stop_peer(now, handle, mode),
            (Some(mode), Target::Session(session)) => machine.stop_session(now, session, mode),
        }
        for to in stats {
            let mut stats = machine.peer_stats(target).unwrap_or_default();
            unseen.add_to(&mut stats);
            to.send(stats);
        }
        for to in snapshots {
            if let Some(snapshot) = machine.snapshot(target) {
                to.send(snapshot);
            }
        }
        self.give_back(count);
    }

    /// As [`collect`](Self::collect), for every peer.
    pub(super) fn collect_all(&mut self, machine: &mut NodeMachine<P>, now: Time) {
        let places: Vec<_> = self.peers.keys().copied().collect();
        for place in places {
            self.collect(machine, now, place);
        }
    }

    /// The mailbox of a peer that this node dials.
    pub(super) fn get(&self, handle: PeerHandle) -> Option<&Arc<PeerShared>> {
        let peer = self.peer(Target::Peer(handle))?;
        Some(&peer.shared)
    }

    /// Writes outcomes down.
    pub(super) fn settle(&mut self, to: Target, settled: Vec<(MessageId, Outcome)>) {
        let Some(peer) = self.places.get(&to).and_then(|place| self.peers.get(place)) else {
            return;
        };
        let mut settled = settled.into_iter();
        while settled.len() > 0 {
            let mut mailbox = lock(&peer.shared.mailbox);
            for (id, outcome) in settled.by_ref().take(SETTLED_AT_ONCE) {
                mailbox.settle(id, outcome, &mut self.wakers);
            }
        }
    }

    /// Writes the times of messages down whose outcomes come next.
    pub(super) fn transferred(&mut self, to: Target, transfers: &[Transfer]) {
        let Some(peer) = self.places.get(&to).and_then(|place| self.peers.get(place)) else {
            return;
        };
        for some in transfers.chunks(SETTLED_AT_ONCE) {
            lock(&peer.shared.mailbox).transferred(some, &mut self.wakers);
        }
    }

    /// Messages that were not sent come back with the end.
    pub(super) fn hand_back(&self, to: Target, unsent: Vec<Unsent>) {
        if let Some(peer) = self.peer(to) {
            let _unwanted = lock(&peer.shared.mailbox).hand_back(unsent);
        }
    }

    /// Messages left a lane's queue in the machine.
    pub(super) fn make_room(&mut self, machine: &NodeMachine<P>, to: Target, lane: Lane) {
        let Some(peer) = self.places.get(&to).and_then(|place| self.peers.get(place)) else {
            return;
        };
        // The machine is asked anew: an event may be older than what was handed over since.
        let capacity = machine.capacity(to, lane);
        lock(&peer.shared.mailbox).set_room(lane, capacity, &mut self.wakers);
    }

    /// It has stopped, and all that it had to say was heard. Whoever waits for its end is woken by
    /// [`PeerShared::finish`], after its name is free.
    pub(super) fn remove(&mut self, target: Target) -> Option<Peer<P>> {
        let place = self.places.remove(&target)?;
        self.peers.remove(&place)
    }

    /// Everybody to be woken since the last call, while no lock is held.
    pub(super) fn wake(&mut self) {
        self.wakers.drain(..).for_each(Waker::wake);
    }

    /// Every peer that is left, for the end.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = Arc<PeerShared>> + use<P> {
        self.places.clear();
        std::mem::take(&mut self.peers)
            .into_values()
            .map(|peer| peer.shared)
    }

    fn peer(&self, target: Target) -> Option<&Peer<P>> {
        self.peers.get(self.places.get(&target)?)
    }

    /// The queue goes to the next mailbox that is emptied: it must not carry the room of one
    /// peer's burst to every other peer.
    fn give_back(&mut self, used: usize) {
        const KEPT: usize = 64;
        let enough = used.max(KEPT) * 2;
        self.messages.shrink(enough);
    }
}
