//! Connections that the network says lead nowhere, and others that are given up.

use std::net::IpAddr;
use std::time::Duration;

use peer_sender_core::{LinkError, Time};

use super::link::{LinkId, Owner};
use super::{NodeMachine, PeerId};

/// The shortest probation, where the report can mean but one port.
const PROBATION_MIN: Duration = Duration::from_millis(250);

/// The shortest probation of a connection that the report may not mean: three times the initial
/// round trip (RFC 9002 section 6.2.2), and time enough for a peer that pauses.
const PROBATION_AMBIGUOUS_MIN: Duration = Duration::from_secs(1);

impl<P: PeerId> NodeMachine<P> {
    /// Probes every connection to this host, and puts it on probation.
    pub(super) fn probe(&mut self, now: Time, host: IpAddr) {
        let ids = self.net.links_to(host.to_canonical());
        let mut ports = ids
            .iter()
            .filter_map(|&id| self.net.link(id))
            .map(|link| link.remote.port());
        let first = ports.next();
        let least = match ports.all(|port| Some(port) == first) {
            true => PROBATION_MIN,
            false => PROBATION_AMBIGUOUS_MIN,
        };
        for id in ids {
            let Some(link) = self.net.link_mut(id) else {
                continue;
            };
            if link.probation.is_some() || link.handle.is_none() {
                continue;
            }
            let path = match link.heard {
                true => probation(link.connection.rtt()),
                false => Duration::ZERO,
            };
            link.probation = Some(now + path.max(least));
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
        if link.drain.is_some() && link.probation.is_none_or(|at| at > now) {
            // Its turn will tell whether the wait is over.
            self.net.mark_dirty(id);
            return;
        }
        let error = match link.owner {
            Owner::Handshaking { until, .. } | Owner::Spare { until, .. } if until <= now => {
                LinkError::ConnectTimeout
            }
            Owner::Spare { .. }
            | Owner::Handshaking { .. }
            | Owner::Dialled { .. }
            | Owner::Accepted { .. }
            | Owner::Nobody => LinkError::Unreachable,
        };
        link.probation = None;
        link.lost.get_or_insert(error);
        link.lose_streams();
        self.net.detach(id);
    }
}

/// Three probe timeouts of a path whose round trip varies by half of itself, and whose other end
/// acknowledges within the default of 25 ms (RFC 9002 section 6.2.1, RFC 9000 section 18.2).
fn probation(rtt: Duration) -> Duration {
    3 * (3 * rtt + Duration::from_millis(25))
}
