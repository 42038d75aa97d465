//! Another identity while the node runs: what it has dialled is dialled anew, and parted from in
//! good order.
//!
//! A machine has one connection at a time, and is told nothing of what goes on here but its end. The
//! node first makes a *spare* connection as the new identity, which nobody listens to. Once that is
//! confirmed the old one drains: what the machine has written goes on being answered, but it is not
//! told that writes are over, so that it begins no further ones. When nothing is left to be
//! answered it is told all of that at once, and that the connection was given up for another. That
//! is no failure, so it dials at once; and what it dials is the spare.

use std::net::SocketAddr;
use std::time::Duration;

use peer_sender_core::{
    Attempt, CloseCode, Event, FRAMED_TRUSTED_AFTER, LinkError, Phase, Protocol, Time, WakeReason,
    table::Standing,
};

use super::link::{Link, LinkId, Owner};
use super::{NodeMachine, PeerHandle, PeerId};
use crate::{Identity, transport};

/// How long the spare connection may take to be confirmed.
const SPARE_TIMEOUT: Duration = Duration::from_secs(5);

/// How long what was written on the old connection may take to be answered.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// A connection that is parted from.
#[derive(Debug)]
pub(super) struct Drain {
    /// From when on QUIC's acknowledgements count.
    trusted_at: Time,
    /// When it ends in any case.
    until: Time,
    /// What its machine is told at the end.
    held: Vec<Event>,
}

impl Drain {
    pub(super) fn next_deadline(&self, now: Time) -> Time {
        match self.trusted_at > now {
            true => self.trusted_at,
            false => self.until,
        }
    }

    /// Keeps back what has its machine write more.
    pub(super) fn hold(&mut self, events: &mut Vec<Event>) {
        let ends_a_write = |event: &mut Event| {
            matches!(
                event,
                Event::TransferFinished { .. }
                    | Event::TransferAcknowledged { .. }
                    | Event::StreamAcknowledged { .. }
            )
        };
        self.held.extend(events.extract_if(.., ends_a_write));
    }
}

impl Link {
    /// Its machine hears everything from here on, what was kept from it first.
    pub(super) fn release(&mut self) {
        if let Some(drain) = self.drain.take() {
            let later = std::mem::replace(&mut self.events, drain.held);
            self.events.extend(later);
        }
    }
}

impl<P: PeerId> NodeMachine<P> {
    /// Connections are accepted by what the configuration says now.
    pub(super) fn renew_server(&mut self) {
        if let Some(inbound) = &mut self.inbound {
            inbound.server = transport::renewed(&self.config, &inbound.server);
            let server = Some(inbound.server.clone());
            self.net.endpoint.set_server_config(server);
        }
    }

    /// See [`replace_identity`](Self::replace_identity).
    pub(super) fn renew(&mut self, now: Time, identity: Identity) {
        self.config.identity = identity;
        self.renew_server();
        let peers: Vec<PeerHandle> = self.peers.keys().copied().collect();
        for peer in peers {
            self.renew_peer(now, peer);
        }
    }

    fn renew_peer(&mut self, now: Time, handle: PeerHandle) {
        self.drop_spare(handle);
        let Some(peer) = self.peers.get(&handle) else {
            return;
        };
        let state = peer.machine.state();
        if state.phase() != Phase::Running {
            return;
        }
        match (state.standing(), state.link().address(), peer.link) {
            // What was refused may be let in now.
            (Standing::Backoff, ..) => self.wake(now, handle, WakeReason::Operator),
            (Standing::Connecting, _, Some((attempt, link))) => {
                let error = LinkError::Moved;
                self.part(now, (handle, attempt, link), |attempt| {
                    Event::ConnectFailed { attempt, error }
                });
            }
            (Standing::Up, Some(address), Some((attempt, link))) => {
                match self.dial_spare(now, handle, address) {
                    Some(spare) => {
                        if let Some(peer) = self.peers.get_mut(&handle) {
                            peer.spare = Some(spare);
                        }
                    }
                    None => self.begin_drain(now, attempt, link),
                }
            }
            // Nothing is connected as the old identity, or it ends by itself.
            (
                Standing::Down
                | Standing::Connecting
                | Standing::Up
                | Standing::Draining
                | Standing::Parting
                | Standing::Idle
                | Standing::Closed,
                ..,
            ) => {}
        }
    }

    /// Begins a connection that nobody listens to, if the system lets it.
    fn dial_spare(&mut self, now: Time, handle: PeerHandle, address: SocketAddr) -> Option<LinkId> {
        let until = now + SPARE_TIMEOUT;
        let owner = |context| Owner::Spare {
            peer: handle,
            until,
            context,
        };
        self.connect(now, handle, address, owner).ok()
    }

    /// The spare connection of a peer, if it leads there: the machine's from here on.
    pub(super) fn take_spare(
        &mut self,
        handle: PeerHandle,
        attempt: Attempt,
        address: SocketAddr,
    ) -> Option<LinkId> {
        let id = self.peers.get_mut(&handle)?.spare.take()?;
        let link = self.net.link_mut(id)?;
        let owner = std::mem::replace(&mut link.owner, Owner::Nobody);
        match owner {
            Owner::Spare { context, .. } if link.remote == address && link.lost.is_none() => {
                // Whether it is confirmed is found out, and told, in its turn.
                link.owner = Owner::Dialled {
                    peer: handle,
                    attempt,
                    confirmed: false,
                    context,
                };
                self.net.mark_dirty(id);
                Some(id)
            }
            _ => {
                self.net.close(id, CloseCode::Done, "");
                None
            }
        }
    }

