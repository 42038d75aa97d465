//! Connections that end under the messages: cut, restarted, silent, unreachable.

use std::time::Duration;

use peer_sender_core::{Config, LinkError, MessageId, StopMode};
use quinn_proto::ConnectionHandle;

use super::delivery::DELIVERED;
use super::nodes::*;
use super::world::World;
use crate::Trust;

#[test]
fn connections_cut_in_the_middle_cost_nothing_but_time() {
    let mut world = World::new(1);
    world.place(1, dialler(1), 1);
    world.place(2, listener(2, trust(1)), 2).consumes = false;
    let peer = world.dial(1, 2, identity(2).key());
    world.queue(1, peer, messages(0, 1_000));
    let some = |world: &mut World| world.end(2).received.len() > 300;
    assert!(world.wait(Duration::from_secs(10), some));
    let now = world.now;
    world.end(2).consume(now);
    world.end(2).consumes = true;
    world.end(2).node.cut_accepted(now);
    world.queue(1, peer, messages(1_000, 1_000));
    let all = |world: &mut World| world.end(1).settled(peer).len() == 2_000;
    assert!(
        world.wait(Duration::from_secs(2), all),
        "the reset is heard at once"
    );
    assert_received(world.end(2), 2_000);
    assert_eq!(world.end(1).errors(peer), [LinkError::Reset]);
    assert_eq!(world.end(1).connected(peer), 2);
    assert_eq!(
        world.end(2).sources.len(),
        1,
        "the session outlives its connections"
    );
    let settled = world.end(1).settled(peer).to_vec();
    assert!(
        settled
            .iter()
            .zip(0..)
            .all(|(s, id)| *s == (MessageId(id), DELIVERED))
    );
}

#[test]
fn cuts_again_and_again_lose_and_double_nothing() {
    for seed in 0..4 {
        let mut world = World::new(seed);
        world.loss = 3;
        world.jitter = Duration::from_millis(4);
        world.place(1, dialler(1), 1);
        world.place(2, listener(2, trust(1)), 2);
        let peer = world.dial(1, 2, identity(2).key());
        for round in 0..10 {
            world.queue(1, peer, messages(round * 300, 300));
            world.run(Duration::from_millis(30 + 37 * round));
            let now = world.now;
            world.end(2).node.cut_accepted(now);
        }
        let all = |world: &mut World| world.end(1).settled(peer).len() == 3_000;
        assert!(world.wait(Duration::from_secs(120), all), "seed {seed}");
        assert_received(world.end(2), 3_000);
    }
}

#[test]
fn a_listener_that_was_restarted_is_found_again_by_stateless_reset() {
    let mut world = World::new(2);
    world.place(1, dialler(1), 1);
    world.place(2, listener(2, trust(1)), 2);
    let peer = world.dial(1, 2, identity(2).key());
    world.queue(1, peer, messages(0, 100));
    world.run(Duration::from_secs(1));
    assert_received(world.end(2), 100);

    // A process that held messages unanswered dies with them.
    world.end(2).consumes = false;
    world.queue(1, peer, messages(100, 100));
    world.run(Duration::from_secs(1));
    assert_eq!(world.end(2).received.len(), 200);
    assert_eq!(world.end(1).settled(peer).len(), 100);
    world.place(2, listener(2, trust(1)), 3);
    world.queue(1, peer, messages(200, 100));
    let all = |world: &mut World| world.end(1).settled(peer).len() == 300;
    assert!(
        world.wait(Duration::from_secs(1), all),
        "no timeout had to pass"
    );
    assert_eq!(world.end(1).errors(peer), [LinkError::Reset]);
    let again: Vec<_> = world
        .end(2)
        .received
        .iter()
        .map(|(_, _, m)| m.clone())
        .collect();
    let expected: Vec<_> = messages(100, 200).map(|(_, m)| m).collect();
    assert!(
        again == expected,
        "what the dead process had not answered comes again"
    );
}

#[test]
fn silence_ends_a_connection_at_the_idle_timeout() {
    let mut world = World::new(3);
    world.place(1, dialler(1), 1);
    world.place(2, listener(2, trust(1)), 2);
    let peer = world.dial(1, 2, identity(2).key());
    // The lane is open: an OPEN without an answer would end it sooner.
    world.queue(1, peer, messages(0, 1));
    world.run(Duration::from_secs(1));
    world.silent.insert(2);
    world.queue(1, peer, messages(1, 99));
    world.run(Duration::from_secs(13));
    assert_eq!(world.end(1).errors(peer), [LinkError::IdleTimeout]);
    world.run(Duration::from_secs(30));
    let errors = world.end(1).errors(peer);
    assert!(errors.len() > 3 && errors[1..].iter().all(|e| *e == LinkError::ConnectTimeout));
    // Dead connections do not pile up.
    assert!(world.end(1).node.stats().connections <= 2);
    world.silent.clear();
    assert!(world.wait(
        Duration::from_secs(30),
        |world| world.end(1).settled(peer).len() == 100
    ));
    assert_received(world.end(2), 100);
}

