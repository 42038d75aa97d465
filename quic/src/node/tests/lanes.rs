//! Lanes do not hold one another up.

use std::time::Duration;

use bytes::Bytes;
use peer_sender_core::{Config, Lane, RejectReason};

use super::delivery::DELIVERED;
use super::nodes::*;
use super::world::World;
use crate::Trust;
use crate::node::{PeerHandle, Source, Target};

const SECOND: Duration = Duration::from_secs(1);

/// A dialler at 1 and a listener at 2.
fn pair(seed: u64) -> (World, PeerHandle) {
    let mut world = World::new(seed);
    world.place(1, dialler(1), 1);
    world.place(2, listener(2, Trust::Any), 2);
    let peer = world.dial(1, 2, identity(2).key());
    (world, peer)
}

fn source(world: &mut World) -> Source {
    Source::Session(world.end(2).session())
}

#[test]
fn a_lane_that_nobody_reads_does_not_hold_up_another() {
    let (mut world, peer) = pair(1);
    let to = Target::Peer(peer);
    world.end(2).deaf.insert(Lane(0));
    // More than may be in flight.
    world.queue(1, peer, messages(0, 8_192));
    world.run(SECOND);
    let more = world.end(1).node.capacity(to, Lane(0)).messages as u64;
    assert!(more > 0, "some are in flight");
    world.queue(1, peer, messages(8_192, more));
    world.run(SECOND);
    assert_eq!(world.end(1).node.capacity(to, Lane(0)).messages, 0);

    let first = 8_192 + more;
    let mut sent = 0;
    while sent < 20_000 {
        let room = world.end(1).node.capacity(to, Lane(1)).messages as u64;
        let count = room.min(20_000 - sent);
        world.send_on(1, to, Lane(1), messages(first + sent, count));
        sent += count;
        world.run(Duration::from_millis(100));
    }
    let all = |world: &mut World| world.end(1).settled(peer).len() == 20_000;
    assert!(world.wait(SECOND, all));
    let of_lane_0 = |(id, _): &(peer_sender_core::MessageId, _)| id.0 < first;
    assert!(!world.end(1).settled(peer).iter().any(of_lane_0));

    let now = world.now;
    world.end(2).deaf.clear();
    world.end(2).consume(now);
    let rest = |world: &mut World| world.end(1).settled(peer).len() as u64 == first + 20_000;
    assert!(world.wait(10 * SECOND, rest));
    let source = source(&mut world);
    assert_eq!(world.end(2).got(source, Lane(0)).len() as u64, first);
    assert_eq!(world.end(2).got(source, Lane(1)).len(), 20_000);
}

#[test]
fn large_messages_that_nobody_reads_do_not_hold_up_small_ones() {
    let (mut world, peer) = pair(2);
    let to = Target::Peer(peer);
    world.end(2).deaf.insert(Lane(5));
    let large = Bytes::from(vec![5; 6 << 20]);
    world.send_on(1, to, Lane(5), [(0, large.clone()), (1, large.clone())]);
    world.run(10 * SECOND);
    world.send_on(1, to, Lane(6), messages(2, 1_000));
    let all = |world: &mut World| world.end(1).settled(peer).len() == 1_000;
    assert!(world.wait(SECOND, all));

    let now = world.now;
    world.end(2).deaf.clear();
    world.end(2).consume(now);
    let rest = |world: &mut World| world.end(1).settled(peer).len() == 1_002;
    assert!(world.wait(10 * SECOND, rest));
    let source = source(&mut world);
    assert!(world.end(2).got(source, Lane(5)) == [large.clone(), large]);
}

#[test]
fn each_lane_keeps_its_order_over_lost_datagrams_and_connections() {
    let (mut world, peer) = pair(3);
    world.loss = 10;
    world.jitter = Duration::from_millis(10);
    for lane in 0..8 {
        let messages = messages(u64::from(lane) * 300, 300);
        world.send_on(1, Target::Peer(peer), Lane(lane), messages);
    }
    for _ in 0..5 {
        world.run(Duration::from_millis(80));
        let now = world.now;
        world.end(2).node.cut_accepted(now);
    }
    let all = |world: &mut World| world.end(1).settled(peer).len() == 8 * 300;
    assert!(world.wait(600 * SECOND, all));
    let settled = world.end(1).settled(peer).iter();
    assert!(
        settled
            .into_iter()
            .all(|(_, outcome)| *outcome == DELIVERED)
    );
    let source = source(&mut world);
    for lane in 0..8 {
        let expected: Vec<Bytes> = messages(u64::from(lane) * 300, 300)
            .map(|(_, p)| p)
            .collect();
        assert_eq!(
            world.end(2).got(source, Lane(lane)),
            expected,
            "lane {lane}"
        );
    }
}

#[test]
fn a_lane_that_the_sender_does_not_have_takes_nothing() {
    let (mut world, _) = pair(4);
    let config = Config::builder(address(2)).lanes(2).build().unwrap();
    let now = world.now;
    let config = crate::PeerConfig::with(identity(2).key(), config);
    let peer = world
        .end(1)
        .node
        .add_peer(now, "two lanes".into(), config)
        .unwrap();
    for lane in 0..3 {
        world.send_on(
            1,
            Target::Peer(peer),
            Lane(lane),
            messages(u64::from(lane), 1),
        );
    }
    world.run(SECOND);
    assert_eq!(world.end(1).settled(peer).len(), 2);
    let (_, rejected) = &world.end(1).rejected[0];
    assert_eq!(rejected.reason, RejectReason::UnknownLane { lane: 2 });
    assert_eq!(
        world
            .end(1)
            .node
            .capacity(Target::Peer(peer), Lane(2))
            .messages,
        0
    );
}