    /// The spare connection of a peer is of no use any more.
    pub(super) fn drop_spare(&mut self, handle: PeerHandle) {
        let peer = self.peers.get_mut(&handle);
        if let Some(spare) = peer.and_then(|peer| peer.spare.take()) {
            self.net.close(spare, CloseCode::Done, "");
        }
    }

    /// A spare connection came to nothing, or has taken too long. The machine finds out why by its
    /// own dial.
    pub(super) fn spare_failed(&mut self, now: Time, handle: PeerHandle) {
        self.drop_spare(handle);
        self.drain_old(now, handle);
    }

    /// In a spare connection's turn: once it is confirmed, the old one drains.
    pub(super) fn look_at_spare(&mut self, now: Time, id: LinkId) {
        let Some(link) = self.net.link(id) else {
            return;
        };
        match link.owner {
            Owner::Spare { peer, .. } if link.is_confirmed() => self.drain_old(now, peer),
            Owner::Spare { .. }
            | Owner::Dialled { .. }
            | Owner::Handshaking { .. }
            | Owner::Accepted { .. }
            | Owner::Nobody => {}
        }
    }

    /// Ends the renewal of a peer that is to part from its connection for another reason. Returns what
    /// was kept from its machine, which is to be told in the step that has it part: told before, it
    /// would begin messages only to lose them.
    pub(super) fn renew_no_more(&mut self, handle: PeerHandle) -> Vec<Event> {
        self.drop_spare(handle);
        let link = self.peers.get(&handle).and_then(|peer| peer.link);
        match link.and_then(|(_, id)| self.net.link_mut(id)) {
            Some(link) if link.drain.is_some() => {
                link.release();
                std::mem::take(&mut link.events)
            }
            Some(_) | None => Vec::new(),
        }
    }

    fn drain_old(&mut self, now: Time, handle: PeerHandle) {
        let old = self.peers.get(&handle).and_then(|peer| peer.link);
        if let Some((attempt, link)) = old {
            self.begin_drain(now, attempt, link);
        }
    }

    fn begin_drain(&mut self, now: Time, attempt: Attempt, id: LinkId) {
        let Some(link) = self.net.link(id) else {
            return;
        };
        let Owner::Dialled { peer, .. } = link.owner else {
            return;
        };
        let Some(peer) = self.peers.get(&peer) else {
            return;
        };
        let state = peer.machine.state().link();
        let connection = state.connection().filter(|it| it.attempt == attempt);
        let Some(connection) = connection else {
            return;
        };
        let trusted_at = match self.config.protocol() {
            Protocol::Framed => connection.since + FRAMED_TRUSTED_AFTER,
            Protocol::Lanes | Protocol::Plain => now,
        };
        if let Some(link) = self.net.link_mut(id)
            && link.drain.is_none()
        {
            link.drain = Some(Drain {
                trusted_at,
                until: now + DRAIN_TIMEOUT,
                held: Vec::new(),
            });
            self.net.mark_dirty(id);
        }
    }

    /// In an old connection's turn: parts from it once nothing is left to be answered. True if its
    /// machine is still to be told.
    pub(super) fn settle_drain(&mut self, now: Time, id: LinkId) -> bool {
        let Some(link) = self.net.link(id) else {
            return false;
        };
        let (Some(drain), &Owner::Dialled { peer, attempt, .. }) = (&link.drain, &link.owner)
        else {
            return false;
        };
        let all_is_answered = match self.config.protocol() {
            Protocol::Lanes => {
                let peer = self.peers.get(&peer);
                peer.is_none_or(|it| it.machine.snapshot().in_flight == 0)
            }
            Protocol::Plain | Protocol::Framed => link.streams.all_is_acknowledged(),
        };
        if drain.until > now && !(all_is_answered && drain.trusted_at <= now) {
            return false;
        }
        let error = LinkError::Moved;
        if !self.config.protocol().has_lanes() {
            // What the peer has sent of its own accord is read first.
            self.net.leave(id, CloseCode::Done, error);
            return true;
        }
        self.part(now, (peer, attempt, id), |attempt| Event::ConnectionLost {
            attempt,
            error,
        });
        false
    }

    /// Closes a connection for another one to come.
    fn part(
        &mut self,
        now: Time,
        (peer, attempt, id): (PeerHandle, Attempt, LinkId),
        end: impl FnOnce(Attempt) -> Event,
    ) {
        let mut events = Vec::new();
        if let Some(link) = self.net.link_mut(id) {
            link.release();
            events = std::mem::take(&mut link.events);
        }
        events.push(end(attempt));
        if let Some(peer) = self.peers.get_mut(&peer) {
            peer.forget_link(attempt);
        }
        self.net.close(id, CloseCode::Done, "");
        self.step_peer(now, peer, events);
    }
}
