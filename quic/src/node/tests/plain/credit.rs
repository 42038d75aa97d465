//! Streams that the other end does not allow yet.

use super::*;

#[test]
fn a_peer_without_stream_credit_is_named_and_holds_up_nothing_else() {
    let mut world = World::new(16);
    world.place(1, plain_dialler(), 1);
    world.place(2, plain_listener(|it| it), 2);
    let listener = NodeConfig::builder(identity(3))
        .accept(Trust::Any)
        .plain(ALPN);
    let listener = listener.build().unwrap();
    world.place(3, listener.clone(), 3);
    set_transport(&mut world, 3, &listener, |it| {
        it.max_concurrent_uni_streams(0_u32.into());
    });
    let good = world.dial(1, 2, identity(2).key());
    let patient = Config::builder(address(3))
        .patience(SECOND)
        .build()
        .unwrap();
    let stuck = world.dial_with(1, identity(3).key(), patient);
    world.queue(1, stuck, messages(0, 10));
    world.queue(1, good, messages(0, 10));
    world.run(5 * SECOND);
    assert_eq!(world.end(1).settled(good).len(), 10);
    assert_eq!(world.end(1).settled(stuck), []);
    let snapshot = world.end(1).node.snapshot(Target::Peer(stuck)).unwrap();
    assert_eq!(
        snapshot.machine.holdup.to_string(),
        "the peer allows no further stream now"
    );
    let now = world.now;
    world
        .end(1)
        .node
        .cancel(now, Target::Peer(stuck), MessageId(3));
    world.run(2 * SECOND);
    let unknown = Outcome::Unknown(UnknownReason::Patience);
    assert_eq!(world.end(1).settled(stuck), [(MessageId(3), unknown)]);
    assert_eq!(world.end(1).errors(stuck), []);
    world
        .end(1)
        .node
        .stop_peer(now, stuck, StopMode::Drain(SECOND));
    world.run(2 * SECOND);
    assert_eq!(world.end(1).settled(stuck).len(), 10);
}

#[test]
fn a_stream_that_is_given_up_before_it_could_be_opened_takes_no_credit() {
    let mut world = World::new(22);
    world.place(1, plain_dialler(), 1);
    let listener = plain_listener(|it| it);
    world.place(2, listener.clone(), 2);
    set_transport(&mut world, 2, &listener, |it| {
        it.max_concurrent_uni_streams(1_u32.into());
    });
    let config = configured(|it| it.patience(Duration::ZERO));
    let peer = world.dial_with(1, identity(2).key(), config);
    world.run(SECOND);
    let large = Bytes::from(vec![7; 2 << 20]);
    world.queue(1, peer, [(0, large), (1, payload(1)), (2, payload(2))]);
    let now = world.now;
    world
        .end(1)
        .node
        .cancel(now, Target::Peer(peer), MessageId(1));
    let all = |world: &mut World| world.end(1).settled(peer).len() == 3;
    assert!(world.wait(30 * SECOND, all));
    let unknown = Outcome::Unknown(UnknownReason::Patience);
    let settled = world.end(1).settled(peer).to_vec();
    assert_eq!(settled[0], (MessageId(1), unknown));
    assert!(settled[1..].iter().all(|it| it.1 == DELIVERED));
    assert_eq!(world.end(2).received.len(), 2);
}

/// Credit has come, and nobody has looked at it when the next message is queued: who opens its stream
/// opens those that waited before it.
#[test]
fn a_stream_that_waits_for_credit_is_written_whoever_opens_it() {
    let mut world = World::new(24);
    world.place(1, plain_dialler(), 1);
    let listener = plain_listener(|it| it);
    world.place(2, listener.clone(), 2);
    set_transport(&mut world, 2, &listener, |it| {
        it.max_concurrent_uni_streams(1_u32.into());
    });
    let peer = world.dial(1, 2, identity(2).key());
    let (mut sent, count) = (20, 60);
    world.queue(1, peer, messages(0, sent));
    let end = world.now + 60 * SECOND;
    world.settle();
    while world.step(end) {
        if sent < count {
            world.queue(1, peer, messages(sent, 1));
            sent += 1;
        }
        world.settle();
    }
    assert_eq!(world.end(1).settled(peer).len() as u64, count);
    assert!(all_delivered(&mut world, peer));
}
