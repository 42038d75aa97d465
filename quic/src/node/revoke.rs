//! Accepted connections that have to go: their key is no longer trusted, or others need the place.

use std::time::Duration;

use peer_sender_core::{Attempt, CloseCode, Dialler, Event, LinkError, PeerKey, Time};
use rustls::pki_types::UnixTime;

use super::link::{Link, LinkId, Owner};
use super::{NodeMachine, PeerId};
use crate::trust::NotLetIn;
use crate::{Naming, Trust, tls};

/// How long a connection on which no session was named is kept in any case.
const MUTE_FOR: Duration = Duration::from_secs(10);

/// Who dialled, whose handshake is complete, if it is let in.
pub(super) fn judge(
    trust: &Trust,
    link: &Link,
    naming: Naming,
    date: UnixTime,
) -> Result<Dialler, NotLetIn> {
    let chain = tls::peer_chain(&link.connection).unwrap_or_default();
    trust.judge(&chain, naming, date)
}

impl<P: PeerId> NodeMachine<P> {
    /// Judges every accepted connection by the new trust; a handshake under way is judged by it
    /// once it is complete.
    pub(super) fn replace_trust(&mut self, now: Time, trust: Trust) {
        self.serve_all(now);
        let Some(inbound) = &self.inbound else {
            return;
        };
        let date = self.net.clock.unix(now);
        let naming = self.config.naming();
        let revoked: Vec<(Attempt, LinkId, NotLetIn)> = inbound
            .open()
            .filter_map(|(attempt, id)| {
                let refused = judge(&trust, self.net.link(id)?, naming, date).err()?;
                Some((attempt, id, refused))
            })
            .collect();
        self.config.accept = Some(trust);
        // What is judged within TLS goes by the new one as well.
        self.renew_server();
        for (attempt, id, refused) in revoked {
            let error = refused.error.clone();
            self.refuse_identity(id, refused);
            self.lose(now, attempt, error);
        }
    }

    /// Closes a connection whose dialler is not trusted. Its session, if it has one, is kept, as
    /// the dialler may be let in again.
    pub(super) fn refuse_identity(&mut self, id: LinkId, refused: NotLetIn) {
        let Some(remote) = self.net.link(id).map(|link| link.remote) else {
            return;
        };
        let reason = "this identity is not trusted here";
        self.net.close(id, CloseCode::IdentityRefused, reason);
        self.net.stats.identities_refused += 1;
        self.report_rejected(remote, refused.key, refused.error);
    }

    /// From seven eighths of all places on, where none is left of a connection that is over, each
    /// further dialler costs the connection its place that has been without a session longest, if
    /// that is ten seconds at least. A correct dialler names its session with its first message; one
    /// that has none to send comes back. The place is free at once: whoever has to give way would
    /// often be back before the one for whom it had to.
    pub(super) fn make_room(&mut self, now: Time) {
        self.serve_all(now);
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
        self.net.dismiss(now, id, code, reason);
        self.net.stats.refused += 1;
        let reason = String::from(reason);
        let error = LinkError::Closed { code, reason };
        self.report_rejected(remote, key, error.clone());
        self.lose(now, attempt, error);
    }

    /// An accepted connection is over, as this end has closed it: tells the table.
    pub(super) fn lose(&mut self, now: Time, attempt: Attempt, error: LinkError) {
        self.forget_accepted(attempt);
        self.step_accepted(now, attempt, [Event::ConnectionLost { attempt, error }]);
    }

    /// Who was let in on this connection.
    pub(super) fn key_of(&self, id: LinkId) -> Option<PeerKey> {
        match self.net.link(id)?.owner {
            Owner::Accepted { key, .. } => Some(key),
            Owner::Dialled { .. }
            | Owner::Spare { .. }
            | Owner::Handshaking { .. }
            | Owner::Nobody => None,
        }
    }
}
