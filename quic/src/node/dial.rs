//! The dialling side: steps of the peers' machines, and what they ask for.

use std::net::SocketAddr;

use peer_sender_core::{
    Action, Attempt, CloseCode, Event, IncomingMessage, LinkError, MessageId, Outcome, PeerEvent,
    Rejected, Time, Unsent,
};

use super::link::{LinkId, Owner};
use super::net::SPIN_PAUSE;
use super::timers::TimerOf;
use super::{NodeEvent, NodeMachine, PeerHandle, PeerId, Sender, Target};
use crate::error::DialContext;
use crate::{tls, transport};

impl<P: PeerId> NodeMachine<P> {
    /// One step of a peer's machine, with everything that follows from it.
    pub(super) fn step_peer(
        &mut self,
        now: Time,
        handle: PeerHandle,
        facts: impl IntoIterator<Item = Event>,
    ) {
        let Some(peer) = self.peers.get_mut(&handle) else {
            return;
        };
        let mut actions = std::mem::take(&mut self.actions);
        let mut connected = false;
        let facts = facts.into_iter().inspect(|fact| {
            connected |= matches!(fact, Event::Connected { .. });
        });
        peer.machine.handle(now, facts, &mut actions);
        if self.config.transfers {
            let transfers = peer.machine.take_transfers();
            if !transfers.is_empty() {
                let to = Target::Peer(handle);
                self.events
                    .push_back(NodeEvent::Transferred { to, transfers });
            }
        }
        let stops = peer.machine.is_closed() && !peer.stopped;
        peer.stopped |= stops;
        let deadline = peer
            .machine
            .next_deadline()
            .map(|deadline| match deadline.at > now {
                true => deadline.at,
                false => now + SPIN_PAUSE,
            });
        self.net
            .timers
            .arm(TimerOf::Peer(handle), &mut peer.armed, deadline);
        self.running -= usize::from(stops);
        if connected {
            self.learn_key(handle);
        }

        self.execute_of_peer(now, handle, &mut actions);
        self.actions = actions;
    }

    /// Tells a peer's machine what came to light while its actions were executed.
    pub(super) fn tell_peer(&mut self, now: Time, handle: PeerHandle) {
        if let Some(peer) = self.peers.get_mut(&handle) {
            let facts = std::mem::take(&mut peer.facts);
            self.step_peer(now, handle, facts);
        }
    }

    /// Does what a peer's machine asks for.
    fn execute_of_peer(&mut self, now: Time, handle: PeerHandle, actions: &mut Vec<Action>) {
        let to = Target::Peer(handle);
        let (mut settled, mut messages) = (Vec::new(), Vec::new());
        let mut unsent = Vec::new();
        for action in actions.drain(..) {
            match action {
                Action::Settle { id, outcome } => settled.push((id, outcome)),
                Action::HandBack(message) => unsent.push(message),
                Action::Deliver(message) => messages.push(message),
                Action::ForgetDelivered => {
                    self.report_incoming(handle, &mut messages);
                    self.forget_source(handle);
                }
                Action::Reject {
                    id,
                    lane,
                    reason,
                    payload,
                } => {
                    let rejected = Rejected { reason, payload };
                    self.events.push_back(NodeEvent::Rejected {
                        to,
                        id,
                        lane,
                        rejected,
                    });
                }
                Action::Room { lane, capacity } => {
                    self.events
                        .push_back(NodeEvent::Room { to, lane, capacity });
                }
                Action::Emit(event) => {
                    self.report_settled(handle, &mut settled);
                    self.report_unsent(to, &mut unsent);
                    self.report_incoming(handle, &mut messages);
                    self.emit(handle, event);
                }
                Action::Connect { attempt, address } => self.dial(now, handle, attempt, address),
                Action::Close { attempt, code, .. } => {
                    if code == CloseCode::Protocol {
                        self.net.stats.protocol_errors += 1;
                    }
                    self.pass_to_link(handle, attempt, action);
                    if let Some(peer) = self.peers.get_mut(&handle) {
                        peer.forget_link(attempt);
                    }
                    self.drop_spare(handle);
                }
                Action::Write { attempt, .. }
                | Action::PauseReading { attempt, .. }
                | Action::ResumeReading { attempt, .. }
                | Action::Probe { attempt }
                | Action::ResetStream { attempt, .. }
                | Action::StopSending { attempt, .. } => self.pass_to_link(handle, attempt, action),
                // The machine's deadline holds the same moment.
                Action::ScheduleBackoff { .. } => {}
            }
        }
        self.report_settled(handle, &mut settled);
        self.report_incoming(handle, &mut messages);
    }

