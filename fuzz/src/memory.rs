//! What the process has allocated, where somebody counts it.

use std::sync::OnceLock;

/// Tells how many bytes are allocated now.
pub type Meter = fn() -> usize;

static METER: OnceLock<Meter> = OnceLock::new();

/// Whoever owns the allocator says how to read it; the first to do so counts. Without it, bounds on
/// memory are judged by the books of what is tested alone.
pub fn set_meter(meter: Meter) {
    METER.get_or_init(|| meter);
}

/// Bytes allocated now; none where nobody counts.
pub(crate) fn allocated() -> Option<usize> {
    METER.get().map(|meter| meter())
}

/// Bytes allocated since `before`.
pub(crate) fn grown_since(before: Option<usize>) -> Option<usize> {
    Some(allocated()?.saturating_sub(before?))
}
