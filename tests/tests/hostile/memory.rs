//! What this process uses.

use std::fs;

/// Bytes of private memory that the process asked the system for, touched or not: an allocation
/// that is never written shows here, and not in what is resident. Other tests of the process
/// count as well, so limits must be generous. None where the system does not tell.
pub(crate) fn data_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmData:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib << 10)
}

/// Sees to it that not much more is used than at `before`.
pub(crate) fn assert_flat(before: Option<u64>, growth_max: u64) {
    if let (Some(before), Some(after)) = (before, data_bytes()) {
        let growth = after.saturating_sub(before);
        assert!(growth <= growth_max, "{growth} bytes more are in use");
    }
}
