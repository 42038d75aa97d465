//! Accepted connections that have to go: their key is no longer trusted, or others need the place.

use std::time::Duration;

use peer_sender_core::{Attempt, CloseCode, Event, LinkError, PeerKey, Time};

use super::link::{LinkId, Owner};
use super::{NodeMachine, PeerId};
use crate::Trust;

/// How long a connection on which no session was named is kept in any case.
const MUTE_FOR: Duration = Duration::from_secs(10);

impl<P: PeerId> NodeMachine<P> {
    /// Judges every accepted connection by the new list; a handshake under way is judged by it
    /// once it is complete.
    pub(super) fn replace_trust(&mut self, now: Time, trust: Trust) {
        let Some(inbound) = &self.inbound else {
            return;
        };
        let revoked: Vec<(Attempt, LinkId, PeerKey)> = inbound
            .open()
            .filter_map(|(attempt, id)| Some((attempt, id, self.key_of(id)?)))
            .filter(|(_, _, key)| !trust.admits(key))
            .collect();
        self.config.accept = Some(trust);
        for (attempt, id, offered) in revoked {
            self.refuse_identity(id, Some(offered));
            self.lose(now, attempt, LinkError::NotAllowed { offered });
        }
    }

    /// Closes a connection whose key is not trusted. Its session, if it has one, is kept, as the
    /// key may be allowed again.
    pub(super) fn refuse_identity(&mut self, id: LinkId, shown: Option<PeerKey>) {
        let Some(remote) = self.net.link(id).map(|link| link.remote) else {
            return;
        };
        let reason = "this key is not trusted here";
        self.net.close(id, CloseCode::IdentityRefused, reason);
        self.net.stats.identities_refused += 1;
        // TLS demands a key, so there is one to name.
        let offered = shown.unwrap_or(PeerKey([0; 32]));
        self.report_rejected(remote, shown, LinkError::NotAllowed { offered });
    }

    /// From seven eighths of all places on, each further dialler costs the connection its place
    /// that has been without a session longest, if that is ten seconds at least. A correct dialler
    /// names its session with its first message; one that has none to send comes back.
    pub(super) fn make_room(&mut self, now: Time) {
        let places_max = self.config.connections_max;
        if self.net.places.len() < places_max - places_max / 8 {
            return;
        }
        let longest = self.inbound.as_ref().and_then(|inbound| inbound.mute());
        let Some((attempt, id)) = longest
            .and_then(|(attempt, id, since)| (since + MUTE_FOR <= now).then_some((attempt, id)))
        else {
            return;
        };
        let (code, reason) = (
            CloseCode::ExcessiveLoad,
            "places run short, and nothing was sent on this connection",
        );
        let key = self.key_of(id);
        let Some(remote) = self.net.link(id).map(|link| link.remote) else {
            return;
        };
        self.net.close(id, code, reason);
        self.net.stats.refused += 1;
        let reason = String::from(reason);
        let error = LinkError::Closed { code, reason };
        self.report_rejected(remote, key, error.clone());
        self.lose(now, attempt, error);
    }

    /// An accepted connection is over, as this end has closed it: tells the table.
    fn lose(&mut self, now: Time, attempt: Attempt, error: LinkError) {
        self.forget_accepted(attempt);
        self.step_accepted(now, attempt, [Event::ConnectionLost { attempt, error }]);
    }

    /// Who was let in on this connection.
    pub(super) fn key_of(&self, id: LinkId) -> Option<PeerKey> {
        match self.net.link(id)?.owner {
            Owner::Accepted { key, .. } => Some(key),
            Owner::Dialled { .. } | Owner::Handshaking { .. } | Owner::Nobody => None,
        }
    }
}
