//! The node's clock, for whoever accepts messages.

use std::time::{Duration, Instant};

use peer_sender_core::Time;

/// The runtime's clock, counted from the moment that is `Time::ZERO`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    base: Instant,
    read: fn() -> Instant,
}

impl Clock {
    pub(crate) fn new(base: Instant, read: fn() -> Instant) -> Self {
        Self { base, read }
    }

    pub(crate) fn now(&self) -> Time {
        Time::ZERO + (self.read)().saturating_duration_since(self.base)
    }

    /// The moment of that reading.
    pub(crate) fn instant(&self, time: Time) -> Option<Instant> {
        self.base.checked_add(Duration::from_nanos(time.as_nanos()))
    }
}
