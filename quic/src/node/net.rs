//! QUIC's side of a node: the endpoint, its connections, and who of them has something to do.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use peer_sender_core::{Action, Attempt, CloseCode, Dialler, LinkError, Time};
use quinn_proto::{Connection, ConnectionHandle, Endpoint, EndpointEvent};

use super::clock::Clock;
use super::link::{Link, Owner, Speech};
use super::places::{Holder, Places};
use super::timers::{TimerOf, Timers};
use super::{LinkId, NodeStats, Transmit};

/// The most bytes that UDP over IPv4 takes at once: 65,535 less both headers.
const TRANSMIT_BYTES_MAX: usize = 65_507;

/// Answers without a connection (RFC 9000: version negotiation, Retry, refusals, stateless resets)
/// that may wait to be sent. What comes on top is dropped, as the network might.
const RESPONSES_MAX: usize = 256;

/// Datagrams that a connection sends at its end, if it is forgotten at once.
const FAREWELLS_MAX: usize = 4;

/// A timer of QUIC that is due again right after it fired so often in a row has to wait.
const SPINS_MAX: u8 = 8;
pub(super) const SPIN_PAUSE: Duration = Duration::from_millis(1);

/// The endpoint and its connections.
pub(super) struct Net {
    pub(super) clock: Clock,
    pub(super) endpoint: Endpoint,
    pub(super) timers: Timers,
    pub(super) stats: NodeStats,
    pub(super) segments_max: usize,
    pub(super) speech: Speech,
    // Boxed because a connection is large, and a map moves what it holds.
    links: BTreeMap<LinkId, Box<Link>>,
    given: u64,
    /// The link of each handle that QUIC has given out, by its number.
    routes: Vec<Option<LinkId>>,
    hosts: BTreeSet<(IpAddr, LinkId)>,
    /// Those that somebody else dialled.
    pub(super) places: Places,
    dirty: VecDeque<LinkId>,
    sending: VecDeque<LinkId>,
    responses: VecDeque<(Transmit, Vec<u8>)>,
}

