//! The end, in every state.

use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use super::bench::{Bench, MINUTE, receipt, resume};
use super::moving::moved_in_each_standing;
use super::resting::{at_rest, given_up};
use crate::table::{Standing, TRANSITIONS, is_without_lanes};
use crate::*;

fn drain(bench: &mut Bench) -> Vec<String> {
    bench.step([Event::Stop {
        mode: StopMode::Drain(MINUTE),
    }])
}

fn abort(bench: &mut Bench) -> Vec<String> {
    bench.step([Event::Stop {
        mode: StopMode::Abort,
    }])
}

/// A sender in each standing, with two messages that are not settled, and one without any.
fn in_each_standing(with_work: bool) -> Vec<(Standing, Bench)> {
    let work = |bench: &mut Bench| {
        if with_work {
            bench.queue(2);
        }
    };
    let mut connecting = Bench::new();
    connecting.step([]);
    work(&mut connecting);
    let mut up = Bench::up();
    work(&mut up);
    let mut backoff = Bench::up();
    work(&mut backoff);
    backoff.lose();
    let mut all = vec![
        (Standing::Connecting, connecting),
        (Standing::Up, up),
        (Standing::Backoff, backoff),
    ];
    if with_work {
        let mut draining = Bench::up();
        draining.queue(2);
        draining.hear(&[resume(0, 0)]);
        drain(&mut draining);
        draining.taken_by_quic();
        all.push((Standing::Draining, draining));
    } else {
        all.push((Standing::Down, Bench::new()));
    }
    for (standing, bench) in &all {
        assert_eq!(bench.machine.state().standing(), *standing);
    }
    all
}

#[test]
fn abort_settles_everything_at_once_in_every_state() {
    for (standing, mut bench) in in_each_standing(true) {
        let words = abort(&mut bench);
        let begun = !matches!(standing, Standing::Connecting);
        let outcome = if begun {
            "Unknown(Stopped)"
        } else {
            "Failed(Stopped)"
        };
        assert_eq!(
            words[..2],
            [0, 1].map(|id| format!("{id}: {outcome}")),
            "{standing:?}"
        );
        assert_eq!(words.last().unwrap(), "stopped: Aborted", "{standing:?}");
        is_closed_for_good(bench);
    }
}

#[test]
fn a_drain_without_work_ends_at_once_in_every_state() {
    for (standing, mut bench) in in_each_standing(false) {
        assert_eq!(
            drain(&mut bench).last().unwrap(),
            "stopped: Drained",
            "{standing:?}"
        );
        is_closed_for_good(bench);
    }
}

#[test]
fn a_drain_ends_at_its_deadline_in_every_state() {
    for (standing, mut bench) in in_each_standing(true) {
        drain(&mut bench);
        let mut words = bench.sleep();
        while !bench.machine.is_closed() {
            words = bench.sleep();
        }
        assert_eq!(
            words.last().unwrap(),
            "stopped: DeadlineReached",
            "{standing:?}"
        );
        assert_eq!(bench.now, Time::from_secs(160), "{standing:?}");
        is_closed_for_good(bench);
    }
}

fn is_closed_for_good(mut bench: Bench) {
    assert!(bench.machine.is_closed());
    assert_eq!(bench.machine.next_deadline(), None);
    assert_eq!(bench.machine.capacity(Lane(0)), Capacity::default());
    let rejected = bench.queue(1);
    assert!(rejected[0].ends_with("rejected: the sender was stopped; make a new one to send more"));
    assert_eq!(rejected.len(), 1);
    assert!(bench.wait(MINUTE * 1_000).is_empty());
    assert!(drain(&mut bench).is_empty());
    assert!(abort(&mut bench).is_empty());
    assert!(bench.confirm().is_empty());
    assert!(bench.lose().is_empty());
}

