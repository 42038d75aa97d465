//! What the machine's own checks see, and what of a step's events comes too late.

use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use super::bench::{Bench, receipt, resume};
use crate::sender::PeerSenderMachine;
use crate::wire::Frame;
use crate::*;

#[test]
fn check_sees_what_is_wrong() {
    let mut bench = Bench::up();
    bench.queue(3);
    bench.hear(&[resume(0, 0), Frame::Refuse { number: 1, code: 2 }]);
    type Break = fn(&mut PeerSenderMachine);
    let broken: [(&str, Break); 13] = [
        ("I2", |machine| machine.stats.accepted += 1),
        ("I27", |machine| machine.state.phase = Phase::Closed),
        ("I30", |machine| machine.state.news.consumed = true),
        ("I9", |machine| machine.state.link = Link::Idle),
        ("I9", |machine| {
            machine.state.outbound.attach(Attempt(7), Time::ZERO)
        }),
        ("I9", |machine| machine.state.inbound.connected(Attempt(7))),
        ("I9", |machine| machine.state.outbound.detach(Time::ZERO)),
        ("I9", |machine| machine.state.inbound.part_from(Attempt(0))),
        ("I10", |machine| machine.state.next_attempt = 0),
        ("I30", |machine| {
            let connection = machine.state.link.connection().copied();
            machine.state.link = Link::Draining(connection.unwrap());
        }),
        ("L3", |machine| machine.state.turn = 1),
        ("I18", |machine| {
            machine.state.inbound.break_touched(Attempt(0))
        }),
        // For comparisons all that are settled have one name.
        ("I7", |machine| {
            machine
                .state
                .outbound
                .rename(Time::ZERO, Duration::ZERO, None)
        }),
    ];
    for (id, break_it) in broken {
        let mut machine = bench.machine.clone();
        assert_eq!(machine.check(), Ok(()));
        break_it(&mut machine);
        assert_eq!(machine.check().unwrap_err().id, id);
    }
}

#[test]
fn check_sees_what_a_sender_at_rest_has_forgotten() {
    let mut bench = Bench::up();
    bench.queue(1);
    bench.hear(&[resume(0, 0), receipt(1)]);
    bench.taken_by_quic();
    let mut closed = bench.machine.clone();
    closed.state.phase = Phase::Closed;
    assert_eq!(closed.check().unwrap_err().id, "I27", "it is connected");
    let mut late = bench.machine.clone();
    late.state.now = Time::MAX;
    assert_eq!(late.check().unwrap_err().id, "I15");
    let mut waits = Bench::up();
    waits.lose();
    assert!(matches!(waits.machine.state.link, Link::Backoff { .. }));
    waits.machine.state.addresses.clear();
    assert_eq!(waits.machine.check().unwrap_err().id, "L3");
    let nowhere = Event::AddressesChanged { addresses: vec![] };
    let mut bench = Bench::new();
    bench.step([nowhere]);
    bench.queue(1);
    let mut stuck = bench.machine.clone();
    stuck.state.addresses = vec!["192.0.2.1:1".parse().unwrap()];
    assert_eq!(stuck.check().unwrap_err().id, "L3");
    let mut closed = bench.machine.clone();
    closed.state.phase = Phase::Closed;
    assert_eq!(closed.check().unwrap_err().id, "I27", "a message is there");
}

/// The bytes of a peer that breaks the protocol.
fn wrong(bench: &Bench) -> Event {
    bench.back(&[receipt(1)], false)
}

fn lost(attempt: u64) -> Event {
    Event::ConnectionLost {
        attempt: Attempt(attempt),
        error: LinkError::Reset,
    }
}

#[test]
fn a_connection_that_is_lost_already_is_not_closed() {
    let closes = |events: Vec<Event>, bench: &mut Bench| {
        let words = bench.step(events);
        words.iter().any(|it| it.starts_with("close 1"))
    };
    let begun = || {
        let mut bench = Bench::up();
        bench.reconnect();
        bench.queue(1);
        bench
    };
    let mut bench = begun();
    let events = vec![wrong(&bench)];
    assert!(closes(events, &mut bench));
    let mut bench = begun();
    let events = vec![wrong(&bench), lost(1)];
    assert!(!closes(events, &mut bench));
    assert_eq!(bench.machine.stats().stale_events, 0);
    // An older one says nothing of it.
    let mut bench = begun();
    let events = vec![wrong(&bench), lost(0)];
    assert!(closes(events, &mut bench));
    assert_eq!(bench.machine.stats().stale_events, 1);
    assert_eq!(bench.machine.stats().connected, 2);
}

#[test]
fn what_comes_behind_the_fault_that_ends_a_connection_changes_nothing() {
    let mut bench = Bench::up();
    bench.queue(1);
    let stream = StreamId {
        opener: Side::Remote,
        index: 0,
    };
    let attempt = Attempt(0);
    let events = [wrong(&bench), Event::StreamOpened { attempt, stream }];
    bench.step(events);
    assert_eq!(bench.machine.stats().stale_events, 1);
}
