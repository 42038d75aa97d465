//! Each deliberately broken variant of the machines is found, by name: by random runs, each within
//! a thousand seeds; by the exploration as the breach of an invariant; and by scenarios that come out
//! otherwise.
//!
//! What found each stands in `tests/broken.txt`; `PEER_SENDER_REWRITE=1` writes it anew. It needs the
//! feature: `cargo test -p peer-sender-sim --features broken --test broken`.
#![expect(
    clippy::unwrap_used,
    reason = "a file that cannot be read ends the test"
)]

use std::fs;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use peer_sender_core::broken::{Variant, put_in_force};
use peer_sender_sim::explore::{Extent, Found, breadth_first, ladder};
use peer_sender_sim::swarm::{Profile, run_seed};
use peer_sender_sim::{Violation, transcript};

/// States of each configuration, at a first and at a second look: what is broken shows within few
/// steps.
const STATES_MAX: [u64; 2] = [600, 6_000];
/// Seeds within which each variant must be found, and which must not find anything else.
const SEEDS_MAX: u64 = 1_000;
const SEEDS_UNBROKEN: u64 = 100;
const CONFIGURATIONS: usize = 24;
/// Scenarios that are named of those that come out otherwise.
const NAMED_MAX: usize = 3;

const HEAD: &str = "\
# Deliberately broken variants of the machines (core/src/broken.rs), and what finds each: the
# invariant that random runs see broken first, how many seeds that takes, counted from seed 0, and
# after how many inputs of the last; the same of the exploration, and within which bounds; and
# scenarios that come out otherwise. Written by
# PEER_SENDER_REWRITE=1 cargo test -p peer-sender-sim --features broken --test broken
";

/// One test, since a variant is in force for the whole process.
#[test]
fn every_broken_variant_is_found() {
    // A machine that sees by itself that it is wrong panics, which is a violation like any other.
    let loud = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let (told, escaped, unseeded) = tell();
    std::panic::set_hook(loud);
    assert!(escaped.is_empty(), "nothing finds {escaped:?}");
    assert!(unseeded.is_empty(), "no seed finds {unseeded:?}");
    let path = folder().join("broken.txt");
    if std::env::var_os("PEER_SENDER_REWRITE").is_some() {
        fs::write(&path, &told).unwrap();
    }
    let known = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(known, told, "{} is stale", path.display());
}

/// What finds each variant, and the variants that nothing finds, or no seed.
fn tell() -> (String, Vec<Variant>, Vec<Variant>) {
    let scenarios = scenarios();
    assert_eq!(explored(), None, "the machines as they are");
    assert_eq!(seeded(SEEDS_UNBROKEN), None, "the machines as they are");
    let mut told = HEAD.to_owned();
    let mut escaped = Vec::new();
    let mut unseeded = Vec::new();
    for &variant in Variant::ALL {
        put_in_force(Some(variant));
        let seeded = seeded(SEEDS_MAX);
        let explored = explored();
        let otherwise = come_out_otherwise(&scenarios);
        put_in_force(None);
        if explored.is_none() && otherwise.is_empty() {
            escaped.push(variant);
        }
        if seeded.is_none() {
            unseeded.push(variant);
        }
        let seeded = seeded.unwrap_or_else(|| "no seed".into());
        let explored = explored.unwrap_or_else(|| "not by exploration".into());
        let otherwise = match otherwise.as_slice() {
            [] => "no scenario".into(),
            some => some[..some.len().min(NAMED_MAX)].join(" "),
        };
        let name = variant.name();
        told += &format!("\n{name}\n  {seeded}\n  {explored}\n  {otherwise}\n");
    }
    (told, escaped, unseeded)
}

/// The first breach that seeds find, if any.
fn seeded(seeds: u64) -> Option<String> {
    (0..seeds).find_map(|seed| {
        let run = run_seed(seed, &Profile::Swarm);
        let (id, inputs) = (name(&run.violation?), run.report.inputs);
        Some(format!("{id} seeds, {} needed, {inputs} inputs", seed + 1))
    })
}

/// The invariant that is broken. A machine that finds itself wrong panics, and says which it is.
fn name(violation: &Violation) -> String {
    let words = violation.to_string();
    let own = words.split("id: \"").nth(1);
    let own = own.and_then(|words| words.split('"').next());
    own.unwrap_or(violation.id).to_owned()
}

/// The first breach that is found, if any: a look at little of every configuration, then at more of
/// each.
fn explored() -> Option<String> {
    let within = |states_max| {
        ladder().take(CONFIGURATIONS).find_map(|bounds| {
            let extent = Extent {
                states_max,
                healed_of: 4,
                threads: 2,
            };
            let found = breadth_first(&bounds, extent, |_: &Found| ControlFlow::Continue(()));
            let breach = found.violation?;
            let id = name(&breach.violation);
            // Not in how many steps: which states are brought to a good end follows from their hashes,
            // and so from how the machines are laid out.
            Some(format!("{id} exploration of {:?}", bounds.name))
        })
    };
    STATES_MAX.iter().find_map(|states_max| within(*states_max))
}

/// Names of scenarios that come out otherwise than they say.
fn come_out_otherwise(scenarios: &[(String, String)]) -> Vec<String> {
    let otherwise = scenarios.iter().filter(|(_, text)| {
        let told = catch_unwind(AssertUnwindSafe(|| transcript(text).unwrap_or_default()));
        told.ok().as_ref() != Some(text)
    });
    otherwise.map(|(name, _)| name.clone()).collect()
}

fn scenarios() -> Vec<(String, String)> {
    let entries = fs::read_dir(folder().join("scenarios")).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let named = paths.filter(|path| path.extension().is_some_and(|it| it == "txt"));
    let mut scenarios: Vec<_> = named
        .map(|path| {
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            (name, fs::read_to_string(path).unwrap())
        })
        .collect();
    scenarios.sort();
    scenarios
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests")
}
