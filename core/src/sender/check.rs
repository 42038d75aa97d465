//! The machine's own invariants, by their ids in `docs/invariants.md`.

use super::state::News;
use super::{Link, PeerSenderMachine, Phase};
use crate::{TransferId, Violation};

impl PeerSenderMachine {
    /// Everything that must hold between two steps. Looks at each message; for tests.
    ///
    /// # Errors
    ///
    /// The first invariant that does not hold: a fault of this program, whatever the caller did.
    pub fn check(&self) -> Result<(), Violation> {
        self.check_step()?;
        self.state.outbound.check()?;
        require("I10", "a write has a name that was not given out", {
            self.state.outbound.newest_transfer() < Some(TransferId(self.state.transfers))
        })?;
        self.state.inbound.check()
    }

    /// What can be checked at each step at no cost to speak of.
    pub(super) fn check_step(&self) -> Result<(), Violation> {
        let stats = self.stats();
        let settled = stats.delivered
            + stats.refused
            + stats.expired
            + stats.cancelled
            + stats.failed
            + stats.unknown
            + stats.handed_over;
        require("I2", "accepted messages are neither settled nor kept", {
            stats.accepted == settled + stats.queued + stats.in_flight
        })?;
        require("I15", "a timer lies in the past", {
            self.next_deadline()
                .is_none_or(|deadline| deadline.at >= self.state.now)
        })?;
        require("I27", "a closed sender holds something", {
            !self.is_closed()
                || self.state.outbound.is_settled()
                    && self.state.link == Link::Down
                    && self.next_deadline().is_none()
        })?;
        require(
            "I30",
            "a step left something undecided",
            self.state.news == News::default(),
        )?;
        let connection = self.state.link.connection().map(|it| it.attempt);
        require("I9", "a stream without its connection", {
            self.state.outbound.carrier() == connection
        })?;
        require("I9", "the peer's lanes come by another connection", {
            self.state.inbound.standing().eq(connection)
        })?;
        require("I10", "a connection has a name that was not given out", {
            let attempt = self.state.link.attempt();
            attempt.is_none_or(|attempt| attempt.0 < self.state.next_attempt)
        })?;
        require("I30", "it drains, and was not told to stop", {
            !matches!(self.state.link, Link::Draining(_))
                || matches!(self.state.phase, Phase::Stopping { .. })
        })?;
        let (turn, places) = (self.state.turn, self.state.addresses.len());
        require("L3", "the turn of an address that there is not", {
            turn < places.max(1)
        })?;
        require("L3", "it waits to dial, and knows no address", {
            places > 0 || !matches!(self.state.link, Link::Backoff { .. })
        })?;
        require("I28", "a drained sender goes on", {
            !matches!(self.state.phase, Phase::Stopping { .. })
                || !self.state.outbound.is_settled()
                || !self.has_said_all()
                || self.state.inbound.owes_messages()
        })?;
        require("L3", "messages wait and nothing is under way", {
            self.state.outbound.is_settled()
                || match self.state.link {
                    Link::Down | Link::Idle => self.state.addresses.is_empty(),
                    Link::Connecting { .. }
                    | Link::Up(_)
                    | Link::Draining(_)
                    | Link::Parting { .. }
                    | Link::Backoff { .. } => true,
                }
        })
    }
}

fn require(id: &'static str, what: &'static str, holds: bool) -> Result<(), Violation> {
    if holds {
        Ok(())
    } else {
        Err(Violation { id, what })
    }
}