impl Net {
    pub(super) fn new(clock: Clock, endpoint: Endpoint, speech: Speech) -> Self {
        Self {
            clock,
            endpoint,
            timers: Timers::default(),
            stats: NodeStats::default(),
            segments_max: 1,
            speech,
            links: BTreeMap::new(),
            given: 0,
            routes: Vec::new(),
            hosts: BTreeSet::new(),
            places: Places::default(),
            dirty: VecDeque::new(),
            sending: VecDeque::new(),
            responses: VecDeque::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.links.len()
    }

    /// Nothing is left to be served or sent.
    pub(super) fn is_quiet(&self) -> bool {
        self.dirty.is_empty() && self.sending.is_empty() && self.responses.is_empty()
    }

    /// Takes a new connection in, and has it served.
    pub(super) fn insert(
        &mut self,
        handle: ConnectionHandle,
        connection: Connection,
        owner: Owner,
    ) -> LinkId {
        let id = LinkId(self.given);
        self.given += 1;
        let remote = connection.remote_address();
        if let Owner::Handshaking { .. } = owner {
            self.places.take(id, Holder::stranger(remote.ip()));
        }
        self.hosts.insert((remote.ip().to_canonical(), id));
        if self.routes.len() <= handle.0 {
            self.routes.resize(handle.0 + 1, None);
        }
        if let Some(route) = self.routes.get_mut(handle.0) {
            *route = Some(id);
        }
        let link = Link::new(handle, connection, owner, remote, &self.speech);
        self.links.insert(id, Box::new(link));
        self.mark_dirty(id);
        id
    }

    pub(super) fn link(&self, id: LinkId) -> Option<&Link> {
        self.links.get(&id).map(|link| &**link)
    }

    pub(super) fn link_mut(&mut self, id: LinkId) -> Option<&mut Link> {
        self.links.get_mut(&id).map(|link| &mut **link)
    }

    #[cfg(test)]
    pub(super) fn links(&self) -> impl Iterator<Item = &Link> {
        self.links.values().map(|link| &**link)
    }

    /// The link of a handle that the endpoint names.
    pub(super) fn route(&self, handle: ConnectionHandle) -> Option<LinkId> {
        self.routes.get(handle.0).copied().flatten()
    }

    /// The links to this host.
    pub(super) fn links_to(&self, host: IpAddr) -> Vec<LinkId> {
        let of_host = (host, LinkId(0))..=(host, LinkId(u64::MAX));
        self.hosts.range(of_host).map(|&(_, id)| id).collect()
    }

    /// Has the link served, in turn.
    pub(super) fn mark_dirty(&mut self, id: LinkId) {
        if let Some(link) = self.links.get_mut(&id)
            && !link.dirty
        {
            link.dirty = true;
            self.dirty.push_back(id);
        }
    }

    /// Takes the link whose turn it is. It stays marked until [`Net::served`], so that what
    /// happens while it is served does not queue it again.
    pub(super) fn next_dirty(&mut self) -> Option<LinkId> {
        self.dirty.pop_front()
    }

    /// Ends a link's turn: forgets it if nothing is left of it, else lets it send.
    pub(super) fn served(&mut self, id: LinkId) {
        let Some(link) = self.links.get_mut(&id) else {
            return;
        };
        link.dirty = false;
        if link.handle.is_some() {
            if !link.sending {
                link.sending = true;
                self.sending.push_back(id);
            }
        } else if let Owner::Nobody = link.owner {
            self.remove(id);
        } else {
            // What it read before its end takes more than one turn.
            self.mark_dirty(id);
        }
    }

    /// Lets endpoint and connection talk; first thing in a link's turn.
    pub(super) fn exchange(&mut self, id: LinkId) {
        let Some(link) = self.links.get_mut(&id) else {
            return;
        };
        let handle = link.handle;
        if link.exchange(&mut self.endpoint) {
            self.unroute(handle);
        }
    }

    /// Has QUIC forget the connection at once, without a word to the other end.
    pub(super) fn detach(&mut self, id: LinkId) {
        let Some(link) = self.links.get_mut(&id) else {
            return;
        };
        let handle = link.handle;
        // What the connection still has for the endpoint must not come after its end; it may be
        // that end.
        link.exchange(&mut self.endpoint);
        if let Some(handle) = link.handle.take() {
            self.endpoint.handle_event(handle, EndpointEvent::drained());
        }
        self.unroute(handle);
        self.mark_dirty(id);
    }

    /// Has QUIC forget a connection that is over and still has a place; false if there is none. It may:
    /// what comes late for it gets a stateless reset instead of the close once more (RFC 9000 section
    /// 10.2).
    pub(super) fn forget_ended(&mut self) -> bool {
        let Some(id) = self.places.first_over() else {
            return false;
        };
        self.detach(id);
        self.remove(id);
        true
    }

    /// Closes it, says so once, and has QUIC forget it.
    pub(super) fn dismiss(&mut self, now: Time, id: LinkId, code: CloseCode, reason: &str) {
        let Some(link) = self.links.get_mut(&id) else {
            return;
        };
        link.close(&self.clock, code, reason.to_owned());
        let instant = self.clock.instant(now);
        let mut said = Vec::new();
        // To a path that it has left QUIC may have something to say before.
        for _ in 0..FAREWELLS_MAX {
            let mut bytes = Vec::new();
            let Some(transmit) = link.connection.poll_transmit(instant, 1, &mut bytes) else {
                break;
            };
            said.push((transmit, bytes));
        }
        for (transmit, bytes) in said {
            self.respond(&transmit, bytes);
        }
        self.detach(id);
        self.remove(id);
    }

    /// Does what a machine asks of one of its connections.
    pub(super) fn execute(&mut self, id: LinkId, action: Action) {
        if let Some(link) = self.links.get_mut(&id) {
            link.execute(&self.clock, action);
            self.mark_dirty(id);
        }
    }

    pub(super) fn close(&mut self, id: LinkId, code: CloseCode, reason: &str) {
        if let Some(link) = self.links.get_mut(&id) {
            link.close(&self.clock, code, reason.to_owned());
            self.mark_dirty(id);
        }
    }

    /// Closes it, and has its owner take what had come, and hear that it is lost, by this error.
    pub(super) fn leave(&mut self, id: LinkId, code: CloseCode, error: LinkError) {
        if let Some(link) = self.links.get_mut(&id) {
            link.leave(&self.clock, code, String::new(), error);
            self.mark_dirty(id);
        }
    }

    /// Closes it, and has its owner hear that it is lost, by this error.
    pub(super) fn break_off(
        &mut self,
        id: LinkId,
        code: CloseCode,
        reason: &str,
        error: LinkError,
    ) {
        if let Some(link) = self.links.get_mut(&id) {
            link.break_off(&self.clock, code, reason, error);
            self.mark_dirty(id);
        }
    }

    /// Our own address may have changed: what we dialled goes on under another connection id, and
    /// at once says something, so that the other end learns where we are (RFC 9000 section 9), or
    /// we learn that the path is gone.
    pub(super) fn move_dialled(&mut self) {
        let mut moved = Vec::new();
        for (&id, link) in &mut self.links {
            if let Owner::Dialled {
                confirmed: true, ..
            } = link.owner
            {
                link.connection.local_address_changed();
                moved.push(id);
            }
        }
        for id in moved {
            self.mark_dirty(id);
        }
    }

    /// What somebody else dialled is let in: it speaks to the table of sessions, and its place is of
    /// the dialler's share.
    pub(super) fn let_in(&mut self, id: LinkId, attempt: Attempt, dialler: Dialler) {
        if let Some(link) = self.links.get_mut(&id)
            && let Owner::Handshaking { ours, .. } = link.owner
        {
            let Dialler { share, key } = dialler;
            link.owner = Owner::Accepted { attempt, key, ours };
            link.inform();
            self.places.take(id, Holder::Share(share));
        }
    }

    /// Queues an answer that belongs to no connection.
    pub(super) fn respond(&mut self, transmit: &quinn_proto::Transmit, bytes: Vec<u8>) {
        if self.responses.len() < RESPONSES_MAX {
            self.responses
                .push_back((Transmit::from_quic(transmit), bytes));
        }
    }

    /// The next datagrams to be sent. Connections take turns, one batch each.
    pub(super) fn poll_transmit(&mut self, now: Time, buffer: &mut Vec<u8>) -> Option<Transmit> {
        let transmit = self.next_transmit(now, buffer)?;
        self.stats.datagrams_sent += transmit.datagrams();
        self.stats.bytes_sent += transmit.size as u64;
        Some(transmit)
    }

    fn next_transmit(&mut self, now: Time, buffer: &mut Vec<u8>) -> Option<Transmit> {
        if let Some((transmit, bytes)) = self.responses.pop_front() {
            buffer.clear();
            buffer.extend_from_slice(&bytes);
            return Some(transmit);
        }
        let instant = self.clock.instant(now);
        while let Some(id) = self.sending.pop_front() {
            let Some(link) = self.links.get_mut(&id) else {
                continue;
            };
            if link.handle.is_some() {
                // QUIC takes whatever the buffer holds for the start of a datagram of its own.
                buffer.clear();
                let mtu = usize::from(link.connection.current_mtu()).max(1);
                let segments = self.segments_max.min(TRANSMIT_BYTES_MAX / mtu).max(1);
                if let Some(transmit) = link.connection.poll_transmit(instant, segments, buffer) {
                    self.sending.push_back(id);
                    return Some(Transmit::from_quic(&transmit));
                }
            }
            link.sending = false;
            self.rest(now, id);
        }
        None
    }

    /// A link has nothing more to send: what it left unread, or untold, is for its next turn, and its
    /// timer is set.
    fn rest(&mut self, now: Time, id: LinkId) {
        let Some(link) = self.links.get_mut(&id) else {
            return;
        };
        let has_ended = link.lost.is_some() && !matches!(link.owner, Owner::Nobody);
        let unfinished = has_ended || !link.events.is_empty() || link.streams.is_readable();
        if matches!(link.owner, Owner::Nobody) && link.connection.is_closed() {
            self.places.ended(id);
        }
        let mut deadline = link.next_deadline(&self.clock);
        if deadline.is_some_and(|at| at <= now) {
            if link.spins < SPINS_MAX {
                link.spins += 1;
            } else {
                deadline = Some(now + SPIN_PAUSE);
            }
        } else {
            link.spins = 0;
        }
        self.timers
            .arm(TimerOf::Link(id), &mut link.armed, deadline);
        if unfinished {
            self.mark_dirty(id);
        }
    }

    /// A link's timer has fired: lets QUIC act if it is due. True if the link itself has waited
    /// too long for the other end.
    pub(super) fn fire(&mut self, now: Time, id: LinkId) -> bool {
        let Some(link) = self.links.get_mut(&id) else {
            return false;
        };
        link.armed = None;
        let instant = self.clock.instant(now);
        if link.handle.is_some()
            && link
                .connection
                .poll_timeout()
                .is_some_and(|at| at <= instant)
        {
            link.connection.handle_timeout(instant);
            self.mark_dirty(id);
            return false;
        }
        let deadline = link.next_deadline(&self.clock);
        if deadline.is_some_and(|at| at <= now) {
            return true;
        }
        self.timers
            .arm(TimerOf::Link(id), &mut link.armed, deadline);
        false
    }

    fn unroute(&mut self, handle: Option<ConnectionHandle>) {
        if let Some(route) = handle.and_then(|handle| self.routes.get_mut(handle.0)) {
            *route = None;
        }
    }

    fn remove(&mut self, id: LinkId) {
        if let Some(mut link) = self.links.remove(&id) {
            self.timers.disarm(TimerOf::Link(id), &mut link.armed);
            self.hosts.remove(&(link.remote.ip().to_canonical(), id));
            self.places.give_back(id);
        }
    }
}
