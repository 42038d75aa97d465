//! `send` and `listen` over real sockets in network namespaces of their own, with real faults
//! between them. They need root, `ip`, `tc`, `nft` and `sysctl`; where these are missing, each test
//! says so and passes.
//!
//! Messages are handed over in halves: some before a fault and some behind it, so that the fault
//! always falls into a transfer, however fast or slow the machine is.

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails where it cannot go on"
)]

#[path = "../common/mod.rs"]
mod common;
mod log;
mod network;
#[path = "../common/relay.rs"]
mod relay;
mod transfer;

use std::env;
use std::thread;
use std::time::Duration;

use peer_sender_sim::tape::Rng;

use network::{LISTENER, Network, RELAY};
use relay::{Relay, bad_weather};
use transfer::Transfer;

const COUNT: u64 = 20_000;
const SIZE: usize = 1_000;
/// How long a link is down.
const CUT: Duration = Duration::from_secs(5);

#[test]
fn a_narrow_link_slows_messages_down_and_loses_none() {
    let Some(network) = Network::new() else {
        return;
    };
    network.bandwidth(100);
    let mut transfer = Transfer::start(&network, "narrow", LISTENER, SIZE);
    transfer.say(COUNT);
    let figures = transfer.finish();
    assert_eq!(figures.twice, 0);
}

#[test]
fn a_tenth_of_all_packets_may_be_lost() {
    let Some(network) = Network::new() else {
        return;
    };
    network.lose(10);
    let mut transfer = Transfer::start(&network, "loss", LISTENER, SIZE);
    transfer.say(COUNT);
    let figures = transfer.finish();
    assert_eq!(figures.twice, 0);
}

#[test]
fn a_link_may_be_down_for_a_while() {
    let Some(network) = Network::new() else {
        return;
    };
    let mut transfer = Transfer::start(&network, "cut", LISTENER, SIZE);
    transfer.say(COUNT / 2);
    transfer.wait(1);
    network.link(false);
    transfer.say(COUNT / 2);
    // The fault itself, and no wait for anything.
    thread::sleep(CUT);
    network.link(true);
    let figures = transfer.finish();
    assert_eq!(figures.twice, 0);
}

/// Longer than a connection lasts of which nothing is heard: the next one settles what it left open.
#[test]
#[ignore = "takes a quarter of a minute"]
fn a_link_may_be_down_for_longer_than_a_connection_lasts() {
    let Some(network) = Network::new() else {
        return;
    };
    let mut transfer = Transfer::start(&network, "long-cut", LISTENER, SIZE);
    transfer.say(COUNT / 2);
    transfer.wait(1);
    network.link(false);
    transfer.say(COUNT / 2);
    transfer.sender_says("connection lost");
    network.link(true);
    let figures = transfer.finish();
    assert!(figures.reconnects >= 1);
    assert_eq!(figures.twice, 0);
}

#[test]
fn a_path_may_become_narrower_than_the_packets_on_it() {
    let Some(network) = Network::new() else {
        return;
    };
    let mut transfer = Transfer::start(&network, "mtu", LISTENER, SIZE);
    transfer.say(COUNT / 2);
    // So that QUIC has found out by then what the path carries.
    transfer.wait(COUNT / 2);
    network.mtu(1_280);
    transfer.say(COUNT / 2);
    let figures = transfer.finish();
    assert_eq!(figures.twice, 0);
    assert!(network.too_large() > 0, "every packet fitted");
}

#[test]
fn a_listener_that_is_killed_is_waited_for_and_gets_again_what_was_in_flight_alone() {
    let Some(network) = Network::new() else {
        return;
    };
    let mut transfer = Transfer::start(&network, "killed", LISTENER, SIZE);
    transfer.say(COUNT / 2);
    transfer.wait(COUNT / 2);
    // Of what it takes from here on it can tell nobody.
    network.silence_listener();
    transfer.say(COUNT / 2);
    transfer.wait(COUNT / 2 + 1);
    transfer.replace_listener();
    network.drop_nothing();
    let figures = transfer.finish();
    assert!(figures.reconnects >= 1);
    assert!(figures.twice >= 1);
}

