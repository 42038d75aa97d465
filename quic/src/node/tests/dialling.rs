//! Where and when peers are dialled: several addresses, new addresses, waits that are cut short,
//! idle connections, and peers that are given up.

use std::time::Duration;

use peer_sender_core::{
    Config, ConfigBuilder, FailReason, Lane, Outcome, PeerEvent, StopReason, WakeReason,
};

use super::nodes::*;
use super::world::World;
use crate::Trust;
use crate::node::{NodeMachine, PeerHandle, Target};

const SECOND: Duration = Duration::from_secs(1);
const NOBODY: Place = 8;

fn world(seed: u64) -> World {
    let mut world = World::new(seed);
    world.place(1, dialler(1), 1);
    world.place(2, listener(2, Trust::Any), 2);
    world
}

fn dial(
    world: &mut World,
    to: Place,
    more: impl FnOnce(ConfigBuilder) -> ConfigBuilder,
) -> PeerHandle {
    let config = more(Config::builder(address(to))).build().unwrap();
    world.dial_with(1, identity(2).key(), config)
}

fn events(world: &mut World, peer: PeerHandle, so: fn(&PeerEvent) -> bool) -> usize {
    world
        .end(1)
        .said(peer)
        .iter()
        .filter(|event| so(event))
        .count()
}

#[test]
fn addresses_are_tried_in_turn() {
    let mut world = world(1);
    let peer = dial(&mut world, NOBODY, |config| {
        config.addresses(vec![address(NOBODY), address(2)])
    });
    world.queue(1, peer, messages(0, 10));
    let all = |world: &mut World| world.end(1).settled(peer).len() == 10;
    assert!(
        world.wait(6 * SECOND, all),
        "the first is given up after 5 s"
    );
    let dialled = world
        .end(1)
        .said(peer)
        .iter()
        .filter_map(|event| match event {
            PeerEvent::Connecting { address, .. } => Some(*address),
            _ => None,
        });
    assert_eq!(dialled.collect::<Vec<_>>(), [address(NOBODY), address(2)]);
}

#[test]
fn a_new_address_is_dialled_at_once_and_the_queue_is_kept() {
    let mut world = world(2);
    let peer = dial(&mut world, NOBODY, |config| config);
    world.queue(1, peer, messages(0, 10));
    world.run(60 * SECOND);
    let now = world.now;
    world.end(1).node.set_addresses(now, peer, vec![address(2)]);
    world.run(Duration::from_millis(100));
    assert_eq!(world.end(1).settled(peer).len(), 10);
    assert_received(world.end(2), 10);
    let changed = |event: &PeerEvent| matches!(event, PeerEvent::AddressChanged { .. });
    assert_eq!(events(&mut world, peer, changed), 1);
}

/// A peer that was away for a minute, at the moment it is back: the next attempt is far.
fn back_again(seed: u64) -> (World, PeerHandle) {
    let mut world = world(seed);
    world.ends.remove(&2);
    let peer = dial(&mut world, 2, |config| config);
    world.run(60 * SECOND);
    world.place(2, listener(2, Trust::Any), 3);
    let now = world.now;
    let next = world.end(1).node.snapshot(Target::Peer(peer)).unwrap();
    let next = next.machine.next_attempt_at.expect("it waits");
    assert!(
        next > now + 2 * SECOND,
        "the wait is worth cutting short: {next:?} at {now:?}"
    );
    (world, peer)
}

#[test]
fn whoever_knows_better_cuts_a_wait_short() {
    type Wake = fn(&mut NodeMachine<String>, peer_sender_core::Time, PeerHandle);
    let ways: [Wake; 3] = [
        |node, now, peer| node.wake(now, peer, WakeReason::Operator),
        |node, now, _| node.network_changed(now),
        |node, now, peer| node.set_addresses(now, peer, vec![address(9), address(2)]),
    ];
    // The last takes the address that is new, which is a wrong one, and then the other.
    for (wake, within) in ways.into_iter().zip([1, 1, 6]) {
        let (mut world, peer) = back_again(3);
        let now = world.now;
        wake(&mut world.end(1).node, now, peer);
        let connected = |world: &mut World| world.end(1).connected(peer) == 1;
        assert!(world.wait(within * SECOND, connected));
    }
}

