//! Connections that are ended for want of traffic, and peers that are given up.

use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use super::bench::{Bench, MINUTE, receipt, resume};
use crate::table::Standing;
use crate::wire::{Frame, Open, encode_message_head};
use crate::*;

const REST: Duration = Duration::from_secs(300);
const NONE: [&str; 0] = [];

/// One message delivered, and nothing since.
fn quiet() -> Bench {
    let mut bench = Bench::up();
    bench.queue(1);
    bench.taken_by_quic();
    bench.hear(&[resume(0, 0), receipt(1)]);
    bench
}

fn parting() -> Bench {
    let mut bench = quiet();
    assert_eq!(bench.wait(REST), ["write FIN"]);
    assert_eq!(bench.machine.state().standing(), Standing::Parting);
    bench
}

fn idle() -> Bench {
    let mut bench = parting();
    assert_eq!(bench.hear_end(), ["close 0: done (0)", "idle"]);
    bench
}

/// Senders that took each way into rest and out of it.
pub(super) fn at_rest() -> Vec<Bench> {
    let abort = |mut bench: Bench| {
        bench.step([Event::Stop {
            mode: StopMode::Abort,
        }]);
        bench
    };
    let mut dialling = idle();
    dialling.queue(1);
    let mut lost = parting();
    lost.lose();
    // The shortest wait is longer than a connection may rest.
    let address: SocketAddr = "192.0.2.1:4433".parse().unwrap();
    let patient = Config::builder(address)
        .backoff_min(2 * REST)
        .build()
        .unwrap();
    let mut too_soon = Bench::with(patient);
    too_soon.step([]);
    too_soon.confirm();
    assert_eq!(too_soon.wait(REST), ["close 0: done (0)", "idle"]);
    too_soon.queue(1);
    assert_eq!(too_soon.machine.state().standing(), Standing::Backoff);
    [dialling, lost, too_soon, abort(parting()), abort(idle())].into()
}

pub(super) fn given_up() -> Bench {
    let address: SocketAddr = "192.0.2.1:4433".parse().unwrap();
    let limited = Config::builder(address).attempts_max(Some(3));
    let mut bench = Bench::with(limited.build().unwrap());
    bench.step([]);
    bench.queue(1);
    bench.lose();
    bench.sleep();
    bench.lose();
    bench.sleep();
    let words = bench.lose();
    let expected = [
        "lost: nothing heard from the peer for the idle timeout",
        "0: Failed(GaveUp)",
        "stopped: GaveUp",
    ];
    assert_eq!(words, expected);
    bench
}

#[test]
fn a_connection_without_traffic_is_ended_in_good_order_and_made_again_at_need() {
    let mut bench = idle();
    assert_eq!(bench.machine.next_deadline(), None);
    assert_eq!(bench.machine.snapshot().holdup, Holdup::NothingToDo);
    assert_eq!(bench.wait(10 * REST), NONE);
    assert_eq!(bench.queue(1), ["connecting", "dial 1"]);
    assert_eq!(bench.confirm(), ["connected", "write OPEN resumed at 1"]);
    bench.taken_by_quic();
    assert_eq!(bench.hear(&[resume(1, 1)]), ["write 1"]);
    assert_eq!(bench.machine.state().backoff().failures(), 0);
}

#[test]
fn a_connection_that_carried_nothing_is_just_closed() {
    let mut bench = Bench::up();
    assert_eq!(bench.wait(REST), ["close 0: done (0)", "idle"]);
}

#[test]
fn whatever_is_said_puts_the_rest_off() {
    let mut bench = quiet();
    let almost = REST - Duration::from_secs(1);
    assert_eq!(bench.wait(almost), NONE);
    assert_eq!(bench.queue(1), ["write 1"]);
    assert_eq!(bench.wait(almost), NONE, "it is not answered");
    assert_eq!(
        bench.wait(REST),
        NONE,
        "and waits for that as long as it takes"
    );
    bench.taken_by_quic();
    assert_eq!(bench.hear(&[receipt(2)]), ["1: Delivered(Application)"]);
    assert_eq!(bench.sleep(), ["after 300s", "write FIN"]);
}

#[test]
fn a_peer_that_does_not_end_its_side_is_parted_from_all_the_same() {
    let mut bench = parting();
    bench.taken_by_quic();
    assert_eq!(bench.sleep(), ["after 5s", "close 0: done (0)", "idle"]);
}

#[test]
fn what_comes_up_while_it_parts_goes_over_a_new_connection() {
    let mut bench = parting();
    assert_eq!(bench.queue(1), NONE);
    assert_eq!(bench.machine.snapshot().holdup, Holdup::Parting);
    let words = bench.hear_end();
    assert_eq!(words, ["close 0: done (0)", "idle", "connecting", "dial 1"]);
    bench.confirm();
    bench.taken_by_quic();
    assert_eq!(bench.hear(&[resume(1, 1)]), ["write 1"]);
}

#[test]
fn an_idle_sender_is_dialled_for_the_operator_and_for_nobody_else() {
    let wake = |bench: &mut Bench, reason| bench.step([Event::Wake { reason }]);
    let mut bench = idle();
    for reason in [
        WakeReason::NewAddress,
        WakeReason::InboundContact,
        WakeReason::NetworkChange,
    ] {
        assert_eq!(wake(&mut bench, reason), NONE);
    }
    let (operator, change) = (WakeReason::Operator, WakeReason::NetworkChange);
    for reasons in [[operator, change], [change, operator]] {
        let words = idle().step(reasons.map(|reason| Event::Wake { reason }));
        assert_eq!(words, ["connecting", "dial 1"]);
    }
}

