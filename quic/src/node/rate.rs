//! How often the other end of a connection does what costs us more than it.
//!
//! Each of these is right now and then: a lane is opened once in a connection, so whoever is correct
//! cuts a few streams of it at most; and an address changes where a host moves or a NAT forgets it.
//! Somebody who does it for ever holds nothing, but each time costs a step, or datagrams to an
//! address that somebody else may own; so there is a limit to how fast that may go on, and none to
//! how long.

use std::time::Duration;

use peer_sender_core::Time;

/// The most halves of streams that the other end may cut within [`WITHIN`].
pub(super) const CUTS_MAX: u32 = 1_000;

/// The most often that the other end may show up at another address within [`WITHIN`].
///
/// A new address is sent up to three datagrams to prove itself, however little came from there (QUIC's
/// implementation counts its limit of three times as much by whole datagrams): so this bounds what
/// the owner of a connection can have sent to addresses that are not its own.
pub(super) const MOVES_MAX: u32 = 8;

const WITHIN: Duration = Duration::from_secs(10);

/// What is counted of one connection, by stretches of ten seconds.
#[derive(Debug, Default)]
pub(super) struct Rate {
    since: Time,
    count: u32,
}

impl Rate {
    /// It happened this many times more. True if that is more often than `max` in a stretch.
    pub(super) fn exceeds(&mut self, max: u32, now: Time, more: u32) -> bool {
        if now >= self.since + WITHIN {
            *self = Self {
                since: now,
                count: 0,
            };
        }
        self.count = self.count.saturating_add(more);
        self.count > max
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_rate_counts() {
        let mut cuts = Rate::default();
        let mut now = Time::from_secs(1);
        for _ in 0..100 {
            assert!(!cuts.exceeds(CUTS_MAX, now, CUTS_MAX));
            now = now + WITHIN;
        }
        assert!(!cuts.exceeds(CUTS_MAX, now, CUTS_MAX));
        let just_before = now + (WITHIN - Duration::from_nanos(1));
        assert!(
            cuts.exceeds(CUTS_MAX, just_before, 1),
            "one too many in ten seconds"
        );
    }
}
