//! Names and times of messages. What they are made of comes in as arguments: nothing here reads a clock.

use std::fmt::Write;
use std::time::Duration;

use crate::error::ClockAhead;

/// How far a sender's clock may be ahead of ours.
pub const CLOCK_AHEAD_MAX: Duration = Duration::from_millis(5);

/// The name of a message: Unix time in nanoseconds, as decimal text. A broadcast has one name for each
/// peer: behind a colon it adds the first six hex digits of the SHA-256 of that peer's certificate.
///
/// ```
/// use peer_sender_acki_nacki::message_id;
///
/// let direct = message_id(1_700_000_000_123_456_789, None);
/// assert_eq!(direct, "1700000000123456789");
/// let broadcast = message_id(1_700_000_000_123_456_789, Some(&[0xab; 32]));
/// assert_eq!(broadcast, "1700000000123456789:ababab");
/// ```
#[must_use]
pub fn message_id(unix_nanos: u128, certificate_hash: Option<&[u8; 32]>) -> String {
    let mut id = unix_nanos.to_string();
    if let Some([first, second, third, ..]) = certificate_hash {
        // Writing to a text never fails.
        let _ = write!(id, ":{first:02x}{second:02x}{third:02x}");
    }
    id
}

/// How long a message was under way: from its `delivery_start_timestamp_ms`, by the sender's clock, to
/// `now_ms` by ours, both Unix time in milliseconds. A sender's clock that is up to [`CLOCK_AHEAD_MAX`]
/// ahead of ours makes it zero.
///
/// # Errors
///
/// The sender's clock is further ahead: one of the two is wrong.
///
/// ```
/// use std::time::Duration;
/// use peer_sender_acki_nacki::{ClockAhead, delivery_duration};
///
/// assert_eq!(delivery_duration(1_000, 1_250), Ok(Duration::from_millis(250)));
/// assert_eq!(delivery_duration(1_005, 1_000), Ok(Duration::ZERO));
/// assert_eq!(delivery_duration(1_006, 1_000), Err(ClockAhead { ahead_ms: 6 }));
/// ```
pub fn delivery_duration(
    delivery_start_timestamp_ms: u64,
    now_ms: u64,
) -> Result<Duration, ClockAhead> {
    let ahead_ms = delivery_start_timestamp_ms.saturating_sub(now_ms);
    match Duration::from_millis(ahead_ms) <= CLOCK_AHEAD_MAX {
        true => Ok(Duration::from_millis(
            now_ms.saturating_sub(delivery_start_timestamp_ms),
        )),
        false => Err(ClockAhead { ahead_ms }),
    }
}