#[test]
fn an_idle_sender_without_addresses_waits_for_one() {
    let mut bench = idle();
    let address: SocketAddr = "192.0.2.7:4433".parse().unwrap();
    let nowhere = Event::AddressesChanged {
        addresses: Vec::new(),
    };
    bench.step([nowhere]);
    assert_eq!(bench.queue(1), NONE);
    let somewhere = Event::AddressesChanged {
        addresses: [address].into(),
    };
    let words = bench.step([somewhere]);
    assert_eq!(words[1..], ["connecting", "dial 1"], "{words:?}");
}

#[test]
fn an_idle_sender_drains_at_once() {
    let mut bench = idle();
    let mode = StopMode::Drain(MINUTE);
    assert_eq!(bench.step([Event::Stop { mode }]), ["stopped: Drained"]);
}

#[test]
fn never_is_never() {
    let address: SocketAddr = "192.0.2.1:4433".parse().unwrap();
    let config = Config::builder(address).disconnect_after(None);
    let mut bench = Bench::with(config.build().unwrap());
    bench.step([]);
    bench.confirm();
    assert_eq!(bench.machine.next_deadline(), None);
    assert_eq!(bench.wait(1_000 * REST), NONE);
}

#[test]
fn attempts_and_time_may_be_limited() {
    assert!(given_up().machine.is_closed());
    let address: SocketAddr = "192.0.2.1:4433".parse().unwrap();
    let limit = Duration::from_secs(3);
    let config = Config::builder(address).give_up_after(Some(limit));
    let mut bench = Bench::with(config.build().unwrap());
    bench.step([]);
    bench.queue(1);
    bench.lose();
    let first = bench.now;
    let mut words = Vec::new();
    while !bench.machine.is_closed() {
        words = bench.sleep();
        if !bench.machine.is_closed() {
            words = bench.lose();
        }
    }
    assert_eq!(bench.now.saturating_since(first), limit);
    assert_eq!(words[1..], ["0: Failed(GaveUp)", "stopped: GaveUp"]);
}

#[test]
fn a_healthy_connection_starts_the_limits_anew() {
    let address: SocketAddr = "192.0.2.1:4433".parse().unwrap();
    let limited = Config::builder(address).attempts_max(Some(2));
    let mut bench = Bench::with(limited.build().unwrap());
    bench.step([]);
    for _ in 0..5 {
        bench.lose();
        bench.sleep();
        bench.confirm();
        bench.wait(MINUTE);
    }
    assert!(!bench.machine.is_closed());
}

fn remote(index: u64) -> StreamId {
    StreamId {
        opener: Side::Remote,
        index,
    }
}

fn opened() -> Event {
    Event::StreamOpened {
        attempt: Attempt(0),
        stream: remote(0),
    }
}

#[test]
fn a_peer_that_begins_to_reply_while_its_connection_is_ended_is_dialled_again() {
    let mut bench = parting();
    bench.step([opened()]);
    let words = bench.hear_end();
    assert_eq!(words, ["close 0: done (0)", "idle", "connecting", "dial 1"]);
    // One that opened its stream before, and said nothing, is not.
    let mut bench = quiet();
    bench.step([opened()]);
    assert_eq!(bench.wait(REST), ["write FIN"]);
    assert_eq!(bench.hear_end(), ["close 0: done (0)", "idle"]);
}

#[test]
fn the_answer_to_a_reply_that_came_last_is_told_on_a_new_connection() {
    let mut bench = quiet();
    bench.step([opened()]);
    bench.wait(REST);
    let mut bytes = Vec::new();
    let open = Frame::Open(Open {
        fresh: true,
        session: SessionId([9; 16]),
        lane: 0,
        base: 0,
    });
    open.encode(&mut bytes);
    encode_message_head(1, &mut bytes);
    bytes.push(b'r');
    let received = Event::BytesReceived {
        attempt: Attempt(0),
        stream: remote(0),
        bytes: bytes.into(),
        fin: false,
    };
    let mut actions = Vec::new();
    bench.machine.handle(bench.now, [received], &mut actions);
    assert!(
        matches!(actions[0], Action::Deliver(_)),
        "it is read to the last: {actions:?}"
    );
    assert_eq!(bench.lose(), ["idle"]);
    let (lane, below) = (Lane(0), 1);
    let words = bench.step([Event::Consumed { lane, below }]);
    assert_eq!(words, ["connecting", "dial 1"]);
}

#[test]
fn why_nothing_moves_is_told_by_what_is_missing() {
    let holdup = |bench: &Bench| bench.machine.snapshot().holdup;
    let nowhere = || Event::AddressesChanged {
        addresses: Vec::new(),
    };
    let mut bench = Bench::new();
    assert_eq!(holdup(&bench), Holdup::Connecting, "with its first step");
    bench.step([nowhere()]);
    assert_eq!(bench.machine.state().standing(), Standing::Down);
    assert_eq!(holdup(&bench), Holdup::NoAddress);
    bench.queue(1);
    assert_eq!(holdup(&bench), Holdup::NoAddress);
    let mut bench = idle();
    bench.step([nowhere()]);
    assert_eq!(holdup(&bench), Holdup::NothingToDo);
    bench.queue(1);
    assert_eq!(holdup(&bench), Holdup::NoAddress);
}

#[test]
fn an_answer_to_nothing_has_nobody_dialled() {
    let mut bench = idle();
    let (lane, below, number, code) = (Lane(0), 1, 0, RefuseCode::Other(1));
    assert_eq!(bench.step([Event::Consumed { lane, below }]), NONE);
    assert_eq!(bench.step([Event::Refused { lane, number, code }]), NONE);
    assert_eq!(bench.machine.stats().stale_events, 2);
}
