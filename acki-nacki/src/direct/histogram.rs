//! Durations, counted by their powers of two.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How many buckets a [`Histogram`] has: the last begins at 2^38 µs, which is three days.
pub const BUCKETS: usize = 40;

/// How often durations of each order were seen. Bucket 0 counts those below 1 µs, bucket `i` those from
/// 2^(i-1) µs to below 2^i µs, and the last everything above as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Histogram {
    /// By bucket.
    pub counts: [u64; BUCKETS],
    /// All of them together. Ends at 584 years.
    pub sum: Duration,
}

impl Histogram {
    /// How many there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Where bucket `i` ends.
    #[must_use]
    pub fn bound(bucket: usize) -> Duration {
        let bucket = u32::try_from(bucket).unwrap_or(u32::MAX);
        Duration::from_micros(1_u64.checked_shl(bucket).unwrap_or(u64::MAX))
    }

    /// The end of the bucket in which the quantile lies, so that it is at most twice what it was; none if
    /// nothing was counted. `per_mille`: 500 is the median, 1,000 the largest.
    #[must_use]
    pub fn quantile(&self, per_mille: u16) -> Option<Duration> {
        let count = u128::from(self.count());
        let rank = (count * u128::from(per_mille.min(1_000))).div_ceil(1_000);
        let mut below = 0;
        let bucket = self.counts.iter().position(|&some| {
            below += u128::from(some);
            some > 0 && below >= rank
        });
        bucket.map(Self::bound)
    }
}

/// A histogram that is counted into from any thread.
#[derive(Debug)]
pub(super) struct Counting {
    counts: [AtomicU64; BUCKETS],
    sum_nanos: AtomicU64,
}

impl Default for Counting {
    fn default() -> Self {
        Self {
            counts: [const { AtomicU64::new(0) }; BUCKETS],
            sum_nanos: AtomicU64::new(0),
        }
    }
}

impl Counting {
    pub(super) fn add(&self, time: Duration) {
        if let Some(count) = self.counts.get(bucket_of(time)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.sum_nanos.fetch_add(nanos, Ordering::Relaxed);
    }

    pub(super) fn read(&self) -> Histogram {
        Histogram {
            counts: std::array::from_fn(|bucket| {
                let count = self.counts.get(bucket);
                count.map_or(0, |count| count.load(Ordering::Relaxed))
            }),
            sum: Duration::from_nanos(self.sum_nanos.load(Ordering::Relaxed)),
        }
    }
}

fn bucket_of(time: Duration) -> usize {
    let bits = u128::BITS - time.as_micros().leading_zeros();
    usize::try_from(bits).map_or(BUCKETS - 1, |bucket| bucket.min(BUCKETS - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_duration_is_below_the_end_of_its_bucket_and_not_of_the_one_before() {
        let nanos = [0, 999, 1_000, 1_999, 2_000, 65_535_999, 65_536_000];
        for nanos in nanos.map(Duration::from_nanos) {
            let bucket = bucket_of(nanos);
            assert!(nanos < Histogram::bound(bucket), "{nanos:?}");
            assert!(bucket == 0 || nanos >= Histogram::bound(bucket - 1));
        }
        assert_eq!(bucket_of(Duration::MAX), BUCKETS - 1);
    }

    #[test]
    fn a_quantile_is_at_most_twice_what_it_was() {
        let counting = Counting::default();
        assert_eq!(counting.read().quantile(500), None);
        (1..=100).for_each(|ms| counting.add(Duration::from_millis(ms)));
        let read = counting.read();
        assert_eq!(
            (read.count(), read.sum),
            (100, Duration::from_millis(5_050))
        );
        for (per_mille, ms) in [(0, 1), (500, 50), (990, 99), (1_000, 100)] {
            let told = read.quantile(per_mille).unwrap();
            let was = Duration::from_millis(ms);
            assert!(
                was < told && told <= 2 * was + was / 10,
                "{told:?} for {was:?}"
            );
        }
    }
}
