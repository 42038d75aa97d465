//! Several addresses, addresses that change, and waits that are cut short.

use alloc::vec;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use super::bench::{Bench, MINUTE, config, resume};
use crate::*;

fn address(host: u8) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, host], 4433))
}

fn moved(hosts: &[u8]) -> Event {
    let addresses = hosts.iter().map(|&host| address(host)).collect();
    Event::AddressesChanged { addresses }
}

fn wake(reason: WakeReason) -> Event {
    Event::Wake { reason }
}

fn with_addresses(hosts: &[u8]) -> Config {
    let addresses = hosts.iter().map(|&host| address(host)).collect();
    let builder = Config::builder(address(1)).addresses(addresses);
    builder.build().unwrap()
}

/// Where it dials next, after as many failures.
fn dialled(bench: &mut Bench, failures: usize) -> Vec<SocketAddr> {
    let mut addresses = Vec::new();
    for _ in 0..failures {
        addresses.extend(bench.machine.state().link().address());
        bench.lose();
        bench.sleep();
    }
    addresses
}

/// A sender in each standing from which a move leads away, after the move.
pub(super) fn moved_in_each_standing() -> Vec<Bench> {
    let connecting = || {
        let mut bench = Bench::new();
        bench.step([]);
        bench
    };
    let draining = || {
        let mut bench = Bench::up();
        bench.queue(1);
        bench.hear(&[resume(0, 0)]);
        bench.step([Event::Stop {
            mode: StopMode::Drain(MINUTE),
        }]);
        bench.taken_by_quic();
        bench
    };
    let mut all = Vec::new();
    for hosts in [&[9][..], &[]] {
        for mut bench in [connecting(), Bench::up(), draining()] {
            bench.step([moved(hosts)]);
            all.push(bench);
        }
    }
    let mut waiting = connecting();
    waiting.lose();
    waiting.step([moved(&[])]);
    // An address that comes right after the last attempt is not dialled at once.
    waiting.step([moved(&[9])]);
    all.push(waiting);
    all
}

#[test]
fn addresses_are_tried_in_turn_and_one_that_was_good_first_again() {
    let mut bench = Bench::with(with_addresses(&[1, 2, 3]));
    bench.step([]);
    let tried = dialled(&mut bench, 4);
    assert_eq!(tried, [1, 2, 3, 1].map(address));
    bench.confirm();
    bench.now = bench.now + MINUTE;
    assert_eq!(dialled(&mut bench, 1), [address(2)]);
    assert_eq!(dialled(&mut bench, 2), [2, 3].map(address));
}

#[test]
fn a_change_of_address_keeps_the_queue_and_leaves_the_connection_for_the_new_one() {
    let mut bench = Bench::up();
    bench.now = bench.now + Duration::from_secs(1);
    bench.queue(2);
    bench.hear(&[resume(0, 0)]);
    let words = bench.step([moved(&[9])]);
    let expected = [
        "1 addresses",
        "close 0: done (0)",
        "lost: given up for another connection: the peer has moved, or we have another identity",
        "connecting",
        "dial 1",
    ];
    assert_eq!(words, expected);
    assert_eq!(bench.machine.state().link().address(), Some(address(9)));
    assert_eq!(bench.confirm(), ["connected", "write OPEN resumed at 0"]);
    bench.taken_by_quic();
    assert_eq!(bench.hear(&[resume(0, 0)]), ["write 0 1"]);
}

#[test]
fn a_connection_to_an_address_that_stays_is_kept() {
    let mut bench = Bench::up();
    assert_eq!(bench.step([moved(&[9, 1])]), ["2 addresses"]);
    assert_eq!(bench.step([moved(&[9, 1])]), [] as [&str; 0]);
    bench.now = bench.now + MINUTE;
    bench.lose();
    bench.sleep();
    assert_eq!(bench.machine.state().link().address(), Some(address(9)));
}

#[test]
fn without_an_address_messages_wait_until_there_is_one() {
    let mut bench = Bench::with(with_addresses(&[]));
    assert!(bench.step([]).is_empty());
    assert!(bench.queue(2).is_empty());
    assert_eq!(bench.machine.next_deadline().unwrap().timer, Timer::Slow);
    assert_eq!(bench.machine.snapshot().holdup, Holdup::NoAddress);
    let words = bench.step([moved(&[4])]);
    assert_eq!(words, ["1 addresses", "connecting", "dial 0"]);
    assert_eq!(bench.confirm(), ["connected", "write OPEN fresh at 0 0 1"]);
}

#[test]
fn any_reason_cuts_a_wait_short_and_the_count_of_failures_goes_on() {
    for reason in [
        WakeReason::InboundContact,
        WakeReason::Operator,
        WakeReason::NetworkChange,
    ] {
        let mut bench = Bench::new();
        bench.step([]);
        for _ in 0..9 {
            bench.lose();
            bench.sleep();
        }
        bench.now = bench.now + Duration::from_secs(1);
        let words = bench.lose();
        assert_eq!(words[2], "back off 5.5s");
        assert_eq!(bench.step([wake(reason)]), ["connecting", "dial 10"]);
        assert_eq!(bench.lose()[2], "back off 8.9s");
    }
}

#[test]
fn however_often_it_is_woken_dials_are_no_closer_than_the_shortest_wait() {
    let mut bench = Bench::new();
    let mut dials = Vec::new();
    bench.step([]);
    for round in 0..1_000_u64 {
        bench.now = bench.now + Duration::from_millis(7);
        let host = (round % 200) as u8;
        let words = bench.step([
            wake(WakeReason::Operator),
            moved(&[host]),
            wake(WakeReason::NetworkChange),
        ]);
        if words.iter().any(|word| word.starts_with("dial")) {
            dials.push(bench.now);
            bench.lose();
        }
    }
    assert!(dials.len() > 50, "it goes on dialling: {}", dials.len());
    let waits = dials.windows(2).map(|two| two[1].saturating_since(two[0]));
    assert!(waits.min() >= Some(Duration::from_millis(100)));
}

#[test]
fn waking_one_that_does_not_wait_changes_nothing() {
    let mut connecting = Bench::new();
    connecting.step([]);
    for mut bench in [connecting, Bench::up()] {
        let before = bench.machine.state().clone();
        assert!(bench.step([wake(WakeReason::Operator)]).is_empty());
        assert_eq!(bench.machine.state(), &before);
    }
}

#[test]
fn a_new_address_is_dialled_at_once_even_if_the_others_failed_for_long() {
    let mut bench = Bench::with(config());
    bench.step([]);
    for _ in 0..20 {
        bench.lose();
        bench.sleep();
    }
    bench.lose();
    bench.now = bench.now + Duration::from_secs(1);
    let words = bench.step([moved(&[1, 2])]);
    assert_eq!(words, vec!["2 addresses", "connecting", "dial 21"]);
}
