//! How long the contract lets a sender wait, and which of its timers may be armed.

use std::time::Duration;

use peer_sender_core::{Deadline, Time, Timer};

use crate::limits::Limits;
use crate::recovery::{Link, Recovery};

/// Failures in a row.
#[derive(Debug, Default)]
pub(crate) struct Row {
    /// Transient ones, and permanent ones.
    counts: [u32; 2],
    /// Permanent errors without a transient one between them.
    refused: usize,
    since: Option<Time>,
    /// After as many failures a wait was cut short because the peer had dialled.
    contact: Option<u32>,
}

/// When the next attempt may be.
#[derive(Debug)]
pub(crate) struct Window {
    from: Time,
    to: Time,
}

impl Row {
    pub(crate) fn failures(&self) -> u32 {
        self.counts.iter().sum()
    }

    /// I12: a peer that dials cuts a wait short once for each failure, and not after a refusal.
    pub(crate) fn heeds_contact(&mut self) -> bool {
        let failures = Some(self.failures());
        let new = std::mem::replace(&mut self.contact, failures) != failures;
        self.refused == 0 && new
    }

    /// Counts a failure, and says how long the wait after it may be. With several addresses a
    /// permanent error counts as such once each of them has refused.
    pub(crate) fn fails(
        &mut self,
        now: Time,
        permanent: bool,
        places: usize,
        limits: &Limits,
    ) -> Window {
        let since = *self.since.get_or_insert(now);
        self.refused = if permanent { self.refused + 1 } else { 0 };
        let permanent = permanent && self.refused.is_multiple_of(places.max(1));
        let (counter, (min, max)) = match permanent {
            false => (&mut self.counts[0], limits.backoff),
            true => (&mut self.counts[1], limits.refusal_backoff),
        };
        *counter += 1;
        let wait = wait_after(*counter, min, max);
        let (shortest, longest) = match limits.jitter {
            true => spread(wait, min, max),
            false => (wait, wait),
        };
        let end = limits.give_up_after.map(|after| since + after);
        let at = |wait: Duration| {
            let at = now + wait;
            end.map_or(at, |end| at.min(end))
        };
        Window {
            from: at(shortest),
            to: at(longest),
        }
    }

    /// Whether the sender has tried for as long, or as often, as it was told to.
    pub(crate) fn gives_up(&self, now: Time, limits: &Limits) -> bool {
        let tried = limits.attempts_max;
        let often = tried.is_some_and(|max| self.failures() >= max);
        let end = self.since.zip(limits.give_up_after);
        often || end.is_some_and(|(since, after)| since + after <= now)
    }
}

impl Window {
    pub(crate) fn judge(&self, now: Time, until: Time) {
        assert!(
            self.from <= until && until <= self.to,
            "I11 waits from {now} until {until}, and not as {self:?} says"
        );
    }
}

impl Recovery {
    /// I15: exactly the timers that are due to be armed, none of them overdue: those of the
    /// connection, and `others`.
    pub(crate) fn check_deadline(
        &self,
        now: Time,
        others: [Option<Deadline>; 3],
        deadline: Option<Deadline>,
    ) {
        let armed = |at, timer| Some(Deadline { at, timer });
        let (of_link, resumes) = match &self.link {
            Link::Dialling { until, .. } => (armed(*until, Timer::Connect), None),
            Link::Waiting { until } => (armed(*until, Timer::Backoff), None),
            Link::Up(connection) => (None, Some(&connection.resumes)),
            Link::Parting { connection, until } => {
                (armed(*until, Timer::Parting), Some(&connection.resumes))
            }
            Link::Down | Link::Idle | Link::Ended => (None, None),
        };
        let resumes = resumes.into_iter().flat_map(|all| all.values().flatten());
        let of_streams = resumes.filter_map(|at| armed(*at, Timer::Resume));
        let others = others.into_iter().flatten();
        let others = others.filter(|_| !matches!(self.link, Link::Ended));
        let expected = of_streams.chain(of_link).chain(others).min();
        assert!(
            expected.is_none_or(|deadline| deadline.at > now),
            "I15 {expected:?} is not after {now}"
        );
        match deadline {
            Some(Deadline {
                at,
                timer: Timer::Idle,
            }) if expected.is_none_or(|other| at <= other.at) => self.check_rest(now, at),
            other => assert_eq!(other, expected, "I15 the next deadline"),
        }
    }

    /// The end of an idle connection is due no sooner than it may be.
    fn check_rest(&self, now: Time, at: Time) {
        let after = self.limits.disconnect_after;
        let earliest = after.map(|after| self.last_said + after);
        let up = matches!(self.link, Link::Up(_));
        assert!(
            up && earliest.is_some_and(|earliest| earliest <= at) && at > now,
            "I15 idle at {at}, and something was said at {}",
            self.last_said
        );
    }
}

/// min x (1, 1, 2, 3, 5, ...), at most max.
fn wait_after(failures: u32, min: Duration, max: Duration) -> Duration {
    let (mut this, mut next) = (Duration::ZERO, min);
    for _ in 0..failures {
        if this >= max {
            return max;
        }
        (this, next) = (next, this.saturating_add(next));
    }
    this.min(max)
}

/// From -25 % to +50 % of a wait; what would be below the shortest or above the longest is folded
/// back inside.
fn spread(wait: Duration, min: Duration, max: Duration) -> (Duration, Duration) {
    let (low, high) = (wait * 3 / 4, wait * 3 / 2);
    let folded_down = (max * 2).saturating_sub(high);
    let folded_up = (min * 2).saturating_sub(low);
    let from = low.min(folded_down).max(min);
    let to = high.max(folded_up).min(max);
    // A nanosecond is lost where the machine rounds.
    (from.saturating_sub(Duration::from_nanos(2)).max(min), to)
}
