//! The machine's own invariants, by their ids in `docs/invariants.md`.

use super::state::News;
use super::{Link, PeerSenderMachine, Phase};
use crate::Violation;

impl PeerSenderMachine {
    /// Everything that must hold between two steps. Looks at each message; for tests.
    ///
    /// # Errors
    ///
    /// The first invariant that does not hold: a fault of this program, whatever the caller did.
    pub fn check(&self) -> Result<(), Violation> {
        self.check_step()?;
        self.state.outbound.check()?;
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
            + stats.unknown;
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
        require("I9", "a stream without its connection", {
            let carrier = self.state.outbound.carrier();
            carrier.is_none_or(|attempt| Some(attempt) == self.state.link.attempt())
        })?;
        require("I9", "the peer's lanes come by another connection", {
            let mut attempts = self.state.inbound.attempts();
            attempts.all(|attempt| Some(attempt) == self.state.link.attempt())
        })?;
        require("I28", "a drained sender goes on", {
            !matches!(self.state.phase, Phase::Stopping { .. })
                || !self.state.outbound.is_settled()
                || !self.has_said_all()
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
