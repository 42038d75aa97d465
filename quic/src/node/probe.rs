//! Connections that the network says lead nowhere, and others that are given up.

use std::net::IpAddr;
use std::time::Duration;

use peer_sender_core::{LinkError, Time};

use super::link::{LinkId, Owner};
use super::{NodeMachine, PeerId};

/// The shortest probation.
const PROBATION_MIN: Duration = Duration::from_millis(250);

/// The probation of a path without a known round trip that the report may not mean: three times
/// the initial round trip (RFC 9002 section 6.2.2).
const PROBATION_UNKNOWN: Duration = Duration::from_secs(1);

impl<P: PeerId> NodeMachine<P> {
    /// Probes every connection to this host, and puts it on probation.
    pub(super) fn probe(&mut self, now: Time, host: IpAddr) {
        let ids = self.net.links_to(host.to_canonical());
        let mut ports = ids
            .iter()
            .filter_map(|&id| self.net.link(id))
            .map(|link| link.remote.port());
        let first = ports.next();
        let one_port = ports.all(|port| Some(port) == first);
        for id in ids {
            let Some(link) = self.net.link_mut(id) else {
                continue;
            };
            if link.probation.is_some() || link.handle.is_none() {
                continue;
            }
            let wait = match (link.heard, one_port) {
                (true, _) => probation(link.connection.rtt()),
                (false, true) => PROBATION_MIN,
                (false, false) => PROBATION_UNKNOWN,
            };
            link.probation = Some(now + wait);
            link.connection.ping();
            self.net.mark_dirty(id);
        }
    }

    /// A connection has waited too long for the other end: QUIC forgets it, and sends nothing
    /// more on it.
    pub(super) fn give_up(&mut self, now: Time, id: LinkId) {
        let Some(link) = self.net.link_mut(id) else {
            return;
        };
        let error = match link.owner {
            Owner::Handshaking { until } if until <= now => LinkError::ConnectTimeout,
            Owner::Handshaking { .. }
            | Owner::Dialled { .. }
            | Owner::Accepted { .. }
            | Owner::Nobody => LinkError::Unreachable,
        };
        link.probation = None;
        link.lost.get_or_insert(error);
        self.net.detach(id);
    }
}

/// Three probe timeouts of a path whose round trip varies by half of itself, and whose other end
/// acknowledges within the default of 25 ms (RFC 9002 section 6.2.1, RFC 9000 section 18.2).
fn probation(rtt: Duration) -> Duration {
    PROBATION_MIN.max(3 * (3 * rtt + Duration::from_millis(25)))
}
