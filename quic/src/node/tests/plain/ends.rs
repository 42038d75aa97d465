//! What becomes of messages as their connection ends, by either end's will or by none.

use super::*;

#[test]
fn what_a_lost_connection_left_open_is_sent_again() {
    let (mut world, peer) = pair(8);
    world.run(SECOND);
    world.queue(1, peer, messages(0, 100));
    cut_before_it_is_acknowledged(&mut world);
    assert_eq!(world.end(1).settled(peer), []);
    let all = |world: &mut World| world.end(1).settled(peer).len() == 100;
    assert!(world.wait(30 * SECOND, all));
    assert!(all_delivered(&mut world, peer));
    let mut received = sorted(&mut world, 2);
    received.dedup();
    assert_eq!(received, expected(100));
    assert_eq!(world.end(1).connected(peer), 2);
}

#[test]
fn at_most_once_what_a_lost_connection_left_open_is_unknown_and_comes_once() {
    let mut world = World::new(9);
    world.place(1, plain_dialler(), 1);
    world.place(2, plain_listener(|it| it), 2);
    let config = configured(|it| {
        it.redelivery(Redelivery::AtMostOnce)
            .flight_bytes_max(16 << 20)
    });
    let peer = world.dial_with(1, identity(2).key(), config);
    world.run(SECOND);
    let large = Bytes::from(vec![7; 12 << 20]);
    world.queue(1, peer, messages(0, 100).chain([(100, large.clone())]));
    cut_before_it_is_acknowledged(&mut world);
    let all = |world: &mut World| world.end(1).settled(peer).len() == 101;
    assert!(world.wait(30 * SECOND, all));
    let unknown = Outcome::Unknown(UnknownReason::ConnectionLost);
    let settled = world.end(1).settled(peer).to_vec();
    assert_eq!(settled.iter().filter(|it| it.1 == unknown).count(), 100);
    // QUIC had not been given its end, so nobody can have it whole.
    assert!(settled.contains(&(MessageId(100), DELIVERED)));
    let received = sorted(&mut world, 2);
    assert_eq!(received.iter().filter(|it| **it == large).count(), 1);
    assert_eq!(received.len(), 101);
}

#[test]
fn replies_end_with_their_connection() {
    let (mut world, peer) = pair(12);
    world.queue(1, peer, messages(0, 1));
    world.run(SECOND);
    let session = world.end(2).session();
    let to = Target::Session(session);
    world.send_on(2, to, Lane(0), messages(0, 1));
    world.run(SECOND);
    assert_eq!(world.end(2).settled_to(to), [(MessageId(0), DELIVERED)]);
    // The dialler is gone without a word, and the idle timeout passes.
    world.silent.insert(1);
    world.send_on(2, to, Lane(0), messages(1, 1_000));
    world.run(20 * SECOND);
    let settled = world.end(2).settled_to(to).to_vec();
    assert_eq!(settled.len(), 1_001);
    let unknown = Outcome::Unknown(UnknownReason::ConnectionLost);
    let failed = Outcome::Failed(FailReason::ConnectionLost);
    // One of the 128 streams was used before. What has none was surely not received.
    assert_eq!(settled.iter().filter(|it| it.1 == unknown).count(), 127);
    assert_eq!(settled.iter().filter(|it| it.1 == failed).count(), 873);
    assert_eq!(world.end(2).forgotten, [Source::Session(session)]);
}

#[test]
fn what_arrived_is_the_applications_even_after_the_connection() {
    let (mut world, peer) = pair(13);
    world.end(2).consumes = false;
    world.queue(1, peer, messages(0, 20));
    world.run(SECOND);
    let now = world.now;
    world
        .end(1)
        .node
        .stop_peer(now, peer, StopMode::Drain(10 * SECOND));
    world.run(20 * SECOND);
    assert_eq!(world.end(2).forgotten, [], "its messages are not answered");
    assert_eq!(world.end(2).node.stats().sessions, 1);
    let now = world.now;
    world.end(2).consume(now);
    world.run(SECOND);
    assert_eq!(world.end(2).forgotten.len(), 1);
    assert_eq!(world.end(2).node.stats().sessions, 0);
}

#[test]
fn what_arrived_and_had_no_room_waits_for_the_application_after_the_connection() {
    for (size, kept) in [(3_000, 16), (40_000, 1)] {
        let mut world = World::new(13);
        world.place(1, plain_dialler(), 1);
        let limits =
            |it: NodeConfigBuilder| it.message_bytes_max(100_000).inbound_bytes_max(150_000);
        world.place(2, plain_listener(limits), 2).consumes = false;
        let peer = world.dial(1, 2, identity(2).key());
        let message = |n: u64| (n, Bytes::from(vec![n as u8; size]));
        world.queue(1, peer, (0..100).map(message));
        let all = |world: &mut World| world.end(1).settled(peer).len() == 100;
        assert!(world.wait(10 * SECOND, all));
        let now = world.now;
        world
            .end(1)
            .node
            .stop_peer(now, peer, StopMode::Drain(10 * SECOND));
        world.run(20 * SECOND);
        assert!(all_delivered(&mut world, peer));
        let held = world.end(2).received.len();
        assert!((kept..100).contains(&held), "{held} of {size} bytes");
        for _ in 0..100 / held + 2 {
            let now = world.now;
            world.end(2).consume(now);
            world.run(SECOND);
        }
        assert_eq!(world.end(2).forgotten.len(), 1);
        assert_eq!(world.end(2).node.stats().connections, 0);
        assert_eq!(sorted(&mut world, 2).len(), 100);
    }
}

