//! Which histories of a sender lead to the same state.

use alloc::vec::Vec;
use core::time::Duration;

use super::bench::{Bench, receipt, resume};
use crate::*;

fn same(bench: &mut Bench, count: usize) -> Vec<Event> {
    (0..count).map(|_| bench.message(b"the same")).collect()
}

/// States of a sender that began at this time, and has delivered as many messages.
fn by_way_of(before: u64, start: u64) -> Vec<Canonical> {
    let mut bench = Bench::new();
    let mut states = Vec::new();
    bench.now = Time::from_secs(start);
    bench.step([]);
    bench.confirm();
    bench.queue(before);
    bench.taken_by_quic();
    bench.hear(&[resume(0, 0), receipt(before)]);
    let messages = same(&mut bench, 4);
    bench.step(messages);
    bench.taken_by_quic();
    bench.cancel(before + 1);
    states.push(bench.machine.canonical());
    bench.reconnect();
    bench.wait(Duration::from_secs(1));
    let mut message = bench.message(b"the same");
    if let Event::MessageQueued { options, .. } = &mut message {
        options.expires_at = Some(bench.now + Duration::from_secs(9));
    }
    bench.step([message]);
    // OPEN is not answered.
    states.push(bench.machine.canonical());
    bench.taken_by_quic();
    // The application has not answered the last of those that were settled.
    bench.hear(&[resume(before - 1, before)]);
    states.push(bench.machine.canonical());
    states
}

#[test]
fn what_was_delivered_before_and_when_makes_no_difference() {
    let (few, many) = (by_way_of(2, 100), by_way_of(6, 5_000));
    // Until a RESUME has come again, numbers count from where the session began.
    assert_eq!(few[..2], by_way_of(2, 5_000)[..2]);
    assert_eq!(few[2], many[2]);
}

#[test]
fn the_order_of_messages_on_two_lanes_makes_a_difference() {
    let with = |other: usize| {
        let mut bench = Bench::new();
        let mut messages = same(&mut bench, 8);
        if let Event::MessageQueued { lane, .. } = &mut messages[other] {
            *lane = Lane(1);
        }
        bench.step(messages);
        bench.machine.canonical()
    };
    for one in 0..8 {
        for other in 0..one {
            assert_ne!(with(one), with(other), "{one} and {other}");
        }
    }
}
