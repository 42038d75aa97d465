//! The invariants of one session, by their ids in `docs/invariants.md`.

use super::PeerReceiverMachine;
use crate::receiver::phase::Phase;
use crate::{Time, TransferId, Violation};

impl PeerReceiverMachine {
    /// The invariants of its state, between steps.
    ///
    /// # Errors
    ///
    /// The first that does not hold.
    pub fn check(&self) -> Result<(), Violation> {
        self.inbound.check()?;
        self.outbound.check()?;
        let wrong = |id, what| Err(Violation { id, what });
        if !self.rejected.is_empty() || !self.broken.is_empty() || self.stop_by.is_some() {
            return wrong("I18", "facts of a step were left undecided");
        }
        let stats = self.reply_stats();
        let settled = stats.delivered
            + stats.refused
            + stats.expired
            + stats.cancelled
            + stats.failed
            + stats.unknown
            + stats.handed_over;
        if stats.accepted != settled + stats.queued + stats.in_flight {
            return wrong("I2", "accepted replies are neither settled nor kept");
        }
        if self.outbound.newest_transfer() >= Some(TransferId(self.transfers)) {
            return wrong("I10", "a write has a name that was not given out");
        }
        let carrier = self.outbound.carrier();
        if carrier.is_some_and(|it| !self.inbound.stands(it)) {
            return wrong("I9", "replies go out on a connection that is gone");
        }
        if self.outbound.resume_due().is_some_and(|at| at < Time::MAX) {
            return wrong("I15", "a dialler is given time to answer");
        }
        if self.phase == Phase::Closed
            && (self.remembers() || self.connections() > 0 || !self.outbound.is_settled())
        {
            return wrong("I27", "a closed receiver keeps something");
        }
        Ok(())
    }
}
