//! Every way to stop, and that nothing is left behind.

use std::time::Duration;

use bytes::Bytes;
use peer_sender_core::{
    CloseCode, FailReason, LinkError, Outcome, PeerEvent, StopMode, StopReason, UnknownReason,
};

use super::nodes::*;
use super::world::World;
use crate::Trust;
use crate::node::{AddPeerError, Target};

const DRAIN: StopMode = StopMode::Drain(Duration::from_secs(10));

#[test]
fn a_sender_that_drains_delivers_everything_first() {
    let mut world = World::new(1);
    world.place(1, dialler(1), 1);
    world.place(2, listener(2, trust(1)), 2);
    let peer = world.dial(1, 2, identity(2).key());
    world.queue(1, peer, messages(0, 1_000));
    let now = world.now;
    world.end(1).node.stop(now, DRAIN);
    assert!(!world.end(1).node.is_stopped());
    assert!(world.wait(Duration::from_secs(5), |world| {
        world.end(1).node.is_stopped()
    }));
    assert_received(world.end(2), 1_000);
    let delivered = world
        .end(1)
        .settled(peer)
        .iter()
        .all(|(_, outcome)| outcome.is_delivered());
    assert!(delivered && world.end(1).settled(peer).len() == 1_000);
    let reason = StopReason::Drained;
    assert_eq!(
        world.end(1).said(peer).last(),
        Some(&PeerEvent::SenderStopped { reason })
    );
    let key = identity(2).key();
    let config = crate::PeerConfig::new(key, address(2)).unwrap();
    let again = world
        .end(1)
        .node
        .add_peer(now, String::from("again"), config);
    assert_eq!(again, Err(AddPeerError::Stopped));

    // The listener heard of it, and nothing is left on either end but the memory of the session.
    world.run(Duration::from_secs(5));
    assert_eq!(world.end(1).node.stats().connections, 0);
    assert_eq!(world.end(2).node.stats().connections, 0);
    assert_eq!(world.end(2).node.stats().sessions, 1);
}

#[test]
fn a_sender_that_aborts_settles_everything_at_once() {
    let mut world = World::new(2);
    world.place(1, dialler(1), 1);
    world.place(2, listener(2, trust(1)), 2).consumes = false;
    let peer = world.dial(1, 2, identity(2).key());
    world.queue(1, peer, messages(0, 10));
    world.run(Duration::from_secs(1));
    world.silent.insert(2);
    let now = world.now;
    world.end(1).node.stop(now, StopMode::Abort);
    world.run(Duration::from_millis(1));
    assert!(world.end(1).node.is_stopped());
    let unknown = Outcome::Unknown(UnknownReason::Stopped);
    let settled = world.end(1).settled(peer).to_vec();
    assert!(settled.len() == 10 && settled.iter().all(|(_, outcome)| *outcome == unknown));
}

#[test]
fn a_sender_that_is_stopped_while_it_dials_ends_too() {
    for mode in [StopMode::Abort, StopMode::Drain(Duration::from_millis(700))] {
        let mut world = World::new(3);
        world.place(1, dialler(1), 1);
        let peer = world.dial(1, 2, identity(2).key());
        world.queue(1, peer, messages(0, 10));
        world.run(Duration::from_millis(100));
        let now = world.now;
        world.end(1).node.stop(now, mode);
        assert!(world.wait(Duration::from_secs(1), |world| {
            world.end(1).node.is_stopped()
        }));
        let failed = Outcome::Failed(FailReason::Stopped);
        let settled = world.end(1).settled(peer).to_vec();
        assert!(settled.len() == 10 && settled.iter().all(|(_, outcome)| *outcome == failed));
        world.run(Duration::from_secs(20));
        assert_eq!(world.end(1).node.stats().connections, 0);
    }
}

#[test]
fn a_listener_that_stops_says_so_after_its_last_receipt() {
    let mut world = World::new(4);
    world.place(1, dialler(1), 1);
    world.place(2, listener(2, trust(1)), 2);
    let peer = world.dial(1, 2, identity(2).key());
    world.queue(1, peer, messages(0, 100));
    world.run(Duration::from_secs(1));
    let now = world.now;
    world.end(2).node.stop(now, DRAIN);
    assert!(world.wait(Duration::from_secs(10), |world| {
        world.end(2).node.is_stopped()
    }));
    world.run(Duration::from_millis(50));
    let (code, reason) = (CloseCode::GoingAway, String::new());
    let errors = world.end(1).errors(peer);
    let LinkError::Closed { code: said, .. } = &errors[0] else {
        panic!(
            "expected {:?}, got {errors:?}",
            LinkError::Closed { code, reason }
        );
    };
    assert_eq!(*said, CloseCode::GoingAway);

    // Who dials now is refused, and what is sent to the next listener arrives.
    world.run(Duration::from_secs(1));
    assert!(
        world.end(1).errors(peer)[1..]
            .iter()
            .all(|error| *error == LinkError::Busy)
    );
    assert!(world.end(2).node.stats().refused > 0);
    world.place(2, listener(2, trust(1)), 3);
    world.queue(1, peer, messages(100, 100));
    assert!(world.wait(
        Duration::from_secs(5),
        |world| world.end(1).settled(peer).len() == 200
    ));
}

