//! What this process has used.

use std::fs;

use serde::{Deserialize, Serialize};

/// None where the system does not tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Usage {
    /// CPU time of all threads, user and system, in nanoseconds.
    pub(crate) cpu_nanos: Option<u64>,
    /// Memory that is resident now, in KiB.
    pub(crate) resident_kib: Option<u64>,
}

impl Usage {
    pub(crate) fn now() -> Self {
        Self {
            cpu_nanos: cpu_nanos(),
            resident_kib: resident_kib(),
        }
    }

    /// CPU time since then, in seconds.
    pub(crate) fn cpu_seconds_since(&self, earlier: &Self) -> Option<f64> {
        let nanos = self.cpu_nanos?.checked_sub(earlier.cpu_nanos?)?;
        Some(nanos as f64 / 1e9)
    }
}

#[cfg(unix)]
fn cpu_nanos() -> Option<u64> {
    use rustix::time::{ClockId, clock_gettime};
    let spent = clock_gettime(ClockId::ProcessCPUTime);
    let seconds = u64::try_from(spent.tv_sec).ok()?;
    let nanos = u64::try_from(spent.tv_nsec).ok()?;
    seconds.checked_mul(1_000_000_000)?.checked_add(nanos)
}

#[cfg(not(unix))]
fn cpu_nanos() -> Option<u64> {
    None
}

/// The second figure of Linux' `/proc/self/statm`, in pages.
fn resident_kib() -> Option<u64> {
    let figures = fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = figures.split(' ').nth(1)?.parse().ok()?;
    Some(pages * page_kib())
}

#[cfg(unix)]
fn page_kib() -> u64 {
    rustix::param::page_size() as u64 / 1_024
}

#[cfg(not(unix))]
fn page_kib() -> u64 {
    4
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn work_and_memory_are_seen() {
        let before = Usage::now();
        let filling: Vec<u64> = (0..4 << 20).map(|n: u64| n.wrapping_mul(n)).collect();
        let filling = std::hint::black_box(filling);
        let after = Usage::now();
        drop(filling);
        assert!(after.cpu_nanos > before.cpu_nanos);
        let grown = after.resident_kib.unwrap() - before.resident_kib.unwrap();
        assert!(
            grown >= 30_000,
            "32 MiB, of which little was there before: {grown} KiB"
        );
    }
}
