//! The framed protocol, in which both ends send: two streams that advance and are acknowledged, and an
//! accepting end that replies.

mod pipe;
mod stopped;
mod world;

use crate::runs::run_all;
use world::World;

/// Everything that a run may see.
const KINDS: &[&str] = &[
    "written",
    "cancelled",
    "expired",
    "failed",
    "unknown",
    "lost",
    "twice",
    "paused",
    "malformed",
    "probed",
    "closed by the listener",
    "stopped at the listener",
    "closed before the end",
    "moved",
    "given to the application",
    "given out late",
    "replied",
    "drained",
];

#[test]
fn every_seed_keeps_the_contract() {
    run_all(|seed| World::new(seed).run(), KINDS);
}