#[test]
fn replies_end_with_their_connection_although_messages_of_it_have_no_room() {
    let mut world = World::new(24);
    world.place(1, plain_dialler(), 1);
    let limits = |it: NodeConfigBuilder| it.message_bytes_max(100_000).inbound_bytes_max(150_000);
    world.place(2, plain_listener(limits), 2).consumes = false;
    let peer = world.dial(1, 2, identity(2).key());
    let message = |n: u64| (n, Bytes::from(vec![n as u8; 40_000]));
    world.queue(1, peer, (0..100).map(message));
    let all = |world: &mut World| world.end(1).settled(peer).len() == 100;
    assert!(world.wait(10 * SECOND, all));
    let to = Target::Session(world.end(2).session());
    // The dialler is gone without a word, and the idle timeout passes.
    world.silent.insert(1);
    world.send_on(2, to, Lane(0), messages(0, 200));
    world.run(20 * SECOND);
    assert_eq!(world.end(2).settled_to(to).len(), 200);
    assert_eq!(world.end(2).node.stats().connections, 0);
    assert_eq!(world.end(2).forgotten, [], "its messages are not answered");
    world.send_on(2, to, Lane(0), messages(200, 1));
    world.run(Duration::from_millis(1));
    let failed = Outcome::Failed(FailReason::ConnectionLost);
    let settled = world.end(2).settled_to(to).last().unwrap();
    assert_eq!(*settled, (MessageId(200), failed));
    for _ in 0..100 {
        let now = world.now;
        world.end(2).consume(now);
        world.run(SECOND);
    }
    assert_eq!(sorted(&mut world, 2).len(), 100);
    assert_eq!(world.end(2).forgotten.len(), 1);
}

#[test]
fn a_drain_waits_for_every_stream_and_closes_with_0() {
    let (mut world, peer) = pair(14);
    world.run(SECOND);
    world.queue(1, peer, messages(0, 1_000));
    let now = world.now;
    world
        .end(1)
        .node
        .stop_peer(now, peer, StopMode::Drain(10 * SECOND));
    world.run(5 * SECOND);
    assert_eq!(world.end(1).settled(peer).len(), 1_000);
    assert!(all_delivered(&mut world, peer));
    assert_eq!(sorted(&mut world, 2), expected(1_000));
    let drained = PeerEvent::SenderStopped {
        reason: StopReason::Drained,
    };
    assert_eq!(world.end(1).said(peer).last(), Some(&drained));
}

#[test]
fn a_listener_that_stops_waits_for_its_application_and_its_replies() {
    let (mut world, peer) = pair(15);
    world.end(2).consumes = false;
    world.queue(1, peer, messages(0, 20));
    world.run(SECOND);
    let to = Target::Session(world.end(2).session());
    world.send_on(2, to, Lane(0), messages(0, 50));
    let now = world.now;
    world.end(2).node.stop(now, StopMode::Drain(10 * SECOND));
    world.run(2 * SECOND);
    assert_eq!(world.end(2).settled_to(to).len(), 50);
    assert!(!world.end(2).node.is_stopped(), "messages are not answered");
    let now = world.now;
    world.end(2).consume(now);
    world.run(SECOND);
    assert!(world.end(2).node.is_stopped());
    assert!(!world.end(1).errors(peer).is_empty(), "closed with 3");
}

#[test]
fn a_peer_that_never_acknowledges_costs_the_idle_timeout() {
    let (mut world, peer) = pair(18);
    world.run(SECOND);
    world.silent.insert(2);
    world.queue(1, peer, messages(0, 10));
    world.run(20 * SECOND);
    assert_eq!(world.end(1).settled(peer), []);
    assert!(world.end(1).errors(peer).contains(&LinkError::IdleTimeout));
    world.silent.clear();
    let all = |world: &mut World| world.end(1).settled(peer).len() == 10;
    assert!(world.wait(60 * SECOND, all));
    assert_eq!(
        sorted(&mut world, 2),
        expected(10),
        "none had arrived before"
    );
}

#[test]
fn an_idle_connection_is_parted_from_and_made_again() {
    let mut world = World::new(19);
    world.place(1, plain_dialler(), 1);
    world.place(2, plain_listener(|it| it), 2);
    let config = configured(|it| it.disconnect_after(Some(2 * SECOND)));
    let peer = world.dial_with(1, identity(2).key(), config);
    for id in 0..3 {
        world.queue(1, peer, messages(id, 1));
        world.run(5 * SECOND);
        let idle = world.end(1).said(peer).last();
        assert_eq!(idle, Some(&PeerEvent::Idle));
    }
    assert_eq!(world.end(1).settled(peer).len(), 3);
    assert_eq!(world.end(1).errors(peer), []);
    assert_eq!(sorted(&mut world, 2), expected(3));
}
