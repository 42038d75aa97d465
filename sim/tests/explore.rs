//! The machines explored as far as a test's time allows. `peer-sender sim --exhaustive` goes further.

use std::ops::ControlFlow;

use peer_sender_sim::explore::{Bounds, Extent, Found, Order, breadth_first, climb, ladder};

/// One state in eight is seen to a good end.
const HEALED_OF: u64 = 8;

fn extent(states_max: u64, threads: usize) -> Extent {
    Extent {
        states_max,
        healed_of: HEALED_OF,
        threads,
    }
}

fn on(_: &Bounds, _: u64, _: &Found) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

#[test]
fn no_state_within_the_bounds_breaks_an_invariant() {
    let climb = climb(Order::Breadth, extent(100_000, 2), on);
    if let Some(found) = climb.violation() {
        panic!("{}\n{}", found.violation, found.scenario);
    }
    assert!(climb.states >= 100_000, "{}", climb.states);
    assert!(climb.exhausted() >= 7, "{}", climb.exhausted());
    assert!(climb.healed > 10_000, "{}", climb.healed);
}

#[test]
fn as_much_of_every_configuration_holds_as_has_time() {
    for bounds in ladder().take(12) {
        let go_on = |_: &Found| ControlFlow::Continue(());
        let found = breadth_first(&bounds, extent(3_000, 2), go_on);
        if let Some(found) = found.violation {
            panic!("{}: {}\n{}", bounds.name, found.violation, found.scenario);
        }
        assert!(found.exhausted || found.states >= 3_000, "{}", bounds.name);
    }
}

#[test]
fn what_is_found_depends_neither_on_threads_nor_on_the_order() {
    let few = |threads| climb(Order::Breadth, extent(9_000, threads), on);
    assert_eq!(few(1), few(3));
    let bounds = ladder().find(|it| it.name.starts_with("one in flight"));
    let bounds = bounds.unwrap();
    let go_on = |_: &Found| ControlFlow::Continue(());
    let wide = breadth_first(&bounds, extent(u64::MAX, 2), go_on);
    let deep = peer_sender_sim::explore::depth_first(&bounds, extent(u64::MAX, 1), go_on);
    assert!(wide.exhausted && deep.exhausted);
    assert_eq!(
        (wide.states, wide.transitions, wide.healed),
        (deep.states, deep.transitions, deep.healed)
    );
}
