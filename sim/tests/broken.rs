//! Each broken variant of the machines is found by exploring them, in few steps. It says which
//! invariant shows it: run with `--nocapture`.
//!
//! cargo test -p peer-sender-sim --features broken --test broken

use std::ops::ControlFlow;

use peer_sender_core::broken::{Variant, put_in_force};
use peer_sender_sim::explore::{Counterexample, Extent, Found, breadth_first, ladder};

/// States of each configuration: what is broken shows within few steps.
const STATES_MAX: u64 = 6_000;
const CONFIGURATIONS: usize = 20;

/// No lane yields within the few messages of an exploration. `higher_lane_yields` among the
/// scenarios shows it.
const BEYOND: &[Variant] = &[Variant::LaneNeverYields];

#[test]
fn every_broken_variant_is_found() {
    let mut missed = Vec::new();
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
    assert_eq!(missed, Vec::<&str>::new(), "not found");
}

fn first_violation() -> Option<Counterexample> {
    ladder().take(CONFIGURATIONS).find_map(|bounds| {
        let extent = Extent {
            states_max: STATES_MAX,
            healed_of: 4,
            threads: 2,
        };
        breadth_first(&bounds, extent, |_: &Found| ControlFlow::Continue(())).violation
    })
}
