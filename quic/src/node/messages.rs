//! What users hand over and what applications answer: messages for peers that the node dials and
//! for sessions of those who dialled it, told apart by [`Target`] and [`Source`] alone.

use std::fmt;

use bytes::Bytes;
use peer_sender_core::{
    Capacity, Event, Holdup, Lane, MessageId, MessageOptions, RefuseCode, RejectReason, Rejected,
    Time,
};

use super::link::{Link, LinkId};
use super::{NodeEvent, NodeMachine, PeerId, PeerSnapshot, PeerStats, Source, Target};

/// A message on its way into a machine.
#[derive(Clone, PartialEq, Eq)]
pub struct OutgoingMessage {
    /// Its name, higher than that of every message before it.
    pub id: MessageId,
    /// The lane it goes on.
    pub lane: Lane,
    /// What is to be delivered.
    pub payload: Bytes,
    /// What is asked for it alone.
    pub options: MessageOptions,
}

impl OutgoingMessage {
    /// A message of which nothing is asked that is not asked of all.
    pub fn new(id: MessageId, lane: Lane, payload: Bytes) -> Self {
        let options = MessageOptions::default();
        Self {
            id,
            lane,
            payload,
            options,
        }
    }
}

impl<P: PeerId> NodeMachine<P> {
    /// Hands messages to a machine in one step. Their ids must increase over its life. A message
    /// that is not accepted comes back as [`NodeEvent::Rejected`], also where its peer or session
    /// is not there.
    pub fn queue(
        &mut self,
        now: Time,
        to: Target,
        messages: impl IntoIterator<Item = OutgoingMessage>,
    ) {
        let now = self.net.clock.advance(now);
        if self.is_there(to) {
            self.step(now, to, messages.into_iter().map(Event::from));
        } else {
            let rejected = messages.into_iter().map(|message| {
                let (reason, payload) = (RejectReason::Stopped, message.payload);
                NodeEvent::Rejected {
                    to,
                    id: message.id,
                    lane: message.lane,
                    rejected: Rejected { reason, payload },
                }
            });
            self.events.extend(rejected);
        }
    }

    /// Takes a message back, if it has not begun, or once it is proven that it was not received;
    /// else it goes on. Either way its outcome comes as of any message.
    pub fn cancel(&mut self, now: Time, to: Target, id: MessageId) {
        let now = self.net.clock.advance(now);
        self.step(now, to, [Event::Cancel { id }]);
    }

    /// The application has answered every message of this lane below this number. Ignored once
    /// the source is [forgotten](NodeEvent::Forgotten).
    pub fn consumed(&mut self, now: Time, source: Source, lane: Lane, below: u64) {
        self.answer(now, source, Event::Consumed { lane, below });
    }

    /// The application refuses a message; comes before the [`consumed`](Self::consumed) that
    /// covers it. Ignored once the source is [forgotten](NodeEvent::Forgotten).
    pub fn refuse(&mut self, now: Time, source: Source, lane: Lane, number: u64, code: RefuseCode) {
        self.answer(now, source, Event::Refused { lane, number, code });
    }

    /// What the machine would accept on this lane now; messages that were handed over by
    /// [`queue`](Self::queue) are already taken off. Nothing for who is not there.
    pub fn capacity(&self, to: Target, lane: Lane) -> Capacity {
        match to {
            Target::Peer(peer) => {
                let peer = self.peers.get(&peer);
                peer.map_or(Capacity::default(), |peer| peer.machine.capacity(lane))
            }
            Target::Session(session) => {
                let inbound = self.inbound.as_ref();
                inbound.map_or(Capacity::default(), |inbound| {
                    inbound.desk.look(|table| table.capacity(session, lane))
                })
            }
        }
    }

