//! How long the contract has a sender wait after failures.

use std::time::Duration;

use peer_sender_core::Time;

use crate::shape::Shape;

/// Failures in a row, since the peer last proved healthy.
#[derive(Clone, Debug, Default)]
pub(super) struct Row {
    transient: u32,
    permanent: u32,
    /// Refusals without another failure between them.
    refusals: usize,
    since: Option<Time>,
    /// After as many failures the peer's own dialling cut a wait short.
    heeded: Option<u32>,
}

impl Row {
    pub(super) fn failures(&self) -> u32 {
        self.transient + self.permanent
    }

    /// Counts a failure and says how long the wait after it is: 1, 1, 2, 3, 5 ... times the
    /// shortest of its kind, and no longer than the longest. With several addresses a refusal
    /// counts as one once each of them, in turn, has refused.
    pub(super) fn fails(
        &mut self,
        now: Time,
        permanent: bool,
        addresses: usize,
        shape: &Shape,
    ) -> Duration {
        self.since.get_or_insert(now);
        self.refusals = if permanent { self.refusals + 1 } else { 0 };
        let everywhere = permanent && self.refusals.is_multiple_of(addresses.max(1));
        let (count, shortest, longest) = match everywhere {
            false => (&mut self.transient, shape.backoff_min, shape.backoff_max),
            true => (
                &mut self.permanent,
                shape.refusal_backoff_min,
                shape.refusal_backoff_max,
            ),
        };
        *count += 1;
        let mut waits = (shortest, shortest);
        for _ in 1..*count {
            waits = (waits.1, waits.0.saturating_add(waits.1).min(longest));
        }
        waits.0.min(longest)
    }

    /// Whether the peer's dialling cuts the wait short: once a failure, and never after a refusal.
    pub(super) fn heeds_contact(&mut self) -> bool {
        let failures = Some(self.failures());
        let new = std::mem::replace(&mut self.heeded, failures) != failures;
        self.refusals == 0 && new
    }

    /// When the peer is given up, if failures go on.
    pub(super) fn ends_at(&self, shape: &Shape) -> Option<Time> {
        Some(self.since? + shape.give_up_after?)
    }
}
