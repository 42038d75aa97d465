//! Durations in buckets whose width grows with them, so that any number of any length takes the
//! same memory and a percentile is right to some three percent.

/// Each doubling has so many buckets.
const PER_DOUBLING: u64 = 16;
const BITS: u32 = PER_DOUBLING.trailing_zeros();
/// From 0 to the longest.
const BUCKETS: usize = (64 - BITS as usize + 1) * PER_DOUBLING as usize;

/// How many durations fell into each bucket.
#[derive(Clone, Debug, Default)]
pub(super) struct Histogram {
    buckets: Vec<u64>,
    count: u64,
    max: u64,
}

impl Histogram {
    /// Counts a duration in nanoseconds.
    pub(super) fn add(&mut self, nanos: u64) {
        if self.buckets.is_empty() {
            self.buckets = vec![0; BUCKETS];
        }
        if let Some(bucket) = self.buckets.get_mut(bucket_of(nanos)) {
            *bucket += 1;
            self.count += 1;
            self.max = self.max.max(nanos);
        }
    }

    pub(super) fn count(&self) -> u64 {
        self.count
    }

    pub(super) fn max(&self) -> u64 {
        self.max
    }

    /// The duration that this share (0 to 1) of all does not exceed, to some three percent; none
    /// without any.
    pub(super) fn percentile(&self, share: f64) -> Option<u64> {
        let wanted = ((share * self.count as f64).ceil() as u64).clamp(1, self.count.max(1));
        let mut seen = 0;
        for (place, &count) in self.buckets.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                let (from, to) = bounds(place);
                return Some((from + (to - from) / 2).min(self.max));
            }
        }
        None
    }

    /// Each bucket that has any: where it begins and ends, and how many.
    pub(super) fn buckets(&self) -> impl Iterator<Item = (u64, u64, u64)> + '_ {
        let each = self.buckets.iter().enumerate();
        each.filter(|(_, count)| **count > 0)
            .map(|(place, &count)| {
                let (from, to) = bounds(place);
                (from, to, count)
            })
    }
}

fn bucket_of(nanos: u64) -> usize {
    if nanos < PER_DOUBLING {
        return nanos as usize;
    }
    let doubling = nanos.ilog2() - BITS;
    (u64::from(doubling + 1) * PER_DOUBLING + (nanos >> doubling) - PER_DOUBLING) as usize
}

fn bounds(bucket: usize) -> (u64, u64) {
    let bucket = bucket as u64;
    if bucket < PER_DOUBLING {
        return (bucket, bucket);
    }
    let doubling = (bucket / PER_DOUBLING - 1) as u32;
    let from = (PER_DOUBLING + bucket % PER_DOUBLING) << doubling;
    (from, from + ((1 << doubling) - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_duration_falls_into_the_bucket_around_it() {
        let near = (0..64).flat_map(|power| {
            let power = 1_u64 << power;
            [
                power - 1,
                power,
                power + power / 3,
                power.saturating_mul(2) - 1,
            ]
        });
        for nanos in near.chain([u64::MAX]) {
            let bucket = bucket_of(nanos);
            let (from, to) = bounds(bucket);
            assert!(bucket < BUCKETS && (from..=to).contains(&nanos), "{nanos}");
            assert!(to - from <= from / 16, "{nanos}: from {from} to {to}");
        }
        let joined = (1..BUCKETS).all(|bucket| bounds(bucket - 1).1 + 1 == bounds(bucket).0);
        assert!(joined);
    }

    #[test]
    fn percentiles_are_right_to_three_percent() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.percentile(0.5), None);
        (1..=10_000).for_each(|it| histogram.add(it * 1_000));
        for (share, exact) in [(0.0, 1.0e3), (0.5, 5.0e6), (0.99, 9.9e6), (1.0, 1.0e7)] {
            let found = histogram.percentile(share).unwrap() as f64;
            assert!((found / exact - 1.0).abs() < 0.032, "{share}: {found}");
        }
        assert_eq!((histogram.count(), histogram.max()), (10_000, 10_000_000));
        let counts = histogram.buckets().map(|it| it.2);
        assert_eq!(counts.sum::<u64>(), 10_000);
    }
}
