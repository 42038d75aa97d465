//! How long messages took, as a histogram.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

/// Latencies from 1 us to an hour, to three digits; longer ones count as an hour.
#[derive(Clone, Debug)]
pub(crate) struct Latency {
    micros: Histogram<u64>,
}

/// Microseconds; null where nothing was measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Percentiles {
    pub(crate) p50: Option<u64>,
    pub(crate) p99: Option<u64>,
    pub(crate) max: Option<u64>,
}

impl Latency {
    const MICROS_MAX: u64 = 3_600_000_000;
    const DIGITS: u8 = 3;

    pub(crate) fn new() -> Self {
        let micros = Histogram::new_with_bounds(1, Self::MICROS_MAX, Self::DIGITS);
        Self {
            micros: micros.expect("the bounds are constants that the histogram takes"),
        }
    }

    pub(crate) fn record(&mut self, duration: Duration) {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        self.micros.saturating_record(micros.max(1));
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.micros
            .add(&other.micros)
            .expect("both have the same bounds");
    }

    /// The latency in microseconds that this part of all did not exceed; none without any.
    pub(crate) fn quantile(&self, quantile: f64) -> Option<u64> {
        (!self.micros.is_empty()).then(|| self.micros.value_at_quantile(quantile))
    }

    pub(crate) fn percentiles(&self) -> Percentiles {
        Percentiles {
            p50: self.quantile(0.50),
            p99: self.quantile(0.99),
            max: (!self.micros.is_empty()).then(|| self.micros.max()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_what_was_recorded() {
        let mut latency = Latency::new();
        let nothing = Percentiles {
            p50: None,
            p99: None,
            max: None,
        };
        assert_eq!(latency.percentiles(), nothing);
        for micros in 1..=100 {
            latency.record(Duration::from_micros(micros));
        }
        let all = Percentiles {
            p50: Some(50),
            p99: Some(99),
            max: Some(100),
        };
        assert_eq!(latency.percentiles(), all);
    }

    #[test]
    fn what_is_out_of_range_counts_at_its_edge() {
        let mut latency = Latency::new();
        latency.record(Duration::ZERO);
        assert_eq!(latency.percentiles().max, Some(1));
        latency.record(Duration::MAX);
        assert!(latency.percentiles().max.unwrap() >= Latency::MICROS_MAX);
    }
}
