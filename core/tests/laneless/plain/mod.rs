//! The plain protocol: a stream for each message, which may be stopped and reset.

mod wire;
mod world;

use crate::runs::run_all;
use world::World;

/// Everything that a run may see.
const KINDS: &[&str] = &[
    "delivered",
    "refused",
    "cancelled",
    "expired",
    "failed",
    "unknown",
    "lost",
    "moved",
    "stopped at the listener",
    "closed before the end",
    "twice",
    "stopped",
    "reset",
    "paused",
    "given to the application",
    "drained",
];

#[test]
fn every_seed_keeps_the_contract() {
    run_all(|seed| World::new(seed).run(), KINDS);
}
