//! The accepting side: whom it lets in, and how many at once.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use peer_sender_core::{Attempt, CloseCode, LinkError, PeerKey, Time};
use quinn_proto::{Incoming, ServerConfig};

use super::link::{LinkId, Owner};
use super::places::Holder;
use super::records::{Desk, Mail, Records};
use super::revoke::judge;
use super::{NodeEvent, NodeMachine, PeerId};
use crate::error::link_error;
use crate::{NodeConfig, transport};

/// How long somebody who dialled may take to show who it is.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);

/// The accepting side's books.
pub(super) struct Inbound {
    /// What connections are accepted with, but for what the admission of each adds.
    pub(super) server: Arc<ServerConfig>,
    pub(super) desk: Desk,
    /// Empty between steps, kept for its capacity.
    pub(super) mail: Mail,
    pub(super) armed: Option<Time>,
    handshaking: BTreeSet<LinkId>,
    accepted: BTreeMap<Attempt, LinkId>,
    /// Those of them that have named no session, and since when.
    mute: BTreeMap<Attempt, Time>,
}

impl Inbound {
    /// `server_seed` is for what is accepted, `seed` and `base` for records of its own.
    pub(super) fn new(
        config: &NodeConfig,
        server_seed: [u8; 32],
        seed: [u8; 32],
        base: Instant,
    ) -> Self {
        let records = config.records.clone();
        let records = records.unwrap_or_else(|| Records::new(config, seed, base));
        Self {
            server: transport::server_config(config, server_seed),
            desk: Desk::at(records),
            mail: Mail::default(),
            armed: None,
            handshaking: BTreeSet::new(),
            accepted: BTreeMap::new(),
            mute: BTreeMap::new(),
        }
    }

    /// No connection is under way or open, and no session is at home here.
    pub(super) fn is_idle(&self) -> bool {
        self.handshaking.is_empty()
            && self.accepted.is_empty()
            && !self.desk.is_called()
            && self.desk.sessions() == 0
    }

    /// The connection of that name, while it is open.
    pub(super) fn accepted(&self, attempt: Attempt) -> Option<LinkId> {
        self.accepted.get(&attempt).copied()
    }

    /// Every connection that was let in and is open, oldest first.
    pub(super) fn open(&self) -> impl Iterator<Item = (Attempt, LinkId)> {
        self.accepted.iter().map(|(&attempt, &id)| (attempt, id))
    }

    /// The connection that has been let in longest and has named no session, and since when.
    pub(super) fn mute(&self) -> Option<(Attempt, LinkId, Time)> {
        let (&attempt, &since) = self.mute.first_key_value()?;
        Some((attempt, self.accepted(attempt)?, since))
    }

    /// This connection has named its session.
    pub(super) fn speaks(&mut self, attempt: Attempt) {
        self.mute.remove(&attempt);
    }

    pub(super) fn forget_accepted(&mut self, attempt: Attempt) {
        self.accepted.remove(&attempt);
        self.mute.remove(&attempt);
    }

    /// Takes every connection that was let in off the books, oldest first.
    pub(super) fn take_accepted(&mut self) -> BTreeMap<Attempt, LinkId> {
        self.mute.clear();
        std::mem::take(&mut self.accepted)
    }

    /// Takes every handshake off the books.
    pub(super) fn take_handshaking(&mut self) -> BTreeSet<LinkId> {
        std::mem::take(&mut self.handshaking)
    }
}

impl<P: PeerId> NodeMachine<P> {
    /// Somebody dials. What its first packet costs is bounded before anything of it is kept
    /// (RFC 9000 section 8.1): from half of the handshakes on that may be under way, or half of
    /// what one host may have of them, an address must first prove that it is real; beyond all of
    /// them, or with all connections taken, it is told that this node is busy.
    pub(super) fn answer_incoming(&mut self, now: Time, incoming: Incoming) {
        let remote = incoming.remote_address();
        let under_way = self
            .inbound
            .as_ref()
            .map_or(0, |inbound| inbound.handshaking.len());
        let of_host = self.net.places.held_by(Holder::stranger(remote.ip()));
        let of_host_max = self.config.host_share();
        let unproven = !incoming.remote_address_validated() && incoming.may_retry();
        let full = under_way >= self.config.handshakes_max || of_host >= of_host_max;
        // Who has no proof gets half, so that a spoofed address does not lock out its owner, nor
        // costs others more than a few places.
        let crowded =
            under_way >= self.config.handshakes_max.div_ceil(2) || of_host >= of_host_max / 2;
        if self.stopping || self.inbound.is_none() {
            self.turn_away(incoming);
        } else if unproven && crowded {
            let mut answer = Vec::new();
            if let Ok(transmit) = self.net.endpoint.retry(incoming, &mut answer) {
                self.net.respond(&transmit, answer);
            }
        } else if full || !self.has_place(now) {
            self.turn_away(incoming);
            self.report_rejected(remote, None, LinkError::Busy);
        } else {
            self.accept(now, incoming);
        }
    }

