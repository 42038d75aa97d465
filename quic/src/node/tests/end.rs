//! One node of a test, with everything that it has said, and the application behind it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Instant, SystemTime};

use bytes::Bytes;
use peer_sender_core::{
    Capacity, Lane, LinkError, MessageId, Outcome, PeerEvent, PeerKey, Rejected, SessionHandle,
    Time, Transfer,
};

use crate::NodeConfig;
use crate::node::{NodeEvent, NodeMachine, PeerHandle, Source, Target};

pub(super) struct End {
    pub(super) node: NodeMachine<String>,
    /// Whether the application answers every message in the moment in which it comes.
    pub(super) consumes: bool,
    /// Lanes that it leaves unanswered all the same.
    pub(super) deaf: BTreeSet<Lane>,
    pub(super) received: Vec<(PeerKey, u64, Bytes)>,
    pub(super) names: Vec<Option<String>>,
    /// Where messages came from.
    pub(super) sources: BTreeSet<Source>,
    pub(super) forgotten: Vec<Source>,
    pub(super) settled: BTreeMap<Target, Vec<(MessageId, Outcome)>>,
    pub(super) rejected: Vec<(MessageId, Rejected)>,
    pub(super) said: BTreeMap<PeerHandle, Vec<PeerEvent>>,
    pub(super) room: BTreeMap<(Target, Lane), Capacity>,
    pub(super) turned_away: Vec<(Option<PeerKey>, LinkError)>,
    pub(super) until: Option<Time>,
    pub(super) transfers: Vec<Transfer>,
    /// What came on each lane.
    lanes: BTreeMap<(Source, Lane), Vec<Bytes>>,
    /// The number after the last that came on each lane.
    below: BTreeMap<(Source, Lane), u64>,
}

impl End {
    pub(super) fn new(config: NodeConfig, seed: u8, base: Instant, date: SystemTime) -> Self {
        let mut node = NodeMachine::new(config, [seed; 32], base, date);
        node.set_segments_max(64);
        Self {
            node,
            consumes: true,
            deaf: BTreeSet::new(),
            received: Vec::new(),
            names: Vec::new(),
            sources: BTreeSet::new(),
            forgotten: Vec::new(),
            settled: BTreeMap::new(),
            rejected: Vec::new(),
            said: BTreeMap::new(),
            room: BTreeMap::new(),
            turned_away: Vec::new(),
            until: None,
            transfers: Vec::new(),
            lanes: BTreeMap::new(),
            below: BTreeMap::new(),
        }
    }

    pub(super) fn hear(&mut self, now: Time, event: NodeEvent<String>) {
        match event {
            NodeEvent::Settled { to, settled } => {
                assert!(!settled.is_empty());
                self.assert_is_heard_of(to);
                self.settled.entry(to).or_default().extend(settled);
            }
            NodeEvent::Rejected { id, rejected, .. } => self.rejected.push((id, rejected)),
            NodeEvent::HandedBack { to, unsent } => {
                assert!(!unsent.is_empty());
                self.assert_is_heard_of(to);
            }
            NodeEvent::Transferred { to, transfers } => {
                assert!(!transfers.is_empty());
                self.assert_is_heard_of(to);
                self.transfers.extend(transfers);
            }
            NodeEvent::Room { to, lane, capacity } => {
                self.assert_is_heard_of(to);
                self.room.insert((to, lane), capacity);
            }
            NodeEvent::Peer { peer, event } => {
                self.assert_is_heard_of(Target::Peer(peer));
                self.said.entry(peer).or_default().push(event);
            }
            NodeEvent::Incoming {
                source,
                from,
                messages,
            } => {
                assert!(!messages.is_empty());
                assert!(!self.forgotten.contains(&source), "{source:?} is forgotten");
                self.sources.insert(source);
                self.names.push(from.peer);
                for message in messages {
                    let place = (source, message.lane);
                    let below = self.below.entry(place).or_default();
                    assert!(
                        message.number >= *below,
                        "{place:?}: {message:?} came again"
                    );
                    *below = message.number + 1;
                    let payload = message.payload;
                    self.lanes.entry(place).or_default().push(payload.clone());
                    self.received.push((from.key, message.number, payload));
                    if self.consumes && !self.deaf.contains(&message.lane) {
                        let below = message.number + 1;
                        self.node.consumed(now, source, message.lane, below);
                    }
                }
            }
            NodeEvent::Forgotten { source } => self.forgotten.push(source),
            NodeEvent::InboundRejected { key, error, .. } => self.turned_away.push((key, error)),
        }
    }

    /// `SenderStopped` is the last that is heard of a peer, and `Forgotten` of a session, apart
    /// from what is queued later.
    fn assert_is_heard_of(&self, to: Target) {
        let over = match to {
            Target::Peer(peer) => {
                let last = self.said.get(&peer).and_then(|said| said.last());
                matches!(last, Some(PeerEvent::SenderStopped { .. }))
            }
            Target::Session(session) => self.forgotten.contains(&Source::Session(session)),
        };
        assert!(!over, "heard of {to:?} later");
    }

    /// Answers all that has come and was not answered.
    pub(super) fn consume(&mut self, now: Time) {
        for (&(source, lane), &below) in &self.below {
            self.node.consumed(now, source, lane, below);
        }
    }

    /// What came from there on that lane.
    pub(super) fn got(&self, source: Source, lane: Lane) -> &[Bytes] {
        self.lanes.get(&(source, lane)).map_or(&[], Vec::as_slice)
    }

    /// The newest session that has sent something.
    pub(super) fn session(&self) -> SessionHandle {
        let session = self.sources.iter().rev().find_map(|source| match source {
            Source::Session(session) => Some(*session),
            Source::Peer { .. } => None,
        });
        session.expect("no session has sent anything")
    }

    pub(super) fn settled(&self, peer: PeerHandle) -> &[(MessageId, Outcome)] {
        self.settled_to(Target::Peer(peer))
    }

    pub(super) fn settled_to(&self, to: Target) -> &[(MessageId, Outcome)] {
        self.settled.get(&to).map_or(&[], Vec::as_slice)
    }

    pub(super) fn said(&self, peer: PeerHandle) -> &[PeerEvent] {
        self.said.get(&peer).map_or(&[], Vec::as_slice)
    }

    pub(super) fn connected(&self, peer: PeerHandle) -> usize {
        self.said(peer)
            .iter()
            .filter(|e| matches!(e, PeerEvent::Connected { .. }))
            .count()
    }

    pub(super) fn errors(&self, peer: PeerHandle) -> Vec<LinkError> {
        let errors = self.said(peer).iter().filter_map(|event| match event {
            PeerEvent::Disconnected { error, .. } => Some(error.clone()),
            _ => None,
        });
        errors.collect()
    }
}
