//! How long to wait after a failure.

use core::time::Duration;

use crate::{Config, ErrorClass};

/// Failures in a row, since the peer last proved healthy, by class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Backoff {
    transient: u32,
    permanent: u32,
}

impl Backoff {
    /// Failures in a row, of both classes.
    pub fn failures(&self) -> u32 {
        self.transient.saturating_add(self.permanent)
    }

    /// Counts a failure and tells the wait after it: the class's shortest wait times the
    /// Fibonacci number (1, 1, 2, 3, 5, ...) of the failures of that class, up to its longest.
    pub(super) fn fail(&mut self, class: ErrorClass, config: &Config) -> Duration {
        let (failures, min, max) = match class {
            ErrorClass::Transient => (&mut self.transient, config.backoff_min, config.backoff_max),
            ErrorClass::Permanent => (
                &mut self.permanent,
                config.refusal_backoff_min,
                config.refusal_backoff_max,
            ),
        };
        *failures = failures.saturating_add(1);
        min.saturating_mul(fibonacci(*failures)).min(max)
    }

    pub(super) fn reset(&mut self) {
        *self = Self::default();
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

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Config {
        Config::new("192.0.2.1:1".parse().unwrap()).unwrap()
    }

    #[test]
    fn waits_follow_fibonacci_from_100_ms_to_an_hour() {
        let mut backoff = Backoff::default();
        let waits: alloc::vec::Vec<_> = (0..30)
            .map(|_| backoff.fail(ErrorClass::Transient, &config()).as_millis())
            .collect();
        assert_eq!(
            waits[..9],
            [100, 100, 200, 300, 500, 800, 1_300, 2_100, 3_400]
        );
        assert_eq!(waits[22], 2_865_700);
        assert_eq!(waits[23..], [3_600_000; 7]);
    }

    #[test]
    fn permanent_errors_wait_longer_and_are_counted_apart() {
        let mut backoff = Backoff::default();
        for _ in 0..10 {
            backoff.fail(ErrorClass::Transient, &config());
        }
        assert_eq!(
            backoff.fail(ErrorClass::Permanent, &config()),
            Duration::from_secs(5)
        );
        assert_eq!(
            backoff.fail(ErrorClass::Permanent, &config()),
            Duration::from_secs(5)
        );
        assert_eq!(
            backoff.fail(ErrorClass::Permanent, &config()),
            Duration::from_secs(10)
        );
        assert_eq!(backoff.failures(), 13);
        backoff.reset();
        assert_eq!(
            backoff.fail(ErrorClass::Transient, &config()),
            Duration::from_millis(100)
        );
    }

    #[test]
    fn endless_failures_neither_overflow_nor_shorten_the_wait() {
        let mut backoff = Backoff {
            transient: u32::MAX - 1,
            permanent: 0,
        };
        for _ in 0..3 {
            assert_eq!(
                backoff.fail(ErrorClass::Transient, &config()),
                Duration::from_secs(3_600)
            );
        }
        assert_eq!(
            (fibonacci(47), fibonacci(48)),
            (2_971_215_073, 2_971_215_073)
        );
    }
}