    /// Whether there is a place for one more connection, made if need be.
    fn has_place(&mut self, now: Time) -> bool {
        if self.places_run_short() && !self.net.forget_ended() {
            self.make_room(now);
        }
        self.net.places.len() < self.places_max()
    }

    fn places_run_short(&self) -> bool {
        let places_max = self.places_max();
        self.net.places.len() >= places_max - places_max / 8
    }

    /// Without lanes each connection is a session, so that those which say nothing have to give way
    /// where sessions run short.
    fn places_max(&self) -> usize {
        let config = &self.config;
        match config.protocol().has_lanes() {
            true => config.connections_max,
            false => config.connections_max.min(config.sessions_max),
        }
    }

    fn turn_away(&mut self, incoming: Incoming) {
        let mut answer = Vec::new();
        let transmit = self.net.endpoint.refuse(incoming, &mut answer);
        self.net.respond(&transmit, answer);
        self.net.stats.refused += 1;
    }

    fn accept(&mut self, now: Time, incoming: Incoming) {
        let remote = incoming.remote_address();
        let instant = self.net.clock.instant(now);
        let server = self.inbound.as_ref().map(|inbound| &inbound.server);
        let (server, offered) = server
            .and_then(|server| transport::admission_config(&self.config, server))
            .unzip();
        let mut answer = Vec::new();
        let endpoint = &mut self.net.endpoint;
        match endpoint.accept(incoming, instant, &mut answer, server) {
            Ok((handle, connection)) => {
                let owner = Owner::Handshaking {
                    until: now + HANDSHAKE_TIMEOUT,
                    ours: self.config.key(),
                    offered: offered.unwrap_or_default(),
                };
                let id = self.net.insert(handle, connection, owner);
                if let Some(inbound) = &mut self.inbound {
                    inbound.handshaking.insert(id);
                }
            }
            Err(error) => {
                if let Some(transmit) = error.response {
                    self.net.respond(&transmit, answer);
                }
                self.net.stats.handshakes_failed += 1;
                let error = link_error(&error.cause, &self.net.speech.alpn, None);
                self.report_rejected(remote, None, error);
            }
        }
    }

    /// The handshake is complete: lets in whom we trust. Anybody else is cut off before any
    /// further packet, so that it never sees the handshake confirmed.
    pub(super) fn admit(&mut self, now: Time, id: LinkId) {
        let (Some(inbound), Some(link)) = (&mut self.inbound, self.net.link(id)) else {
            return;
        };
        inbound.handshaking.remove(&id);
        let remote = link.remote;
        let judged = match &self.config.accept {
            Some(trust) => {
                let (naming, date) = (self.config.naming(), self.net.clock.unix(now));
                judge(trust, link, naming, date)
            }
            // Without trust there is no accepting side.
            None => return,
        };
        let dialler = match judged {
            Ok(dialler) => dialler,
            Err(found) => {
                self.refuse_identity(id, found);
                return;
            }
        };
        if self.net.places.held_by(Holder::Share(dialler.share)) >= self.config.key_share() {
            let (code, reason) = (
                CloseCode::ExcessiveLoad,
                "this public key has too many connections",
            );
            self.net.close(id, code, reason);
            self.net.stats.refused += 1;
            let reason = String::from(reason);
            self.report_rejected(
                remote,
                Some(dialler.key),
                LinkError::Closed { code, reason },
            );
            return;
        }
        let visit = self.visit_desk(|desk, mail| desk.let_in(now, dialler, mail));
        let (Some((attempt, mail)), Some(inbound)) = (visit, &mut self.inbound) else {
            return;
        };
        inbound.accepted.insert(attempt, id);
        inbound.mute.insert(attempt, now);
        self.net.let_in(id, attempt, dialler);
        self.net.stats.accepted += 1;
        // The table may have no room for it.
        self.act_on(now, mail);
        self.wake_peers_of(now, dialler.key);
    }

    pub(super) fn forget_handshake(&mut self, id: LinkId) {
        if let Some(inbound) = &mut self.inbound {
            inbound.handshaking.remove(&id);
        }
    }

    pub(super) fn report_rejected(
        &mut self,
        remote: SocketAddr,
        key: Option<PeerKey>,
        error: LinkError,
    ) {
        self.events
            .push_back(NodeEvent::InboundRejected { remote, key, error });
    }
}
