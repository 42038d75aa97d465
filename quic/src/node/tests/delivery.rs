//! Messages arrive, once and in order, and are settled by the receiving application alone.

use std::time::Duration;

use peer_sender_core::{Config, Lane, Level, MessageId, Outcome, PeerEvent, RefuseCode, Time};

use super::nodes::*;
use super::world::World;
use crate::Trust;
use crate::node::Target;

pub(super) const DELIVERED: Outcome = Outcome::Delivered(Level::Application);

#[test]
fn a_message_is_delivered_when_the_application_has_answered() {
    let mut world = World::new(1);
    world.place(1, dialler(1), 1);
    world.place(2, listener(2, trust(1)), 2).consumes = false;
    let peer = world.dial(1, 2, identity(2).key());
    world.queue(1, peer, messages(0, 3));
    world.run(Duration::from_secs(3));
    assert_received(world.end(2), 3);
    assert_eq!(world.end(2).received[0].0, identity(1).key());
    assert_eq!(world.end(1).settled(peer), [], "nobody has answered");

    let now = world.now;
    let session = *world.end(2).sources.first().unwrap();
    world
        .end(2)
        .node
        .refuse(now, session, Lane(0), 1, RefuseCode::Application);
    world.end(2).node.consumed(now, session, Lane(0), 2);
    world.run(Duration::from_secs(1));
    let refused = Outcome::Refused(RefuseCode::Application);
    let mut settled = world.end(1).settled(peer).to_vec();
    settled.sort_by_key(|&(id, _)| id);
    assert_eq!(
        settled,
        [(MessageId(0), DELIVERED), (MessageId(1), refused)]
    );

    world.end(2).node.consumed(now, session, Lane(0), 3);
    world.run(Duration::from_secs(1));
    assert_eq!(world.end(1).settled(peer).len(), 3);
    assert_eq!(world.end(1).said(peer).len(), 2, "connecting, connected");
    assert!(matches!(
        world.end(1).said(peer)[1],
        PeerEvent::Connected { .. }
    ));
    assert_eq!(world.end(2).node.stats().accepted, 1);
    assert_eq!(world.end(2).node.stats().sessions, 1);
}

#[test]
fn ten_thousand_messages_arrive_in_order() {
    let mut world = World::new(2);
    world.place(1, dialler(1), 1);
    world.place(2, listener(2, trust(1)), 2);
    let peer = world.dial(1, 2, identity(2).key());
    let (mut sent, count) = (0, 10_000);
    let done = world.wait(Duration::from_secs(60), |world| {
        let room = world
            .end(1)
            .node
            .capacity(Target::Peer(peer), Lane(0))
            .messages as u64;
        let more = room.min(count - sent);
        world.queue(1, peer, messages(sent, more));
        sent += more;
        world.end(1).settled(peer).len() as u64 == count
    });
    assert!(done);
    assert_received(world.end(2), count);
    let settled = world.end(1).settled(peer).to_vec();
    assert!(
        settled
            .iter()
            .zip(0..)
            .all(|(s, id)| *s == (MessageId(id), DELIVERED))
    );
    assert_eq!(
        world
            .end(1)
            .node
            .capacity(Target::Peer(peer), Lane(0))
            .messages,
        8_192,
        "all of the queue is free"
    );
    assert_eq!(
        world.end(1).room[&(Target::Peer(peer), Lane(0))].messages,
        8_192,
        "and the user was told"
    );
    assert_eq!(world.end(1).rejected.len(), 0);
}

#[test]
fn a_fifth_of_all_datagrams_lost_loses_no_message() {
    for seed in 0..5 {
        let mut world = World::new(seed);
        world.loss = 20;
        world.jitter = Duration::from_millis(10);
        world.place(1, dialler(1), 1);
        world.place(2, listener(2, Trust::Any), 2);
        let peer = world.dial(1, 2, identity(2).key());
        world.queue(1, peer, messages(0, 500));
        let all = |world: &mut World| world.end(1).settled(peer).len() == 500;
        assert!(world.wait(Duration::from_secs(120), all), "seed {seed}");
        assert_received(world.end(2), 500);
    }
}

