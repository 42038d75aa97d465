//! A node's own clock, which need not be a good one.

use std::time::Duration;

use peer_sender_core::Time;

/// What a node takes for the time, and when its timers fire.
#[derive(Clone, Debug, Default)]
pub(super) struct Clock {
    /// How far it is ahead of the world's.
    pub(super) ahead: Duration,
    /// It shows multiples of this; every nanosecond at zero.
    pub(super) tick: Duration,
    /// How late timers fire at most.
    pub(super) late: Duration,
    /// What it showed last.
    latest: Time,
}

impl Clock {
    /// What it shows at this moment of the world's.
    pub(super) fn read(&mut self, world: Time) -> Time {
        self.latest = self.latest.max(self.shows(world));
        self.latest
    }

    /// What it would show at this moment, had it been as it is now.
    pub(super) fn shows(&self, world: Time) -> Time {
        match nanos(self.tick) {
            0 => world + self.ahead,
            tick => Time::from_nanos((world + self.ahead).as_nanos() / tick * tick),
        }
    }

    /// The moment of the world's at which it shows this, or more.
    pub(super) fn when(&self, shows: Time) -> Time {
        let shows = match nanos(self.tick) {
            0 => shows.as_nanos(),
            tick => shows.as_nanos().div_ceil(tick).saturating_mul(tick),
        };
        Time::from_nanos(shows.saturating_sub(nanos(self.ahead)))
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_shows_a_moment_when_it_says_that_it_will() {
        for (ahead, tick) in [(0, 0), (5, 0), (0, 16), (7, 16)] {
            let clock = Clock {
                ahead: Duration::from_millis(ahead),
                tick: Duration::from_millis(tick),
                ..Clock::default()
            };
            for millis in 100..150 {
                let shows = Time::from_millis(millis);
                let when = clock.when(shows);
                let before = Time::from_nanos(when.as_nanos() - 1);
                assert!(clock.shows(before) < shows);
                assert!(clock.shows(when) >= shows);
            }
        }
    }

    #[test]
    fn it_never_goes_back() {
        let mut clock = Clock::default();
        let read = clock.read(Time::from_millis(31));
        clock.tick = Duration::from_millis(16);
        assert_eq!(clock.read(Time::from_millis(31)), read);
    }
}