    /// The counters of a machine; none for who is not there.
    pub fn peer_stats(&self, to: Target) -> Option<PeerStats> {
        let machine = match to {
            Target::Peer(peer) => self.peers.get(&peer)?.machine.stats(),
            Target::Session(session) => {
                let inbound = self.inbound.as_ref()?;
                inbound.desk.look(|table| table.session_stats(session))?
            }
        };
        let path = self.link_to(to).map(|link| link.connection.stats().path);
        Some(PeerStats {
            machine,
            rtt: path.map(|path| path.rtt),
            lost_packets: path.map_or(0, |path| path.lost_packets),
            mtu: path.map_or(0, |path| path.current_mtu),
        })
    }

    /// How a machine and its connection stand, and why nothing moves; none for who is not there.
    pub fn snapshot(&self, to: Target) -> Option<PeerSnapshot> {
        let machine = match to {
            Target::Peer(peer) => self.peers.get(&peer)?.machine.snapshot(),
            Target::Session(session) => {
                let inbound = self.inbound.as_ref()?;
                inbound.desk.look(|table| table.session_snapshot(session))?
            }
        };
        let link = self.link_to(to);
        let mut machine = machine;
        if machine.holdup == Holdup::QuicBlocked
            && link.is_some_and(|link| link.streams.awaits_credit())
        {
            machine.holdup = Holdup::AwaitsStreams;
        }
        let path = link.map(|link| link.connection.stats().path);
        Some(PeerSnapshot {
            machine,
            rtt: path.map(|path| path.rtt),
            sent_packets: path.map_or(0, |path| path.sent_packets),
            lost_packets: path.map_or(0, |path| path.lost_packets),
            mtu: path.map_or(0, |path| path.current_mtu),
            black_holes: path.map_or(0, |path| path.black_holes_detected),
            connection: link.and_then(|link| link.info.clone()),
        })
    }

    fn is_there(&self, to: Target) -> bool {
        match to {
            Target::Peer(peer) => self.peers.contains_key(&peer),
            Target::Session(session) => {
                let inbound = self.inbound.as_ref();
                inbound
                    .is_some_and(|inbound| inbound.desk.look(|table| table.key(session).is_some()))
            }
        }
    }

    fn step(&mut self, now: Time, to: Target, facts: impl IntoIterator<Item = Event>) {
        match to {
            Target::Peer(peer) => self.step_peer(now, peer, facts),
            Target::Session(session) => self.step_session(now, session, facts),
        }
    }

    /// One step of what the application answered. A peer's machine counts messages of its present
    /// generation only, so an answer to an earlier one must not reach it.
    fn answer(&mut self, now: Time, source: Source, fact: Event) {
        let now = self.net.clock.advance(now);
        let stands = match source {
            Source::Peer { peer, generation } => {
                let peer = self.peers.get(&peer);
                peer.is_some_and(|peer| peer.generation == generation)
            }
            Source::Session(_) => true,
        };
        if stands {
            self.step(now, source.target(), [fact]);
        }
    }

    /// The connection that messages for this one go on, while there is one and this node carries
    /// it.
    fn link_to(&self, to: Target) -> Option<&Link> {
        let id: LinkId = match to {
            Target::Peer(peer) => self.peers.get(&peer)?.link?.1,
            Target::Session(session) => {
                let inbound = self.inbound.as_ref()?;
                let attempt = inbound
                    .desk
                    .look(|table| table.session_connection(session))?;
                inbound.accepted(attempt)?
            }
        };
        self.net.link(id)
    }
}

impl From<OutgoingMessage> for Event {
    fn from(message: OutgoingMessage) -> Self {
        Self::MessageQueued {
            id: message.id,
            lane: message.lane,
            payload: message.payload,
            options: message.options,
        }
    }
}

/// Tells the payload's size and not its bytes.
impl fmt::Debug for OutgoingMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutgoingMessage")
            .field("id", &self.id)
            .field("lane", &self.lane)
            .field("payload_bytes", &self.payload.len())
            .field("options", &self.options)
            .finish()
    }
}
