//! How long to wait after a failure, and when to wait no more.

use core::time::Duration;

use crate::{Config, ErrorClass, Time};

/// Failures in a row, since the peer last proved healthy, by class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
pub struct Backoff {
    transient: u32,
    permanent: u32,
    /// Permanent errors without a transient one between them.
    refused: u32,
    /// When the first of the failures came.
    since: Option<Time>,
    /// After as many failures a wait was cut short because the peer had dialled us.
    contact: Option<u32>,
}

impl Backoff {
    /// Failures in a row, of both classes.
    pub fn failures(&self) -> u32 {
        self.transient.saturating_add(self.permanent)
    }

    /// Counts a failure at `now` and tells the wait after it: the class's shortest wait times the
    /// Fibonacci number (1, 1, 2, 3, 5, ...) of the failures of that class, up to its longest,
    /// spread at random if the configuration says so.
    ///
    /// Where a peer has several `places`, a permanent error at one says nothing of the others: it
    /// counts as transient until each of them, in turn, has refused.
    pub(super) fn fail(
        &mut self,
        now: Time,
        class: ErrorClass,
        places: usize,
        config: &Config,
        seed: &[u8; 32],
    ) -> Duration {
        self.since.get_or_insert(now);
        let class = match class {
            ErrorClass::Transient => {
                self.refused = 0;
                class
            }
            ErrorClass::Permanent => {
                self.refused = self.refused.saturating_add(1);
                match self.refused as usize % places.max(1) {
                    0 => class,
                    _ => ErrorClass::Transient,
                }
            }
        };
        let (failures, min, max) = match class {
            ErrorClass::Transient => (&mut self.transient, config.backoff_min, config.backoff_max),
            ErrorClass::Permanent => (
                &mut self.permanent,
                config.refusal_backoff_min,
                config.refusal_backoff_max,
            ),
        };
        *failures = failures.saturating_add(1);
        let times = match broken!(BackoffDoubles) {
            false => fibonacci(*failures),
            true => 1_u32.checked_shl(*failures - 1).unwrap_or(u32::MAX),
        };
        let wait = min.saturating_mul(times).min(max);
        match config.jitter {
            true => spread(wait, min, max, draw(seed, self.failures())),
            false => wait,
        }
    }

    /// Whether the wait is cut short because the peer has dialled us: once for each failure, so that
    /// two ends that can reach and not keep each other do not spin, and not for one that refuses us.
    pub(super) fn heeds_contact(&mut self) -> bool {
        let failures = Some(self.failures());
        self.refused == 0 && core::mem::replace(&mut self.contact, failures) != failures
    }

    /// When the peer is given up, if failures go on until then.
    pub(super) fn give_up_at(&self, config: &Config) -> Option<Time> {
        Some(self.since? + config.give_up_after?)
    }

    pub(super) fn reset(&mut self) {
        *self = Self::default();
    }

    /// Counts the time of the failures from now on, as far as it makes a difference.
    pub(super) fn make_relative(&mut self, now: Time, config: &Config) {
        self.since = self
            .since
            .zip(config.give_up_after)
            .map(|(since, after)| Time::ZERO + now.saturating_since(since).min(after));
    }
}

/// The `n`th Fibonacci number, counted from 1; stays at the largest that fits.
fn fibonacci(n: u32) -> u32 {
    const LAST_THAT_FITS: u32 = 47;
    let (mut this, mut next) = (0_u32, 1_u32);
    for _ in 0..n.min(LAST_THAT_FITS) {
        (this, next) = (next, this.saturating_add(next));
    }
    this
}

/// A wait between 75 and 150 % of this one, by `random`. Beyond the shortest and the longest it is
/// folded back inside, so that many senders at their longest wait are spread as well.
fn spread(wait: Duration, min: Duration, max: Duration, random: u32) -> Duration {
    let wait = wait.as_nanos();
    let spread = wait * 3 / 4 + wait * 3 / 4 * u128::from(random) / u128::from(u32::MAX);
    let (min, max) = (min.as_nanos(), max.as_nanos());
    let folded = if spread > max {
        max - (spread - max).min(max - min)
    } else if spread < min {
        min + (min - spread).min(max - min)
    } else {
        spread
    };
    Duration::from_nanos(u64::try_from(folded).unwrap_or(u64::MAX))
}

/// A number that looks random and is the same for the same seed and failure (the finalizer of
/// SplitMix64: Steele, Lea and Flood, OOPSLA 2014). Nobody gains by guessing it.
fn draw(seed: &[u8; 32], failure: u32) -> u32 {
    let mut mixed = u64::from(failure);
    for &byte in seed {
        mixed = mixed.rotate_left(8) ^ u64::from(byte);
        mixed = mixed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
    }
    (mixed >> 32) as u32
}

#[cfg(test)]
mod tests;