#[test]
fn both_ends_may_drain_at_the_same_time() {
    let mut world = World::new(5);
    world.place(1, dialler(1), 1);
    world.place(2, listener(2, trust(1)), 2);
    let peer = world.dial(1, 2, identity(2).key());
    world.queue(1, peer, messages(0, 100));
    world.run(Duration::from_secs(1));
    assert_eq!(world.end(1).settled(peer).len(), 100, "the lane is open");
    world.queue(1, peer, messages(100, 400));
    let now = world.now;
    world
        .end(1)
        .node
        .stop(now, StopMode::Drain(Duration::from_secs(2)));
    world
        .end(2)
        .node
        .stop(now, StopMode::Drain(Duration::from_secs(2)));
    let stopped =
        |world: &mut World| world.end(1).node.is_stopped() && world.end(2).node.is_stopped();
    assert!(world.wait(Duration::from_secs(3), stopped));
    assert_eq!(world.end(1).settled(peer).len(), 500);
    for end in [1, 2] {
        assert_eq!(world.end(end).node.stats().protocol_errors, 0);
    }
    let delivered = world
        .end(1)
        .settled(peer)
        .iter()
        .filter(|(_, o)| o.is_delivered())
        .count();
    assert!(
        delivered <= world.end(2).received.len(),
        "none is delivered that did not come"
    );
}

#[test]
fn a_handshake_that_is_under_way_is_closed_by_a_stop() {
    let mut world = World::new(6);
    world.place(1, dialler(1), 1);
    world.place(2, listener(2, Trust::Any), 2);
    world.dial(1, 2, identity(2).key());
    world.run(Duration::from_millis(5));
    let now = world.now;
    world.end(2).node.stop(now, StopMode::Abort);
    world.run(Duration::from_millis(1));
    assert!(world.end(2).node.is_stopped());
    world.run(Duration::from_secs(10));
    assert_eq!(world.end(2).node.stats().connections, 0);
}

#[test]
fn a_peer_that_was_removed_may_be_added_again() {
    let mut world = World::new(7);
    world.place(1, dialler(1), 1);
    world.place(2, listener(2, trust(1)), 2);
    let peer = world.dial(1, 2, identity(2).key());
    world.queue(1, peer, messages(0, 10));
    world.run(Duration::from_secs(1));
    let now = world.now;
    let config = crate::PeerConfig::new(identity(2).key(), address(2)).unwrap();
    let id = address(2).to_string();
    let twice = world.end(1).node.add_peer(now, id.clone(), config.clone());
    assert_eq!(twice, Err(AddPeerError::Duplicate));
    world.end(1).node.stop_peer(now, peer, DRAIN);
    world.run(Duration::from_secs(1));
    world.end(1).node.remove_peer(peer);
    assert_eq!(world.end(1).node.peer_stats(Target::Peer(peer)), None);

    let peer = world.end(1).node.add_peer(now, id, config).unwrap();
    world.queue(1, peer, messages(0, 10));
    world.run(Duration::from_secs(1));
    assert_eq!(world.end(1).settled(peer).len(), 10);
    assert_eq!(world.end(2).received.len(), 20);
    assert_eq!(
        world.end(2).sources.len(),
        2,
        "a new sender is a new session"
    );
}

#[test]
fn a_node_has_stopped_only_when_its_closes_are_sent() {
    let mut world = World::new(8);
    world.place(1, dialler(1), 1);
    world.place(2, listener(2, trust(1)), 2);
    let peer = world.dial(1, 2, identity(2).key());
    world.run(Duration::from_secs(1));
    let now = world.now;
    world.end(2).node.stop(now, StopMode::Abort);
    assert!(!world.end(2).node.is_stopped(), "the close is not sent");
    world.run(Duration::from_millis(1));
    assert!(world.end(2).node.is_stopped());
    world.run(Duration::from_millis(5));
    let errors = world.end(1).errors(peer);
    assert!(
        matches!(
            errors[..],
            [LinkError::Closed {
                code: CloseCode::GoingAway,
                ..
            }]
        ),
        "{errors:?}"
    );
}

#[test]
fn a_close_waits_neither_for_the_congestion_window_nor_for_the_pacer() {
    let mut held_back = Vec::new();
    for after in (70..=400).step_by(10).map(Duration::from_millis) {
        let mut world = World::new(9);
        world.one_way = Duration::from_millis(20);
        world.place(1, dialler(1), 1);
        world.place(2, listener(2, trust(1)), 2);
        let peer = world.dial(1, 2, identity(2).key());
        let large = (0..2_000).map(|id| (id, Bytes::from(vec![7; 4_000])));
        world.queue(1, peer, large);
        world.run(after);
        assert!(world.end(1).settled(peer).len() < 2_000, "still sending");
        let now = world.now;
        world.end(1).node.stop(now, StopMode::Abort);
        world.run(Duration::from_millis(1));
        assert!(world.end(1).node.is_stopped());

        // The process ends as soon as it may, and the listener's idle timeout is 10 s.
        world.ends.remove(&1);
        let over = |world: &mut World| world.end(2).node.stats().connections == 0;
        if !world.wait(Duration::from_secs(2), over) {
            held_back.push(after);
        }
    }
    assert_eq!(held_back, [] as [Duration; 0]);
}
