//! Each broken variant of the machines is found by exploring them, in few steps. It says which
//! invariant shows it: run with `--nocapture`.
//!
//! cargo test -p peer-sender-sim --features broken --test broken

use std::ops::ControlFlow;
use std::panic;

use peer_sender_core::broken::{Variant, put_in_force};
use peer_sender_sim::explore::{Counterexample, Extent, Found, breadth_first, ladder};

/// States of each configuration: what is broken shows within few steps.
const STATES_MAX: [u64; 2] = [600, 6_000];
const CONFIGURATIONS: usize = 24;

/// No lane yields within the few messages of an exploration. `higher_lane_yields` among the
/// scenarios shows it.
const BEYOND: &[Variant] = &[Variant::LaneNeverYields];

#[test]
fn every_broken_variant_is_found() {
    let mut missed = Vec::new();
    // A machine that sees by itself that it is wrong panics, which is a violation like any other.
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|_| {}));
    for &variant in Variant::ALL {
        put_in_force(Some(variant));
        match first_violation() {
            Some(found) => println!(
                "{:<28} {} operations, {}",
                variant.name(),
                found.scenario.ops.len(),
                found.violation
            ),
            None if BEYOND.contains(&variant) => {}
            None => missed.push(variant.name()),
        }
    }
    put_in_force(None);
    panic::set_hook(hook);
    assert_eq!(missed, Vec::<&str>::new(), "not found");
}

/// A look at little of every configuration, then at more of each.
fn first_violation() -> Option<Counterexample> {
    let within = |states_max| {
        ladder().take(CONFIGURATIONS).find_map(|bounds| {
            let extent = Extent {
                states_max,
                healed_of: 4,
                threads: 2,
            };
            breadth_first(&bounds, extent, |_: &Found| ControlFlow::Continue(())).violation
        })
    };
    STATES_MAX.iter().find_map(|states_max| within(*states_max))
}
