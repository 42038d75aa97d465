//! The machine's own clock reading.

use core::fmt;
use core::ops::Add;
use core::time::Duration;

/// A moment, in nanoseconds since the driver began.
///
/// The machines never read a clock: each step is handed its `Time`. A reading that goes back is
/// taken as the latest one seen, so a driver may pass what its clock says.
///
/// ```
/// use core::time::Duration;
/// use peer_sender_core::Time;
///
/// let later = Time::from_millis(1_500) + Duration::from_secs(1);
/// assert_eq!(later.saturating_since(Time::from_secs(2)), Duration::from_millis(500));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
pub struct Time(u64);

impl Time {
    /// The moment the driver began.
    pub const ZERO: Self = Self(0);
    /// The last moment that can be named, some 584 years after the driver began.
    pub const MAX: Self = Self(u64::MAX);

    /// A moment that many nanoseconds after the driver began.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// A moment that many milliseconds after the driver began; stays at [`Time::MAX`] beyond it.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis.saturating_mul(1_000_000))
    }

    /// A moment that many seconds after the driver began; stays at [`Time::MAX`] beyond it.
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs.saturating_mul(1_000_000_000))
    }

    /// Nanoseconds since the driver began.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// How long ago `earlier` was; zero if it was not.
    pub const fn saturating_since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Time {
    type Output = Self;

    /// Stays at [`Time::MAX`] beyond it, so that an endless wait is simply never due.
    fn add(self, wait: Duration) -> Self {
        let nanos = u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(nanos))
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}.{:06} s",
            self.0 / 1_000_000_000,
            self.0 / 1_000 % 1_000_000
        )
    }
}
