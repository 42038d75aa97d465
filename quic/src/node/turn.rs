//! What happens to a connection in its turn, and to whose time has come.

use std::net::SocketAddr;

use bytes::BytesMut;
use peer_sender_core::{Attempt, CloseCode, Event, LinkError, Time};
use quinn_proto::DatagramEvent;

use super::link::{Collected, Link, LinkId, Owner};
use super::timers::TimerOf;
use crate::error::is_farewell;

use super::{DatagramMeta, Ecn, NodeMachine, PeerHandle, PeerId};

/// Steps of a connection's machine in one turn. A write that QUIC takes at once is answered at
/// once, so that the machine can go on to the next; QUIC's send window ends that sooner or later,
/// this makes it sooner for the sake of the others.
const STEPS_PER_TURN: usize = 8;

/// Whose machine hears of a connection.
#[derive(Clone, Copy, Debug)]
enum Listener {
    Peer(PeerHandle, Attempt),
    Sessions(Attempt),
}

impl Listener {
    fn of(owner: &Owner) -> Option<Self> {
        match *owner {
            Owner::Dialled { peer, attempt, .. } => Some(Self::Peer(peer, attempt)),
            Owner::Accepted { attempt, .. } => Some(Self::Sessions(attempt)),
            Owner::Spare { .. } | Owner::Handshaking { .. } | Owner::Nobody => None,
        }
    }
}

impl<P: PeerId> NodeMachine<P> {
    /// Takes a datagram in.
    pub(super) fn receive(&mut self, now: Time, meta: DatagramMeta, data: BytesMut) {
        self.net.stats.datagrams_received += 1;
        self.net.stats.bytes_received += data.len() as u64;
        let DatagramMeta {
            remote,
            local_ip,
            ecn,
        } = meta;
        let (instant, ecn) = (self.net.clock.instant(now), ecn.map(Ecn::to_quic));
        let mut answer = Vec::new();
        let endpoint = &mut self.net.endpoint;
        match endpoint.handle(instant, remote, local_ip, ecn, data, &mut answer) {
            Some(DatagramEvent::ConnectionEvent(handle, event)) => {
                let Some(id) = self.net.route(handle) else {
                    return;
                };
                if let Some(link) = self.net.link_mut(id) {
                    link.receive(event);
                }
                self.net.mark_dirty(id);
            }
            Some(DatagramEvent::NewConnection(incoming)) => self.answer_incoming(now, incoming),
            Some(DatagramEvent::Response(transmit)) => {
                self.net.stats.strays += 1;
                self.net.respond(&transmit, answer);
            }
            None => self.net.stats.strays += 1,
        }
    }

    /// What connections have brought counts as having come before whatever is to be done next.
    pub(super) fn serve_all(&mut self, now: Time) {
        while let Some(link) = self.net.next_dirty() {
            self.serve(now, link);
        }
    }

    /// A connection's turn.
    pub(super) fn serve(&mut self, now: Time, id: LinkId) {
        self.net.exchange(id);
        let facts = &mut self.facts;
        if let Some(link) = self.net.link_mut(id) {
            if link.events.capacity() == 0 {
                std::mem::swap(&mut link.events, facts);
            }
            if link.collect(now) == Collected::AwaitsAdmission {
                self.admit(now, id);
                if let Some(link) = self.net.link_mut(id) {
                    link.collect(now);
                }
            }
        }
        self.bound_excess(now, id);
        self.look_at_spare(now, id);
        for _ in 0..STEPS_PER_TURN {
            if !self.step_link(now, id) {
                break;
            }
        }
        if self.settle_drain(now, id) {
            self.step_link(now, id);
        }
        if let Some(link) = self.net.link_mut(id)
            && link.events.is_empty()
        {
            self.facts = std::mem::take(&mut link.events);
        }
        self.net.served(id);
    }

    /// Ends a connection whose other end opens and cuts streams at full speed, cuts each of ours,
    /// or comes from address after address.
    fn bound_excess(&mut self, now: Time, id: LinkId) {
        let Some(link) = self.net.link_mut(id) else {
            return;
        };
        let Some(reason) = link.excess(now) else {
            return;
        };
        let code = CloseCode::ExcessiveLoad;
        let remote = link.remote;
        let key = self.key_of(id);
        let error = LinkError::ClosedHere {
            code,
            reason: String::from(reason),
        };
        self.net.break_off(id, code, reason, error);
        self.net.stats.overloads += 1;
        if key.is_some() {
            let reason = String::from(reason);
            self.report_rejected(remote, key, LinkError::Closed { code, reason });
        }
    }

    /// Tells the connection's machine what it has not been told. False if there was nothing.
    fn step_link(&mut self, now: Time, id: LinkId) -> bool {
        let Some(link) = self.net.link_mut(id) else {
            return false;
        };
        let listener = match link.end() {
            Some(owner) => {
                let (remote, lost) = (link.remote, link.lost.take());
                if let (Owner::Handshaking { .. }, Some(error)) = (&owner, lost) {
                    self.handshake_failed(id, remote, error);
                }
                if let Owner::Spare { peer, .. } = owner {
                    self.spare_failed(now, peer);
                }
                let listener = Listener::of(&owner);
                self.forget_link(listener);
                listener
            }
            None => Listener::of(&link.owner),
        };
        let Some(link) = self.net.link_mut(id) else {
            return false;
        };
        let Link { drain, events, .. } = link;
        if let Some(drain) = drain {
            drain.hold(events);
        }
        if link.events.is_empty() {
            return false;
        }
        let mut events = std::mem::take(&mut link.events);
        match listener {
            Some(Listener::Peer(peer, _)) => self.step_peer(now, peer, events.drain(..)),
            Some(Listener::Sessions(attempt)) => {
                self.step_accepted(now, attempt, events.drain(..));
            }
            None => events.clear(),
        }
        // What its actions brought about is for the next step; the buffer goes on being used.
        if let Some(link) = self.net.link_mut(id) {
            events.append(&mut link.events);
            link.events = events;
        }
        true
    }

    /// The connection of this name is over: actions on it are for nobody.
    fn forget_link(&mut self, listener: Option<Listener>) {
        match listener {
            Some(Listener::Peer(peer, attempt)) => {
                if let Some(peer) = self.peers.get_mut(&peer) {
                    peer.forget_link(attempt);
                }
            }
            Some(Listener::Sessions(attempt)) => self.forget_accepted(attempt),
            None => {}
        }
    }

    /// Wakes whose time has come.
    pub(super) fn fire(&mut self, now: Time) {
        while let Some(of) = self.net.timers.pop_due(now) {
            match of {
                TimerOf::Link(id) => {
                    if self.net.fire(now, id) {
                        self.give_up(now, id);
                    }
                }
                TimerOf::Peer(handle) => {
                    if let Some(peer) = self.peers.get_mut(&handle) {
                        peer.armed = None;
                        self.step_peer(now, handle, [Event::TimerFired]);
                    }
                }
                TimerOf::Sessions => self.wake_sessions(now),
            }
        }
    }

    fn handshake_failed(&mut self, id: LinkId, remote: SocketAddr, error: LinkError) {
        self.net.stats.handshakes_failed += 1;
        self.forget_handshake(id);
        // Who leaves was not turned away.
        if !is_farewell(&error) {
            self.report_rejected(remote, None, error);
        }
    }
}
