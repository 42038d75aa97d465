//! Counters and names that only ever grow, which must have room to.

use crate::{ReceiverStats, Stats};

/// The most that anything can have been counted to, so that nothing that is added to it overflows:
/// a thousand million a second for 36 years.
pub(crate) const COUNT_MAX: u64 = 1 << 60;

/// Whether this may be a counter.
pub(crate) fn is_count(count: u64) -> bool {
    count <= COUNT_MAX
}

/// The counters of all of them together, as far as each is a counter.
pub(crate) fn count_all(each: impl IntoIterator<Item = ReceiverStats>) -> Option<ReceiverStats> {
    let mut sum = ReceiverStats::default();
    for stats in each {
        sum = stats.are_counts().then(|| sum.plus(stats))?;
        sum = sum.are_counts().then_some(sum)?;
    }
    Some(sum)
}

impl Stats {
    /// Whether all of them may be counters.
    pub(crate) fn are_counts(&self) -> bool {
        let Self {
            accepted,
            rejected,
            delivered,
            refused,
            expired,
            cancelled,
            failed,
            unknown,
            queued,
            queued_bytes,
            in_flight,
            in_flight_bytes,
            written,
            redelivered,
            connects,
            connected,
            stale_events,
            protocol_errors,
            handed_over,
        } = *self;
        let messages = [accepted, rejected, delivered, refused, expired, cancelled];
        let outcomes = [failed, unknown, written, redelivered, handed_over];
        let now = [queued, queued_bytes, in_flight, in_flight_bytes];
        let others = [connects, connected, stale_events, protocol_errors];
        let all = messages.iter().chain(&outcomes).chain(&now).chain(&others);
        all.into_iter().all(|&count| is_count(count))
    }
}

impl ReceiverStats {
    /// Whether all of them may be counters.
    pub(crate) fn are_counts(&self) -> bool {
        let Self {
            delivered,
            delivered_bytes,
            refused,
            duplicates,
            incomplete,
            held_bytes,
            taken_over,
            stale_events,
            protocol_errors,
        } = *self;
        let messages = [delivered, delivered_bytes, refused, duplicates, incomplete];
        let others = [held_bytes, taken_over, stale_events, protocol_errors];
        messages.iter().chain(&others).all(|&count| is_count(count))
    }
}
