//! The framed protocol: all messages on one stream, settled once they are acknowledged on a connection
//! that can be trusted.

use std::time::Duration;

use bytes::Bytes;
use peer_sender_core::{
    CloseCode, Config, ConfigBuilder, FRAMED_TRUSTED_AFTER, Lane, LinkError, MessageId, Outcome,
    ProtocolError, Redelivery, RefuseCode, RejectReason, StopMode, StopReason, UnknownReason,
};

use super::nodes::*;
use super::world::World;
use crate::node::{PeerHandle, Source, Target};
use crate::{NodeConfig, NodeConfigBuilder, Trust};

const ALPN: &str = "test/1";
const SECOND: Duration = Duration::from_secs(1);
const UNKNOWN: Outcome = Outcome::Unknown(UnknownReason::ConnectionLost);

fn framed_dialler() -> NodeConfig {
    let builder = NodeConfig::builder(identity(1)).framed(ALPN);
    builder.build().unwrap()
}

fn framed_listener(set: impl FnOnce(NodeConfigBuilder) -> NodeConfigBuilder) -> NodeConfig {
    let builder = NodeConfig::builder(identity(2)).accept(Trust::Any);
    set(builder.framed(ALPN)).build().unwrap()
}

/// A world with a dialler at 1 and a listener at 2, and the peer.
fn pair(seed: u64) -> (World, PeerHandle) {
    pair_with(seed, |it| it, |it| it)
}

fn pair_with(
    seed: u64,
    dialler: impl FnOnce(ConfigBuilder) -> ConfigBuilder,
    listener: impl FnOnce(NodeConfigBuilder) -> NodeConfigBuilder,
) -> (World, PeerHandle) {
    let mut world = World::new(seed);
    world.place(1, framed_dialler(), 1);
    world.place(2, framed_listener(listener), 2);
    let config = dialler(Config::builder(address(2))).build().unwrap();
    let peer = world.dial_with(1, identity(2).key(), config);
    (world, peer)
}

fn all_written(world: &mut World, peer: PeerHandle, count: u64) -> bool {
    let settled = world.end(1).settled(peer);
    let expected = (0..count).map(|id| (MessageId(id), Outcome::Written));
    settled.iter().cloned().eq(expected)
}

fn failures(world: &mut World, peer: PeerHandle) -> u32 {
    let snapshot = world.end(1).node.snapshot(Target::Peer(peer)).unwrap();
    snapshot.machine.failures
}

#[test]
fn messages_are_written_once_their_connection_can_be_trusted() {
    let (mut world, peer) = pair(1);
    world.end(2).consumes = false;
    world.queue(1, peer, messages(0, 50));
    world.run(FRAMED_TRUSTED_AFTER);
    assert_received(world.end(2), 50);
    assert_eq!(
        world.end(1).settled(peer),
        [],
        "it may be one that refuses us"
    );
    world.run(FRAMED_TRUSTED_AFTER);
    assert!(all_written(&mut world, peer, 50), "nobody has answered");
    world.queue(1, peer, messages(50, 1));
    world.run(Duration::from_millis(50));
    assert!(all_written(&mut world, peer, 51), "it is trusted now");
}

#[test]
fn what_nobody_has_acknowledged_is_not_written() {
    let (mut world, peer) = pair(2);
    world.run(SECOND);
    // QUIC takes all of it, and nothing comes back.
    world.silent.insert(2);
    world.queue(1, peer, messages(0, 50));
    world.run(5 * SECOND);
    assert_eq!(world.end(1).settled(peer), []);
    world.silent.clear();
    world.run(5 * SECOND);
    assert!(all_written(&mut world, peer, 50));
    assert_eq!(world.end(1).connected(peer), 1);
    assert_received(world.end(2), 50);
}

