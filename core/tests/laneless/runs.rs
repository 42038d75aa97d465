//! Running many seeds, and what all of them together have seen.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::pipes::Pipes;
use crate::seeds::seeds;
use crate::world::World;

/// So many seeds see everything that a run may see.
const ENOUGH: u64 = 600;

/// What runs see under each protocol.
const KINDS: &[&str] = &[
    "rejected",
    "replied",
    "cancelled",
    "expired",
    "failed",
    "unknown",
    "lost",
    "moved",
    "twice",
    "paused",
    "given to the application",
    "given out late",
    "malformed",
    "stopped at the listener",
    "closed by the listener",
    "closed before the end",
    "drained",
];

/// What happened, and how often.
#[derive(Debug, Default)]
pub(crate) struct Count {
    kinds: BTreeMap<&'static str, u64>,
}

/// Runs each seed, and fails with the first that does, or if nothing of some kind was ever seen.
pub(crate) fn run_all<P: Pipes>() {
    let seeds = seeds(ENOUGH);
    let mut seen = Count::default();
    for seed in seeds.clone() {
        match catch_unwind(AssertUnwindSafe(|| World::<P>::new(seed).run())) {
            Ok(count) => seen.add(&count),
            Err(error) => {
                eprintln!("seed {seed} failed");
                std::panic::resume_unwind(error);
            }
        }
    }
    println!("{seen:?}");
    if seeds.end.saturating_sub(seeds.start) >= ENOUGH {
        for kind in KINDS.iter().chain(P::KINDS) {
            assert!(seen.kinds.contains_key(kind), "nothing was ever {kind}");
        }
    }
}

impl Count {
    pub(crate) fn one(&mut self, kind: &'static str) {
        *self.kinds.entry(kind).or_default() += 1;
    }

    fn add(&mut self, other: &Self) {
        for (kind, count) in &other.kinds {
            *self.kinds.entry(kind).or_default() += count;
        }
    }
}