    /// Messages that are handed back at the end. They leave the list.
    fn report_unsent(&mut self, to: Target, unsent: &mut Vec<Unsent>) {
        if !unsent.is_empty() {
            let unsent = std::mem::take(unsent);
            self.events.push_back(NodeEvent::HandedBack { to, unsent });
        }
    }

    /// Messages that came from a peer, its replies. They leave the list.
    fn report_incoming(&mut self, handle: PeerHandle, messages: &mut Vec<IncomingMessage>) {
        let Some(peer) = self.peers.get_mut(&handle) else {
            return;
        };
        // Whoever has sent something has shown its key.
        let Some(key) = peer.key.filter(|_| !messages.is_empty()) else {
            return;
        };
        peer.heard = true;
        self.events.push_back(NodeEvent::Incoming {
            source: peer.source(handle),
            from: Sender {
                key,
                peer: Some(peer.id.clone()),
            },
            messages: std::mem::take(messages),
        });
    }

    /// What a peer has sent until now can no longer be answered; what it sends from here on has
    /// another source.
    pub(super) fn forget_source(&mut self, handle: PeerHandle) {
        let Some(peer) = self.peers.get_mut(&handle) else {
            return;
        };
        let source = peer.source(handle);
        peer.generation += 1;
        if std::mem::take(&mut peer.heard) {
            self.events.push_back(NodeEvent::Forgotten { source });
        }
    }

    fn report_settled(&mut self, peer: PeerHandle, settled: &mut Vec<(MessageId, Outcome)>) {
        if !settled.is_empty() {
            let settled = std::mem::take(settled);
            let to = Target::Peer(peer);
            self.events.push_back(NodeEvent::Settled { to, settled });
        }
    }

    fn emit(&mut self, peer: PeerHandle, event: PeerEvent) {
        self.events.push_back(NodeEvent::Peer { peer, event });
    }

    /// Executes an action on the peer's connection, unless that has ended.
    fn pass_to_link(&mut self, handle: PeerHandle, attempt: Attempt, action: Action) {
        let link = self.peers.get(&handle).and_then(|peer| peer.link(attempt));
        if let Some(link) = link {
            self.net.execute(link, action);
        }
    }

    /// A peer that is expected by name is known by the key that it has now.
    fn learn_key(&mut self, handle: PeerHandle) {
        let Some(peer) = self.peers.get_mut(&handle) else {
            return;
        };
        let link = peer.link.and_then(|(_, link)| self.net.link(link));
        let offered = link.and_then(|link| match &link.owner {
            Owner::Dialled { context, .. } => context.offered.key(),
            Owner::Spare { .. }
            | Owner::Handshaking { .. }
            | Owner::Accepted { .. }
            | Owner::Nobody => None,
        });
        if offered.is_some() && offered != peer.key {
            let last = std::mem::replace(&mut peer.key, offered);
            if let Some(last) = last {
                self.keys.remove(&(last, handle));
            }
            self.keys.extend(offered.map(|key| (key, handle)));
        }
    }

    fn dial(&mut self, now: Time, handle: PeerHandle, attempt: Attempt, address: SocketAddr) {
        let dialled = match self.take_spare(handle, attempt, address) {
            Some(spare) => Ok(spare),
            None => self.connect(now, handle, address, |context| Owner::Dialled {
                peer: handle,
                attempt,
                confirmed: false,
                context,
            }),
        };
        let Some(peer) = self.peers.get_mut(&handle) else {
            return;
        };
        match dialled {
            Ok(link) => peer.link = Some((attempt, link)),
            Err(error) => {
                peer.facts.push(Event::ConnectFailed { attempt, error });
                self.concerned.push_back(handle);
            }
        }
    }

    /// Makes a connection to a peer, as who this node is now and to whom is expected there.
    pub(super) fn connect(
        &mut self,
        now: Time,
        handle: PeerHandle,
        address: SocketAddr,
        owner: impl FnOnce(DialContext) -> Owner,
    ) -> Result<LinkId, LinkError> {
        let local = |reason| LinkError::Local { reason };
        let Some(peer) = self.peers.get(&handle) else {
            return Err(local(String::from("the peer was removed")));
        };
        let seed = self.seeds.next();
        let date = self.net.clock.unix(now);
        let expected = peer.expected.at(date, self.config.naming());
        let names = peer.server_name.is_some();
        let name = peer.server_name.as_deref().unwrap_or(tls::SERVER_NAME);
        let (config, offered) = transport::client_config(&self.config, expected, names, seed);
        let instant = self.net.clock.instant(now);
        let dialled = self.net.endpoint.connect(instant, config, address, name);
        let (quic, connection) = dialled.map_err(|error| local(error.to_string()))?;
        let ours = self.config.key();
        let owner = owner(DialContext { ours, offered });
        Ok(self.net.insert(quic, connection, owner))
    }
}