#[test]
fn loss_and_disorder_lose_and_double_nothing_and_keep_the_order() {
    for seed in 0..5 {
        let (mut world, peer) = pair(seed);
        world.loss = 20;
        world.jitter = Duration::from_millis(10);
        world.queue(1, peer, messages(0, 500));
        let all = |world: &mut World| world.end(1).settled(peer).len() == 500;
        assert!(world.wait(120 * SECOND, all), "seed {seed}");
        assert!(all_written(&mut world, peer, 500));
        assert_eq!(world.end(1).connected(peer), 1, "seed {seed}");
        assert_received(world.end(2), 500);
    }
}

#[test]
fn messages_above_every_window_and_many_at_once_come_whole() {
    let (mut world, peer) = pair(3);
    let large: Vec<Bytes> = (0..5).map(|n| Bytes::from(vec![n; 3 << 20])).collect();
    world.queue(1, peer, (0..5).zip(large.iter().cloned()));
    let all = |world: &mut World| world.end(1).settled(peer).len() == 5;
    assert!(world.wait(60 * SECOND, all));
    let count = 20_000;
    let mut sent = 0;
    let done = world.wait(60 * SECOND, |world| {
        let capacity = world.end(1).node.capacity(Target::Peer(peer), Lane(0));
        let more = (capacity.messages as u64).min(count - sent);
        world.queue(1, peer, messages(5 + sent, more));
        sent += more;
        world.end(1).settled(peer).len() as u64 == 5 + count
    });
    assert!(done && all_written(&mut world, peer, 5 + count));
    let received: Vec<Bytes> = world
        .end(2)
        .received
        .iter()
        .map(|it| it.2.clone())
        .collect();
    assert!(received[..5] == large[..]);
    let expected: Vec<Bytes> = messages(5, count).map(|it| it.1).collect();
    assert!(
        received[5..] == expected[..],
        "the messages differ, or their order"
    );
}

#[test]
fn what_a_lost_connection_left_open_is_sent_again_in_its_order() {
    let (mut world, peer) = pair(8);
    world.run(SECOND);
    world.queue(1, peer, messages(0, 100));
    world.run(Duration::from_millis(6));
    let now = world.now;
    world.end(2).node.cut_accepted(now);
    world.silent.insert(1);
    world.run(Duration::from_millis(10));
    world.silent.clear();
    let settled = world.end(1).settled(peer).len();
    assert!(settled < 100, "the last acknowledgement had not come");
    let all = |world: &mut World| world.end(1).settled(peer).len() == 100;
    assert!(world.wait(30 * SECOND, all));
    assert!(all_written(&mut world, peer, 100));
    assert_eq!(world.end(1).connected(peer), 2);
    let mut received: Vec<Bytes> = Vec::new();
    for (_, _, payload) in &world.end(2).received {
        if !received.contains(payload) {
            received.push(payload.clone());
        }
    }
    let expected: Vec<Bytes> = messages(0, 100).map(|it| it.1).collect();
    assert!(received == expected, "first copies are in order");
}

/// A node that does not know us completes the handshake, takes the first writes in, and drops the
/// connection some milliseconds later.
fn refused_after_the_handshake(redelivery: Redelivery) -> (World, PeerHandle) {
    let policy = |it: ConfigBuilder| it.redelivery(redelivery);
    let (mut world, peer) = pair_with(9, policy, |it| it);
    world.queue(1, peer, messages(0, 3));
    for _ in 0..40 {
        let before = world.end(1).connected(peer);
        world.wait(20 * SECOND, |world| world.end(1).connected(peer) > before);
        world.run(Duration::from_millis(30));
        let now = world.now;
        world.end(2).node.cut_accepted(now);
        if world.end(1).connected(peer) == 6 {
            break;
        }
    }
    world.run(Duration::from_millis(50));
    (world, peer)
}