#[test]
fn nobody_there_is_known_as_soon_as_the_network_says_so() {
    let mut world = World::new(4);
    world.reports = true;
    world.place(1, dialler(1), 1);
    let peer = world.dial(1, 2, identity(2).key());
    world.run(Duration::from_millis(300));
    assert_eq!(world.end(1).errors(peer), [LinkError::Unreachable]);
    world.run(Duration::from_secs(2));
    let errors = world.end(1).errors(peer);
    assert!(errors.len() >= 4 && errors.iter().all(|e| *e == LinkError::Unreachable));
    assert!(
        world.end(1).node.stats().connections <= 1,
        "what is given up is gone"
    );

    world.place(2, listener(2, trust(1)), 2);
    world.queue(1, peer, messages(0, 1));
    assert!(world.wait(
        Duration::from_secs(2),
        |world| world.end(1).settled(peer).len() == 1
    ));
}

#[test]
fn a_listener_that_goes_away_is_missed_within_its_probation() {
    let mut world = World::new(5);
    world.reports = true;
    world.place(1, dialler(1), 1);
    world.place(2, listener(2, trust(1)), 2);
    let peer = world.dial(1, 2, identity(2).key());
    world.queue(1, peer, messages(0, 10));
    world.run(Duration::from_secs(1));
    world.ends.remove(&2);
    world.queue(1, peer, messages(10, 10));
    world.run(Duration::from_millis(400));
    assert_eq!(world.end(1).errors(peer)[0], LinkError::Unreachable);
    world.place(2, listener(2, trust(1)), 3);
    assert!(world.wait(
        Duration::from_secs(1),
        |world| world.end(1).settled(peer).len() == 20
    ));
}

#[test]
fn a_false_report_ends_nothing() {
    let mut world = World::new(6);
    world.place(1, dialler(1), 1);
    world.place(2, listener(2, trust(1)), 2);
    let peer = world.dial(1, 2, identity(2).key());
    for _ in 0..100 {
        let now = world.now;
        world.end(1).node.handle_unreachable(now, address(2).ip());
        world.end(2).node.handle_unreachable(now, address(1).ip());
        world.run(Duration::from_millis(100));
    }
    assert_eq!(world.end(1).connected(peer), 1);
    assert_eq!(world.end(1).errors(peer), []);
}

#[test]
fn a_slow_path_is_not_taken_for_a_dead_one_when_another_port_is_meant() {
    let mut world = World::new(7);
    world.one_way = Duration::from_millis(200);
    world.place(1, dialler(1), 1);
    world.place(2, listener(2, trust(1)), 2);
    let peer = world.dial(1, 2, identity(2).key());
    let mut other = address(2);
    other.set_port(9);
    world.dial_with(1, identity(3).key(), Config::new(other).unwrap());
    world.run(Duration::from_millis(10));
    let now = world.now;
    world.end(1).node.handle_unreachable(now, address(2).ip());
    world.run(Duration::from_secs(2));
    assert_eq!(world.end(1).connected(peer), 1);
    assert_eq!(world.end(1).errors(peer), []);
}

#[test]
fn an_accepted_connection_ends_when_its_dialler_is_gone() {
    let mut world = World::new(8);
    world.place(1, dialler(1), 1);
    world.place(2, listener(2, Trust::Any), 2);
    world.dial(1, 2, identity(2).key());
    world.run(Duration::from_secs(1));
    assert_eq!(world.end(2).node.stats().connections, 1);
    world.ends.remove(&1);
    world.run(Duration::from_secs(15));
    assert_eq!(world.end(2).node.stats().connections, 0);
}

#[test]
fn what_came_with_the_close_counts() {
    // The listener answers, and stops at once: the receipts travel just ahead of its close.
    let mut world = World::new(9);
    world.place(1, dialler(1), 1);
    world.place(2, listener(2, trust(1)), 2).consumes = false;
    let peer = world.dial(1, 2, identity(2).key());
    world.queue(1, peer, messages(0, 100));
    world.run(Duration::from_secs(1));
    let now = world.now;
    world.end(2).consume(now);
    world
        .end(2)
        .node
        .stop(now, StopMode::Drain(Duration::from_secs(5)));
    world.run(Duration::from_secs(1));
    assert_eq!(world.end(1).settled(peer).len(), 100);
}

#[test]
fn a_connection_that_is_cut_as_it_ends_leaves_no_route() {
    let mut world = World::new(2);
    world.place(1, dialler(1), 1);
    world.place(2, listener(2, trust(1)), 2);
    world.dial(1, 2, identity(2).key());
    world.run(Duration::from_secs(1));
    let first = ConnectionHandle(0);
    assert!(world.end(2).node.net.route(first).is_some());
    world.ends.remove(&1);
    // Its idle timeout ends it, and QUIC has not been heard when it is cut.
    world.now = world.now + Duration::from_secs(11);
    let now = world.now;
    world.end(2).node.handle_timeout(now);
    world.end(2).node.cut_accepted(now);
    world.run(Duration::from_secs(1));
    assert_eq!(world.end(2).node.stats().connections, 0);
    assert_eq!(world.end(2).node.net.route(first), None);
}
