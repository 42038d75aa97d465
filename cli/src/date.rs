//! The date, which messages of the Acki Nacki network carry.

use std::time::{SystemTime, UNIX_EPOCH};

/// Nanoseconds since 1970 (UTC); 0 where the clock stands before.
#[expect(
    clippy::disallowed_methods,
    reason = "what goes on the wire is the date, and not a time that decides anything"
)]
pub(crate) fn unix_nanos() -> u128 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
    since_1970.unwrap_or_default().as_nanos()
}