#[test]
fn a_dialler_that_gets_another_address_keeps_its_connection() {
    const ELSEWHERE: Place = 5;
    let mut world = world(8);
    let peer = dial(&mut world, 2, |config| config);
    world.queue(1, peer, messages(0, 1));
    world.run(SECOND);
    let back = Target::Session(world.end(2).session());
    let end = world.ends.remove(&1).unwrap();
    world.ends.insert(ELSEWHERE, end);
    let now = world.now;
    world.end(ELSEWHERE).node.network_changed(now);
    world.run(Duration::from_millis(100));
    world.send_on(2, back, Lane(0), messages(0, 1));
    world.run(Duration::from_millis(100));
    assert_eq!(
        world.end(2).settled_to(back).len(),
        1,
        "long before the next keep-alive"
    );
    assert_eq!(world.end(ELSEWHERE).connected(peer), 1);
    assert_eq!(world.end(ELSEWHERE).errors(peer), []);
}

#[test]
fn a_peer_that_dials_us_is_dialled_back_at_once() {
    let mut world = World::new(4);
    world.place(1, listener(1, Trust::Any), 1);
    let peer = dial(&mut world, 2, |config| config);
    world.run(60 * SECOND);
    world.place(2, listener(2, Trust::Any), 2);
    world.place(3, dialler(3), 3);
    world.dial(3, 1, identity(1).key());
    world.run(Duration::from_millis(200));
    assert_eq!(
        world.end(1).connected(peer),
        0,
        "another key says nothing of the peer"
    );
    world.dial(2, 1, identity(1).key());
    world.run(Duration::from_millis(200));
    assert_eq!(world.end(1).connected(peer), 1);
}

#[test]
fn an_idle_connection_is_ended_in_good_order_and_made_again_at_need() {
    let mut world = world(5);
    let peer = dial(&mut world, 2, |config| {
        config.disconnect_after(Some(60 * SECOND))
    });
    world.queue(1, peer, messages(0, 3));
    world.run(59 * SECOND);
    assert_eq!(world.end(1).node.stats().connections, 1);
    world.run(3 * SECOND);
    let idle = |event: &PeerEvent| matches!(event, PeerEvent::Idle);
    assert_eq!(events(&mut world, peer, idle), 1);
    for end in [1, 2] {
        assert_eq!(world.end(end).node.stats().connections, 0);
    }
    let datagrams = world.sent.len();
    world.run(600 * SECOND);
    assert_eq!(world.sent.len(), datagrams, "nobody says anything");
    assert_eq!(world.end(1).errors(peer), []);

    world.queue(1, peer, messages(3, 3));
    world.run(Duration::from_millis(100));
    assert_eq!(world.end(1).settled(peer).len(), 6);
    assert_received(world.end(2), 6);
    assert_eq!(
        world.end(2).node.stats().sessions,
        1,
        "it is the same session"
    );
}

#[test]
fn a_peer_that_cannot_be_reached_is_given_up_after_so_many_attempts() {
    let mut world = world(6);
    let peer = dial(&mut world, NOBODY, |config| config.attempts_max(Some(3)));
    world.queue(1, peer, messages(0, 5));
    world.run(60 * SECOND);
    let dialled = |event: &PeerEvent| matches!(event, PeerEvent::Connecting { .. });
    assert_eq!(events(&mut world, peer, dialled), 3);
    let failed = Outcome::Failed(FailReason::GaveUp);
    let settled = world.end(1).settled(peer);
    assert!(settled.len() == 5 && settled.iter().all(|(_, outcome)| *outcome == failed));
    let reason = StopReason::GaveUp;
    assert_eq!(
        world.end(1).said(peer).last(),
        Some(&PeerEvent::SenderStopped { reason })
    );
}

#[test]
fn a_snapshot_shows_the_path() {
    let mut world = world(7);
    let peer = dial(&mut world, 2, |config| config);
    let there = Target::Peer(peer);
    let early = world.end(1).node.snapshot(there).unwrap();
    assert_eq!((early.rtt.is_some(), early.machine.queued), (true, 0));
    world.loss = 10;
    world.queue(1, peer, messages(0, 2_000));
    world.run(20 * SECOND);
    let of_session = Target::Session(world.end(2).session());
    for (end, target) in [(1, there), (2, of_session)] {
        let shown = world.end(end).node.snapshot(target).unwrap();
        let rtt = shown.rtt.expect("there is a connection");
        let near = Duration::from_millis(9)..Duration::from_millis(40);
        assert!(near.contains(&rtt), "{rtt:?}");
        assert!(shown.sent_packets > 0 && shown.mtu >= 1_200);
    }
    let shown = world.end(1).node.snapshot(there).unwrap();
    assert!(shown.lost_packets > 0);
    assert_eq!((shown.machine.queued, shown.machine.in_flight), (0, 0));
    let stats = world.end(1).node.peer_stats(there).unwrap();
    assert_eq!(
        (stats.mtu, stats.lost_packets),
        (shown.mtu, shown.lost_packets)
    );
}