#[test]
fn datagrams_may_come_late_twice_broken_and_out_of_order() {
    let Some(network) = Network::new() else {
        return;
    };
    let [front, back] = network.relay_sockets();
    let relay = Relay::start(front, back, network::listener(), 1).unwrap();
    relay.set(bad_weather());
    let mut transfer = Transfer::start(&network, "relay", RELAY, SIZE / 10);
    transfer.say(COUNT);
    let figures = transfer.finish();
    assert_eq!(figures.twice, 0);
    let seen = relay.seen();
    assert!(
        seen.lost > 0 && seen.corrupted > 0 && seen.reordered > 0,
        "{seen:?}"
    );
}

/// Faults by a seed, which PEER_SENDER_SEED may set, one upon the other; then all is well again.
#[test]
#[ignore = "takes a minute"]
fn anything_may_happen_in_any_order() {
    const FAULTS: u64 = 20;
    let Some(network) = Network::new() else {
        return;
    };
    let seed = env::var("PEER_SENDER_SEED").map_or(1, |seed| seed.parse().unwrap());
    eprintln!("PEER_SENDER_SEED={seed}");
    let mut rng = Rng::new(seed);
    // So that most faults fall into the midst of messages.
    network.bandwidth(64);
    let mut transfer = Transfer::start(&network, "anything", LISTENER, SIZE);
    let mut killed = 0;
    for _ in 0..FAULTS {
        transfer.say(COUNT / 5);
        // As long as the fault lasts, or until the next one comes.
        let time = Duration::from_millis(1 << rng.below(14));
        let fault = rng.below(9);
        eprintln!("fault {fault}, {time:?}");
        match fault {
            0 => {
                network.link(false);
                thread::sleep(time);
                network.link(true);
            }
            1 => {
                network.silence_listener();
                thread::sleep(time);
                network.drop_nothing();
            }
            2 => network.lose(rng.below(25) as u32),
            3 => network.drop_nothing(),
            4 => network.mtu(1_280 + rng.below(221) as u32),
            5 => network.bandwidth(8 << rng.below(6)),
            6 => {
                transfer.replace_listener();
                killed += 1;
            }
            7 => transfer.freeze_listener(time),
            _ => transfer.freeze_sender(time),
        }
        thread::sleep(time.min(Duration::from_secs(1)));
    }
    network.drop_nothing();
    network.bandwidth(1_000);
    let figures = transfer.finish();
    assert!(figures.twice == 0 || killed > 0, "{figures:?}");
}

/// A million messages through all of it: a tenth of the packets lost all the time, a cut, a smaller
/// MTU from then on, and another process that listens.
#[test]
#[ignore = "takes minutes"]
fn a_million_messages_through_loss_a_cut_a_smaller_mtu_and_a_restart() {
    const MILLION: u64 = 1_000_000;
    let Some(network) = Network::new() else {
        return;
    };
    network.lose(10);
    let size = env::var("PEER_SENDER_MESSAGE_BYTES").map_or(100, |size| size.parse().unwrap());
    let mut transfer = Transfer::start(&network, "million", LISTENER, size);
    transfer.set_patience(Duration::from_secs(1_800));
    transfer.say(MILLION);
    transfer.wait(MILLION / 5);
    network.link(false);
    // The fault itself, and no wait for anything.
    thread::sleep(CUT);
    network.link(true);
    transfer.wait(2 * MILLION / 5);
    network.mtu(1_280);
    transfer.wait(3 * MILLION / 5);
    transfer.replace_listener();
    let figures = transfer.finish();
    assert!(figures.reconnects >= 1);
    assert!(network.too_large() > 0, "every packet fitted");
}