#[test]
fn large_messages_pass_through_every_window() {
    let mut world = World::new(3);
    world.place(1, dialler(1), 1);
    world.place(2, listener(2, trust(1)), 2);
    let peer = world.dial(1, 2, identity(2).key());
    let large = bytes::Bytes::from(vec![7; 10 << 20]);
    world.queue(1, peer, [(0, large.clone()), (1, payload(1))]);
    assert!(world.wait(
        Duration::from_secs(60),
        |world| world.end(1).settled(peer).len() == 2
    ));
    assert!(world.end(2).received[0].2 == large && world.end(2).received[1].2 == payload(1));
}

#[test]
fn a_message_that_is_not_accepted_comes_back() {
    let mut world = World::new(4);
    world.place(1, dialler(1), 1);
    let peer = world.dial(1, 2, identity(2).key());
    world.queue(1, peer, messages(0, 8_200));
    world.run(Duration::from_millis(1));
    assert_eq!(world.end(1).rejected.len(), 8);
    let (id, rejected) = &world.end(1).rejected[0];
    assert_eq!(
        (*id, &rejected.payload),
        (MessageId(8_192), &payload(8_192))
    );

    world.end(1).node.remove_peer(peer);
    world.queue(1, peer, messages(9_000, 1));
    world.run(Duration::from_millis(1));
    assert_eq!(
        world.end(1).settled(peer).len(),
        8_192,
        "a removed peer settles everything"
    );
    assert_eq!(world.end(1).rejected.len(), 9);
}

#[test]
fn a_peer_that_dials_us_too_is_known_by_our_name_for_it() {
    let mut world = World::new(5);
    world.place(1, listener(1, trust(2)), 1);
    world.place(2, listener(2, trust(1)), 2);
    let there = world.dial(1, 2, identity(2).key());
    let back = world.dial(2, 1, identity(1).key());
    world.queue(1, there, messages(0, 10));
    world.queue(2, back, messages(0, 10));
    world.run(Duration::from_secs(2));
    assert_received(world.end(1), 10);
    assert_received(world.end(2), 10);
    let name = Some(address(1).to_string());
    assert!(world.end(2).names.iter().all(|known| *known == name));
}

#[test]
fn an_idle_connection_stays_up_and_is_measured() {
    let mut world = World::new(6);
    world.place(1, dialler(1), 1);
    world.place(2, listener(2, trust(1)), 2);
    let config = Config::builder(address(2)).disconnect_after(None);
    let peer = world.dial_with(1, identity(2).key(), config.build().unwrap());
    world.run(Duration::from_secs(600));
    assert_eq!(world.end(1).connected(peer), 1);
    assert_eq!(world.end(1).errors(peer), []);
    let stats = world.end(1).node.peer_stats(Target::Peer(peer)).unwrap();
    let rtt = stats.rtt.unwrap();
    assert!(
        rtt >= Duration::from_millis(10) && rtt < Duration::from_millis(40),
        "{rtt:?}"
    );
    assert!(stats.mtu >= 1_200);
    // Pings alone, each with its acknowledgement: nothing spins.
    assert!(world.sent.len() < 1_000, "{} datagrams", world.sent.len());
}

#[test]
fn the_same_seed_gives_the_same_run() {
    type Run = (
        Vec<(Time, usize, usize, usize)>,
        Vec<(MessageId, Outcome)>,
        Vec<PeerEvent>,
    );
    let run = |seed: u8| -> Run {
        let mut world = World::new(9);
        world.loss = 5;
        world.jitter = Duration::from_millis(3);
        world.place(1, dialler(1), seed);
        world.place(2, listener(2, trust(1)), seed + 1);
        let peer = world.dial(1, 2, identity(2).key());
        world.queue(1, peer, messages(0, 1_000));
        world.run(Duration::from_secs(2));
        let now = world.now;
        world.end(2).node.cut_accepted(now);
        world.queue(1, peer, messages(1_000, 1_000));
        world.run(Duration::from_secs(20));
        assert_received(world.end(2), 2_000);
        let end = world.ends.remove(&1).unwrap();
        (
            world.sent,
            end.settled(peer).to_vec(),
            end.said(peer).to_vec(),
        )
    };
    let first = run(1);
    assert!(first == run(1), "not the same");
    assert!(first.0 != run(3).0, "the seed has no effect");
}