#[test]
fn a_drain_waits_for_the_last_receipt_and_the_peers_fin() {
    let mut bench = Bench::up();
    bench.queue(2);
    assert!(drain(&mut bench).is_empty());
    bench.taken_by_quic();
    assert_eq!(bench.hear(&[resume(0, 0)]), ["write FIN"]);
    assert!(bench.queue(1)[0].contains("stopped"));
    assert_eq!(bench.hear(&[receipt(2)]).len(), 2);
    assert_eq!(bench.hear_end(), ["close 0: done (0)", "stopped: Drained"]);
}

#[test]
fn a_drain_dials_again_while_anything_is_open() {
    let mut bench = Bench::up();
    bench.queue(1);
    bench.hear(&[resume(0, 0)]);
    bench.taken_by_quic();
    drain(&mut bench);
    bench.lose();
    bench.sleep();
    assert_eq!(bench.confirm(), ["connected", "write OPEN resumed at 0"]);
    bench.taken_by_quic();
    assert_eq!(bench.hear(&[resume(0, 0)]), ["write 0 FIN"]);
    bench.hear(&[receipt(1)]);
    // All is settled: a connection lost now needs no other.
    assert_eq!(bench.lose(), ["stopped: Drained"]);
}

#[test]
fn a_receiver_that_stops_at_the_same_time_is_dialled_again_without_blame() {
    let mut bench = Bench::up();
    bench.queue(1);
    bench.taken_by_quic();
    bench.hear(&[resume(0, 0)]);
    drain(&mut bench);
    let words = bench.hear_end();
    assert_eq!(words[0], "close 0: done (0)");
    assert!(words[1].contains("going away"), "{words:?}");
    assert_eq!(bench.machine.stats().protocol_errors, 0);
}

#[test]
fn a_peer_that_goes_away_is_dialled_again() {
    let mut bench = Bench::up();
    bench.queue(2);
    let last = bench.back(&[resume(0, 0), receipt(1)], true);
    let words = bench.step([last]);
    let expected = [
        "0: Delivered(Application)",
        "close 0: done (0)",
        "lost: the peer closed the connection: going away (3)",
        "failures 1",
        "back off 100ms",
    ];
    assert_eq!(words, expected);
}

#[test]
fn a_second_stop_may_only_shorten_the_first() {
    let seconds = |s| Event::Stop {
        mode: StopMode::Drain(Duration::from_secs(s)),
    };
    let mut bench = Bench::new();
    bench.step([]);
    bench.queue(1);
    bench.step([seconds(3)]);
    bench.step([seconds(60)]);
    assert_eq!(
        bench.sleep(),
        [
            "after 3s",
            "0: Failed(Stopped)",
            "close 0: going away (3)",
            "stopped: DeadlineReached"
        ]
    );
}

#[test]
fn every_transition_is_taken() {
    let mut visits = [0; TRANSITIONS.len()];
    let mut add = |bench: &Bench| {
        for (sum, seen) in visits.iter_mut().zip(bench.machine.visits()) {
            *sum += seen;
        }
    };
    for with_work in [false, true] {
        for (_, mut bench) in in_each_standing(with_work) {
            abort(&mut bench);
            add(&bench);
        }
        for (_, mut bench) in in_each_standing(with_work) {
            bench.lose();
            add(&bench);
        }
    }
    let mut bench = Bench::up();
    bench.queue(1);
    bench.taken_by_quic();
    bench.hear(&[resume(0, 0)]);
    drain(&mut bench);
    bench.hear(&[receipt(1)]);
    bench.hear_end();
    add(&bench);
    bench = Bench::up();
    bench.reconnect();
    add(&bench);
    for bench in moved_in_each_standing() {
        add(&bench);
    }
    for bench in at_rest() {
        add(&bench);
    }
    add(&given_up());
    for (transition, visits) in TRANSITIONS.iter().zip(visits) {
        let taken = visits > 0 || is_without_lanes(transition);
        assert!(taken, "{transition:?} is never taken");
    }
}
