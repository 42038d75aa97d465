//! How long the contract lets a sender wait after a failure.

use std::net::SocketAddr;
use std::time::Duration;

use peer_sender_core::{ErrorClass, Time};

use super::{Violation, violated};
use crate::settings::{Settings, address};

/// Failures in a row.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Row {
    addresses: Vec<SocketAddr>,
    failures: Failures,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Failures {
    transient: u32,
    permanent: u32,
    /// Permanent errors without a transient one between them.
    refused: usize,
    /// When the first one came.
    since: Option<Time>,
    last_is_permanent: bool,
}

impl Row {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            addresses: settings.addresses.iter().map(|it| address(*it)).collect(),
            failures: Failures::default(),
        }
    }

    pub(super) fn reset(&mut self) {
        self.failures = Failures::default();
    }

    /// The peer has other addresses; a new one starts the row anew.
    pub(super) fn moved(&mut self, addresses: &[SocketAddr]) {
        if addresses.iter().any(|it| !self.addresses.contains(it)) {
            self.reset();
        }
        self.addresses = addresses.to_vec();
    }

    /// One more failure; it counts once its wait is told.
    pub(super) fn fails(&mut self, class: ErrorClass) {
        self.failures.last_is_permanent = class == ErrorClass::Permanent;
    }

    /// I11: the wait is the class's shortest times the Fibonacci number of its failures, at most
    /// its longest, and no longer than attempts may go on. A permanent error at one of several
    /// addresses counts as such once each of them has refused.
    pub(super) fn check(
        &mut self,
        now: Time,
        delay: Duration,
        until: Time,
        settings: &Settings,
    ) -> Result<(), Violation> {
        let places = self.addresses.len().max(1);
        let all = &mut self.failures;
        all.since.get_or_insert(now);
        all.refused = match all.last_is_permanent {
            true => all.refused + 1,
            false => 0,
        };
        let permanent = all.last_is_permanent && all.refused.is_multiple_of(places);
        let (failures, min, max) = match permanent {
            false => (
                &mut all.transient,
                settings.backoff_min,
                settings.backoff_max,
            ),
            true => (
                &mut all.permanent,
                settings.refusal_backoff_min,
                settings.refusal_backoff_max,
            ),
        };
        *failures += 1;
        let (failures, wait) = (*failures, fibonacci(*failures, min, max));
        let end = all.since.zip(settings.give_up_after);
        let end = end.map_or(Time::MAX, |(since, after)| since + after);
        let expected = (now + wait).min(end);
        if until != expected || delay != until.saturating_since(now) {
            let what = format!("the wait after failure {failures} is {delay:?}, not {wait:?}");
            return violated("I11", what);
        }
        Ok(())
    }

    pub(super) fn make_relative(&mut self, now: Time, settings: &Settings) {
        let most = settings.give_up_after.unwrap_or_default();
        let age = |since| Time::ZERO + now.saturating_since(since).min(most);
        self.failures.since = self.failures.since.map(age);
    }
}

/// min x (1, 1, 2, 3, 5, ...), at most max.
fn fibonacci(failures: u32, min: Duration, max: Duration) -> Duration {
    let (mut this, mut next) = (Duration::ZERO, min);
    for _ in 0..failures {
        if this >= max {
            return max;
        }
        (this, next) = (next, this.saturating_add(next));
    }
    this.min(max)
}