#[test]
fn who_refuses_after_the_first_writes_is_not_written_to_and_not_well() {
    let (mut world, peer) = refused_after_the_handshake(Redelivery::AtLeastOnce);
    assert!(world.end(2).received.len() >= 9, "each time all of it came");
    assert_eq!(world.end(1).settled(peer), [], "nothing is called written");
    assert_eq!(failures(&mut world, peer), 6, "no reset of the backoff");
    // Once it lets us in, all is well.
    world.run(60 * SECOND);
    assert!(all_written(&mut world, peer, 3));
}

/// The peer acknowledges the message, and is gone without a word before the connection counts as one
/// that stands. That nothing is heard of it must not be taken for its consent.
#[test]
fn a_peer_that_drops_the_connection_in_silence_is_asked_before_it_is_believed() {
    for one_way in [100, 1_000, 5_000].map(Duration::from_micros) {
        for dropped_after in [5, 20, 60, 150, 300, 450].map(Duration::from_millis) {
            let (mut world, peer) = pair_with(15, |it| it, |it| it);
            world.one_way = one_way;
            world.queue(1, peer, messages(0, 1));
            assert!(world.wait(SECOND, |world| world.end(1).connected(peer) == 1));
            world.run(dropped_after);
            let now = world.now;
            world.end(2).node.cut_accepted(now);
            let told = |world: &mut World| {
                let end = world.end(1);
                !end.settled(peer).is_empty() || !end.errors(peer).is_empty()
            };
            assert!(world.wait(10 * SECOND, told));
            let case = format!("{one_way:?} one way, dropped after {dropped_after:?}");
            assert_eq!(world.end(1).settled(peer), [], "{case}");
            assert_eq!(world.end(1).errors(peer), [LinkError::Reset], "{case}");
        }
    }
}

/// The reset has come, and this end does not look for longer than it takes to trust a connection.
#[test]
fn time_that_went_by_while_nobody_looked_proves_nothing() {
    let (mut world, peer) = pair(16);
    world.queue(1, peer, messages(0, 3));
    assert!(world.wait(SECOND, |world| world.end(1).connected(peer) == 1));
    world.run(Duration::from_millis(40));
    let now = world.now;
    world.end(2).node.cut_accepted(now);
    // Something is sent, which is answered by a reset.
    world.queue(1, peer, messages(3, 1));
    world.settle();
    world.step(now + SECOND);
    world.settle();
    world.now = world.now + Duration::from_millis(600);
    world.run(Duration::from_millis(1));
    assert_eq!(world.end(1).settled(peer), []);
    assert_eq!(world.end(1).errors(peer), [LinkError::Reset]);
}

#[test]
fn at_most_once_what_a_refusing_peer_may_have_is_unknown() {
    let (mut world, peer) = refused_after_the_handshake(Redelivery::AtMostOnce);
    let settled = world.end(1).settled(peer).to_vec();
    assert_eq!(settled, [0, 1, 2].map(|id| (MessageId(id), UNKNOWN)));
    assert_eq!(world.end(2).received.len(), 3, "each came once");
}

#[test]
fn a_slow_application_holds_the_sender_back_and_nothing_is_dropped() {
    let limits = |it: NodeConfigBuilder| it.message_bytes_max(50_000).inbound_bytes_max(200_000);
    let (mut world, peer) = pair_with(7, |it| it, limits);
    world.end(2).consumes = false;
    let large = |n: u64| (n, Bytes::from(vec![n as u8; 40_000]));
    world.queue(1, peer, (0..390).map(large));
    world.run(30 * SECOND);
    let held = world.end(2).received.len();
    assert!((4..=5).contains(&held), "{held} of 40,000 bytes in 200,000");
    assert_eq!(world.end(1).errors(peer), []);
    assert!(world.wait(300 * SECOND, |world| {
        let now = world.now;
        world.end(2).consume(now);
        world.end(2).received.len() == 390 && world.end(1).settled(peer).len() == 390
    }));
    assert!(all_written(&mut world, peer, 390));
    assert_eq!(world.end(1).connected(peer), 1);
}

