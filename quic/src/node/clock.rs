//! The node's time, and QUIC's.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use peer_sender_core::Time;
use rustls::pki_types::UnixTime;

/// Translates between [`Time`], [`Instant`] and the date, and never lets time go back.
#[derive(Debug)]
pub(super) struct Clock {
    base: Instant,
    /// What the calendar said at [`Time::ZERO`], since 1970.
    date: Duration,
    latest: Time,
}

impl Clock {
    /// `base` and `date` both stand for [`Time::ZERO`].
    pub(super) fn new(base: Instant, date: SystemTime) -> Self {
        Self {
            base,
            date: date.duration_since(UNIX_EPOCH).unwrap_or_default(),
            latest: Time::ZERO,
        }
    }

    /// When [`Time::ZERO`] was, in nanoseconds since 1970.
    pub(super) fn zero_unix_nanos(&self) -> u64 {
        u64::try_from(self.date.as_nanos()).unwrap_or(u64::MAX)
    }

    /// The later of `now` and the latest moment seen.
    pub(super) fn advance(&mut self, now: Time) -> Time {
        self.latest = self.latest.max(now);
        self.latest
    }

    pub(super) fn latest(&self) -> Time {
        self.latest
    }

    pub(super) fn instant(&self, time: Time) -> Instant {
        let offset = Duration::from_nanos(time.as_nanos());
        // Only a `Time` centuries away is beyond what an `Instant` can name.
        self.base.checked_add(offset).unwrap_or(self.base)
    }

    /// The date, for certificates.
    pub(super) fn unix(&self, time: Time) -> UnixTime {
        let since = Duration::from_nanos(time.as_nanos());
        UnixTime::since_unix_epoch(self.date.saturating_add(since))
    }

    pub(super) fn time(&self, instant: Instant) -> Time {
        Time::ZERO + instant.saturating_duration_since(self.base)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn translates_there_and_back() {
        #[expect(clippy::disallowed_methods, reason = "any base will do")]
        let clock = Clock::new(Instant::now(), UNIX_EPOCH);
        let time = Time::from_nanos(1_234_567_890_123);
        assert_eq!(clock.time(clock.instant(time)), time);
    }

    #[test]
    fn the_date_goes_on_with_the_time_and_never_leaves_its_range() {
        #[expect(clippy::disallowed_methods, reason = "any base will do")]
        let base = Instant::now();
        let at = |date, time| Clock::new(base, date).unix(time).as_secs();
        let date = UNIX_EPOCH + Duration::from_secs(1_000);
        assert_eq!(at(date, Time::ZERO), 1_000);
        assert_eq!(at(date, Time::from_secs(86_400)), 87_400);
        let before = UNIX_EPOCH - Duration::from_secs(1_000);
        assert_eq!(at(before, Time::from_secs(5)), 5);
    }

    #[test]
    fn never_goes_back() {
        #[expect(clippy::disallowed_methods, reason = "any base will do")]
        let mut clock = Clock::new(Instant::now(), UNIX_EPOCH);
        assert_eq!(clock.advance(Time::from_secs(2)), Time::from_secs(2));
        assert_eq!(clock.advance(Time::from_secs(1)), Time::from_secs(2));
    }
}
