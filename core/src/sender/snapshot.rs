//! How a sender stands, in a form for people.

use super::state::Phase;
use super::{Link, PeerSenderMachine};
use crate::{Holdup, Snapshot};

impl PeerSenderMachine {
    /// How it stands, and why nothing moves.
    pub fn snapshot(&self) -> Snapshot {
        let stats = self.stats();
        let link = self.state.link;
        let next_turn = self.state.addresses.get(self.state.turn).copied();
        Snapshot {
            standing: self.state.standing(),
            since: self.since,
            address: link.address().or(next_turn),
            last_error: self.last_error.clone(),
            failures: self.state.backoff.failures(),
            next_attempt_at: match link {
                Link::Backoff { until } => Some(until).filter(|_| !self.state.only_listens()),
                Link::Down
                | Link::Connecting { .. }
                | Link::Up(_)
                | Link::Draining(_)
                | Link::Parting { .. }
                | Link::Idle => None,
            },
            queued: stats.queued,
            queued_bytes: stats.queued_bytes,
            in_flight: stats.in_flight,
            in_flight_bytes: stats.in_flight_bytes,
            holdup: self.holdup(),
        }
    }

    /// Why nothing moves, as [`snapshot`](Self::snapshot) says it.
    pub fn holdup(&self) -> Holdup {
        if self.state.phase == Phase::Closed {
            return Holdup::Stopped;
        }
        let settled = self.state.outbound.is_settled();
        match self.state.link {
            Link::Down | Link::Idle if self.state.addresses.is_empty() && !settled => {
                Holdup::NoAddress
            }
            Link::Down if self.state.addresses.is_empty() => Holdup::NoAddress,
            Link::Down | Link::Connecting { .. } => Holdup::Connecting,
            Link::Backoff { .. } => Holdup::Backoff,
            Link::Up(_) | Link::Draining(_) | Link::Parting { .. } | Link::Idle if settled => {
                Holdup::NothingToDo
            }
            Link::Parting { .. } | Link::Idle => Holdup::Parting,
            Link::Up(_) | Link::Draining(_) => self.state.outbound.holdup(),
        }
    }
}
