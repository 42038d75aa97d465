//! The driver's side of the peers that this node dials.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::task::Waker;

use peer_sender_core::{FailReason, Lane, MessageId, Outcome, Time};
use peer_sender_quic::{NodeMachine, PeerHandle, PeerId, Target};

use crate::bell::lock;
use crate::control::Added;
use crate::mailbox::Queued;
use crate::peer::PeerShared;

/// Outcomes that are written down under one lock, so that no caller waits long for it.
const SETTLED_AT_ONCE: usize = 128;

/// All peers, by their place, and their places by the machine's name for them.
pub(super) struct Peers<P> {
    peers: BTreeMap<usize, Peer<P>>,
    places: BTreeMap<PeerHandle, usize>,
    /// Room for the messages of one mailbox.
    messages: Vec<Queued>,
    /// Whoever is to be woken when the turn is over.
    wakers: Vec<Waker>,
}

struct Peer<P> {
    name: P,
    handle: PeerHandle,
    shared: Arc<PeerShared>,
}

impl<P: PeerId> Peers<P> {
    pub(super) fn new() -> Self {
        Self {
            peers: BTreeMap::new(),
            places: BTreeMap::new(),
            messages: Vec::new(),
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
            index,
            name,
            config,
            shared,
        } = added;
        match machine.add_peer(now, name.clone(), config) {
            Ok(handle) => {
                self.places.insert(handle, index);
                self.peers.insert(
                    index,
                    Peer {
                        name,
                        handle,
                        shared,
                    },
                );
                Ok(())
            }
            Err(error) => {
                tracing::debug!(peer = %name, %error, "a peer was not added");
                Err((name, shared))
            }
        }
    }

    /// Hands the news of one mailbox to the machine: first what was accepted, then the stop.
    pub(super) fn collect(&mut self, machine: &mut NodeMachine<P>, now: Time, place: usize) {
        let Some(peer) = self.peers.get(&place) else {
            return;
        };
        let news = lock(&peer.shared.mailbox).take(&mut self.messages);
        let count = self.messages.len();
        if count > 0 {
            machine.queue(now, Target::Peer(peer.handle), self.messages.drain(..));
        }
        if let Some(mode) = news.stop {
            machine.stop_peer(now, peer.handle, mode);
        }
        for to in news.stats {
            to.send(
                machine
                    .peer_stats(Target::Peer(peer.handle))
                    .unwrap_or_default(),
            );
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

    pub(super) fn get(&self, handle: PeerHandle) -> Option<&PeerShared> {
        let peer = self.peers.get(self.places.get(&handle)?)?;
        Some(&peer.shared)
    }

    /// Writes outcomes down.
    pub(super) fn settle(&mut self, handle: PeerHandle, settled: Vec<(MessageId, Outcome)>) {
        let Some(peer) = self
            .places
            .get(&handle)
            .and_then(|place| self.peers.get(place))
        else {
            return;
        };
        let mut settled = settled.into_iter();
        while settled.len() > 0 {
            let mut mailbox = lock(&peer.shared.mailbox);
            for (id, outcome) in settled.by_ref().take(SETTLED_AT_ONCE) {
                mailbox.slots.settle(id, outcome, &mut self.wakers);
            }
        }
    }

    /// An accepted message came too late for the machine.
    pub(super) fn reject(&mut self, handle: PeerHandle, id: MessageId) {
        self.settle(handle, vec![(id, Outcome::Failed(FailReason::Stopped))]);
    }

    /// Messages left the machine's queue.
    pub(super) fn make_room(&mut self, machine: &NodeMachine<P>, handle: PeerHandle) {
        let Some(peer) = self
            .places
            .get(&handle)
            .and_then(|place| self.peers.get(place))
        else {
            return;
        };
        // The machine is asked anew: an event may be older than what was handed over since.
        let capacity = machine.capacity(Target::Peer(handle), Lane(0));
        lock(&peer.shared.mailbox).set_room(capacity, &mut self.wakers);
    }

    /// The peer has stopped, and all that it had to say was heard. Gives back its name; whoever
    /// waits for its end is woken by [`PeerShared::finish`], after its name is free.
    pub(super) fn remove(&mut self, handle: PeerHandle) -> Option<(P, Arc<PeerShared>)> {
        let place = self.places.remove(&handle)?;
        let peer = self.peers.remove(&place)?;
        Some((peer.name, peer.shared))
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

    /// The vector goes to the next mailbox that is emptied: it must not carry the room of one
    /// peer's burst to every other peer.
    fn give_back(&mut self, used: usize) {
        const KEPT: usize = 64;
        let enough = used.max(KEPT) * 2;
        if self.messages.capacity() > 2 * enough {
            self.messages.shrink_to(enough);
        }
    }
}
