//! What a node's own books must say.

use peer_sender_quic::{Source, Target};

use super::op::Place;
use super::oracle::{Broken, broken};
use super::world::World;

/// The books are looked at in each such turn of a node: it costs as much as a turn.
const TURNS: u64 = 16;

impl World<'_> {
    /// Compares a node's own books with what the oracle knows, now and then.
    pub(super) fn look_at_books(&self, place: Place) -> Result<(), Broken> {
        let host = &self.hosts[usize::from(place)];
        match host.turns % TURNS {
            0 => self.compare_books(place),
            _ => Ok(()),
        }
    }

    pub(super) fn compare_books(&self, place: Place) -> Result<(), Broken> {
        let host = &self.hosts[usize::from(place)];
        // One that is frozen has not told what it has done last.
        let Some(node) = host.node.as_ref().filter(|_| !host.frozen) else {
            return Ok(());
        };
        let peers = host.dialled.values().map(|it| Target::Peer(it.handle));
        let sessions = host.sessions.values().map(|&it| Target::Session(it));
        let it = &self.setup.settings;
        let lanes = u64::from(it.lanes);
        for target in peers.chain(sessions) {
            let process = match target {
                Target::Session(_) => it.process_of(place),
                Target::Peer(_) => place,
            };
            let Some(channel) = self.oracle.find(process, host.life, target) else {
                continue;
            };
            let (Some(own), Some(stats)) = (
                self.oracle.channels.get(channel),
                node.peer_stats(target).map(|it| it.machine),
            ) else {
                continue;
            };
            let held = (
                stats.queued + stats.in_flight,
                stats.queued_bytes + stats.in_flight_bytes,
                stats.accepted,
            );
            if held != (own.open, own.open_bytes, own.accepted) {
                let told = (own.open, own.open_bytes, own.accepted);
                return broken(
                    "I2",
                    format!("node {place}, {target:?}: {stats:?}, not {told:?}"),
                );
            }
            if stats.queued > lanes * u64::from(it.queue_messages_max)
                || stats.in_flight > lanes * u64::from(it.flight_messages_max)
            {
                return broken("I21", format!("node {place} holds too much: {stats:?}"));
            }
        }
        let stats = node.stats();
        let (connections, sessions) = (stats.connections, stats.sessions);
        if host.dialled.is_empty() && connections > u64::from(it.connections_max)
            || sessions > u64::from(it.sessions_max)
        {
            let what = format!("node {place} has too many connections or sessions: {stats:?}");
            return broken("I21", what);
        }
        self.compare_held(place)
    }

    /// What waits for an application has a limit: for each key that dials, and for each peer.
    fn compare_held(&self, place: Place) -> Result<(), Broken> {
        /// What a session that holds nothing may hold beside the limit, over all its lanes.
        const BESIDE: usize = (64 << 10) + 7 * (8 << 10);
        let host = &self.hosts[usize::from(place)];
        let it = &self.setup.settings;
        let (inbound, message) = (it.inbound_bytes_max as usize, it.message_bytes_max as usize);
        let held: usize = host.waiting.values().flatten().map(|it| it.bytes).sum();
        let mut most = usize::from(it.nodes) * inbound;
        for (source, _) in host.waiting.keys() {
            most += match source {
                Source::Session(_) => BESIDE,
                // A lane of which nothing is held may take one message beyond it.
                Source::Peer { .. } => inbound + message,
            };
        }
        match held <= most {
            true => Ok(()),
            false => broken(
                "I21",
                format!("node {place} holds {held} bytes, not {most}"),
            ),
        }
    }
}