#[test]
fn both_ends_send_on_a_stream_of_their_own() {
    let (mut world, peer) = pair(11);
    world.queue(1, peer, messages(0, 1));
    world.run(SECOND);
    let to = Target::Session(world.end(2).session());
    world.send_on(2, to, Lane(0), messages(0, 300));
    world.queue(1, peer, messages(1, 299));
    let done = |world: &mut World| {
        world.end(1).settled(peer).len() == 300 && world.end(2).settled_to(to).len() == 300
    };
    assert!(world.wait(30 * SECOND, done));
    assert_received(world.end(1), 300);
    assert_received(world.end(2), 300);
    let settled = world.end(2).settled_to(to).iter();
    assert!(settled.map(|it| &it.1).all(|it| *it == Outcome::Written));
}

#[test]
fn a_drain_waits_for_what_is_acknowledged_and_ends_with_code_0() {
    let (mut world, peer) = pair(12);
    world.queue(1, peer, messages(0, 20));
    world.run(Duration::from_millis(50));
    let now = world.now;
    let drain = StopMode::Drain(10 * SECOND);
    world.end(1).node.stop_peer(now, peer, drain);
    world.run(5 * SECOND);
    assert!(all_written(&mut world, peer, 20));
    let stopped = world.end(1).said(peer).last().cloned();
    let reason = StopReason::Drained;
    assert_eq!(
        stopped,
        Some(peer_sender_core::PeerEvent::SenderStopped { reason })
    );
    assert_received(world.end(2), 20);
    assert_eq!(world.end(2).node.stats().connections, 0);
}

#[test]
fn a_message_that_the_application_cannot_read_costs_the_connection_once() {
    let (mut world, peer) = pair_with(13, |it| it.redelivery(Redelivery::AtMostOnce), |it| it);
    world.end(2).consumes = false;
    world.queue(1, peer, messages(0, 2));
    world.run(2 * SECOND);
    assert!(all_written(&mut world, peer, 2));
    let (now, source) = (world.now, Source::Session(world.end(2).session()));
    let node = &mut world.end(2).node;
    node.refuse(now, source, Lane(0), 1, RefuseCode::Malformed);
    node.consumed(now, source, Lane(0), 2);
    world.run(Duration::from_millis(50));
    let errors = world.end(1).errors(peer);
    let code = CloseCode::Protocol;
    let reason = ProtocolError::Malformed.to_string();
    assert_eq!(errors, [LinkError::Closed { code, reason }]);
    let stats = world.end(2).node.stats();
    assert_eq!(stats.protocol_errors, 1);
}

#[test]
fn a_message_without_bytes_is_handed_back() {
    let (mut world, peer) = pair(14);
    world.queue(1, peer, [(0, Bytes::new())]);
    world.run(Duration::from_millis(1));
    let rejected = &world.end(1).rejected;
    assert_eq!(rejected.len(), 1);
    assert_eq!(rejected[0].1.reason, RejectReason::Empty);
}

#[test]
fn a_node_that_keeps_times_tells_them_with_the_outcomes() {
    for kept in [true, false] {
        let mut world = World::new(7);
        let dialler = NodeConfig::builder(identity(1)).framed(ALPN);
        world.place(1, dialler.transfers(kept).build().unwrap(), 1);
        world.place(2, framed_listener(|it| it), 2);
        let config = Config::builder(address(2)).build().unwrap();
        let peer = world.dial_with(1, identity(2).key(), config);
        world.queue(1, peer, messages(0, 5));
        world.run(FRAMED_TRUSTED_AFTER * 2);
        assert!(all_written(&mut world, peer, 5));
        let transfers = &world.end(1).transfers;
        assert_eq!(transfers.len(), if kept { 5 } else { 0 });
        for transfer in transfers {
            let begun_at = transfer.begun_at.unwrap();
            assert!(transfer.accepted_at < begun_at && begun_at < transfer.settled_at);
            assert_eq!(transfer.outcome, Outcome::Written);
        }
    }
}
