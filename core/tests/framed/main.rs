//! The framed protocol: `PeerSenderMachine` against `Sessions` over a model of QUIC whose two streams
//! advance, are acknowledged and lost whenever chance says so, judged by an oracle that sees what both
//! transports had.
//!
//! `PEER_SENDER_SEEDS` sets how many seeds it runs, 400 by default. A failure names its seed.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a violation ends the test"
)]

mod oracle;
mod pipe;
#[path = "../plain/rng.rs"]
mod rng;
mod stopped;
#[path = "../twin/mod.rs"]
mod twin;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::oracle::Count;
use crate::world::World;

#[test]
fn every_seed_keeps_the_contract() {
    let seeds = std::env::var("PEER_SENDER_SEEDS");
    let seeds = seeds.map_or(400, |seeds| seeds.parse().unwrap());
    let mut seen = Count::default();
    for seed in 0..seeds {
        let run = catch_unwind(AssertUnwindSafe(|| World::new(seed).run()));
        match run {
            Ok(count) => seen.add(&count),
            Err(error) => {
                eprintln!("seed {seed} failed");
                std::panic::resume_unwind(error);
            }
        }
    }
    println!("{seen:?}");
    // Nothing that a run may see was left out.
    if seeds >= 400 {
        seen.assert_all_seen();
    }
}
