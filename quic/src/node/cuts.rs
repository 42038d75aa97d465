//! How often the other end of a connection cuts streams.
//!
//! A lane is opened once in a connection, so whoever is correct cuts a few streams of it at most.
//! Somebody who opens and cuts streams for ever holds nothing, but each of them costs a step; so
//! there is a limit to how fast that may go on, and none to how long.

use std::time::Duration;

use peer_sender_core::Time;

/// The most halves of streams that the other end may cut within [`WITHIN`].
const CUTS_MAX: u32 = 1_000;

const WITHIN: Duration = Duration::from_secs(10);

/// Cuts of one connection, counted by stretches of ten seconds.
#[derive(Debug, Default)]
pub(super) struct Cuts {
    since: Time,
    count: u32,
}

impl Cuts {
    /// The other end has cut this many more. True if that is too fast.
    pub(super) fn add(&mut self, now: Time, cuts: u32) -> bool {
        if now >= self.since + WITHIN {
            *self = Self {
                since: now,
                count: 0,
            };
        }
        self.count = self.count.saturating_add(cuts);
        self.count > CUTS_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_their_rate_counts() {
        let mut cuts = Cuts::default();
        let mut now = Time::from_secs(1);
        for _ in 0..100 {
            assert!(!cuts.add(now, CUTS_MAX));
            now = now + WITHIN;
        }
        assert!(!cuts.add(now, CUTS_MAX));
        let just_before = now + (WITHIN - Duration::from_nanos(1));
        assert!(cuts.add(just_before, 1), "one too many in ten seconds");
    }
}
