//! Messages from the accepting end to whoever dialled it.

use std::time::Duration;

use bytes::Bytes;
use peer_sender_core::{
    Config, FailReason, Lane, LinkError, MessageId, Outcome, PeerEvent, RefuseCode, RejectReason,
    StopMode, StopReason,
};

use super::delivery::DELIVERED;
use super::nodes::*;
use super::world::World;
use crate::node::{PeerHandle, Source, Target};
use crate::{NodeConfig, Trust};

const DIALLER: Place = 1;
const LISTENER: Place = 2;
const SECOND: Duration = Duration::from_secs(1);

/// A dialler whose listener has heard of it: replies may go back.
fn acquainted(seed: u64) -> (World, PeerHandle, Target) {
    let mut world = World::new(seed);
    world.place(DIALLER, dialler(1), 1);
    world.place(LISTENER, listener(2, trust(1)), 2);
    let peer = world.dial(DIALLER, LISTENER, identity(2).key());
    world.queue(DIALLER, peer, messages(0, 1));
    world.run(SECOND);
    let session = world.end(LISTENER).session();
    (world, peer, Target::Session(session))
}

fn of_peer(peer: PeerHandle, generation: u64) -> Source {
    Source::Peer { peer, generation }
}

fn payloads(first: u64, count: u64) -> Vec<Bytes> {
    messages(first, count).map(|(_, payload)| payload).collect()
}

#[test]
fn a_reply_reaches_whoever_dialled_and_is_receipted() {
    let (mut world, peer, back) = acquainted(1);
    world.end(DIALLER).consumes = false;
    world.send_on(LISTENER, back, Lane(0), messages(0, 3));
    world.send_on(LISTENER, back, Lane(7), messages(3, 2));
    world.run(SECOND);
    let source = of_peer(peer, 0);
    assert_eq!(
        source.target(),
        Target::Peer(peer),
        "an answer in kind is for the peer"
    );
    let end = world.end(DIALLER);
    assert_eq!(end.got(source, Lane(0)), payloads(0, 3));
    assert_eq!(end.got(source, Lane(7)), payloads(3, 2));
    assert_eq!(end.received[0].0, identity(2).key());
    assert_eq!(end.names[0], Some(address(LISTENER).to_string()));
    assert_eq!(
        world.end(LISTENER).settled_to(back),
        [],
        "nobody has answered"
    );

    let now = world.now;
    let node = &mut world.end(DIALLER).node;
    node.refuse(now, source, Lane(0), 1, RefuseCode::Application);
    node.consumed(now, source, Lane(0), 3);
    node.consumed(now, source, Lane(7), 1);
    world.run(SECOND);
    let refused = Outcome::Refused(RefuseCode::Application);
    let mut settled = world.end(LISTENER).settled_to(back).to_vec();
    settled.sort_by_key(|&(id, _)| id);
    let expected = [DELIVERED, refused, DELIVERED, DELIVERED];
    assert!(settled.into_iter().eq((0..).map(MessageId).zip(expected)));
    let room = world.end(LISTENER).room[&(back, Lane(0))];
    assert_eq!(room, world.end(LISTENER).node.capacity(back, Lane(0)));
    assert_eq!(room.messages, 8_192, "all of the queue is free again");
}

#[test]
fn replies_survive_lost_connections_once_and_in_order() {
    let (mut world, peer, back) = acquainted(2);
    world.loss = 10;
    world.jitter = Duration::from_millis(10);
    let (rounds, of_a_round) = (8, 100);
    let count = rounds * of_a_round;
    for round in 0..rounds {
        let replies = messages(round * of_a_round, of_a_round);
        world.send_on(LISTENER, back, Lane(3), replies);
        // Some are on their way, and some answers.
        world.run(Duration::from_millis(5 + 2 * round));
        let now = world.now;
        world.end(LISTENER).node.cut_accepted(now);
        let again = |world: &mut World| world.end(DIALLER).connected(peer) as u64 == round + 2;
        assert!(world.wait(60 * SECOND, again), "round {round}");
    }
    let all = |world: &mut World| world.end(LISTENER).settled_to(back).len() as u64 == count;
    assert!(world.wait(60 * SECOND, all));
    assert_eq!(
        world.end(DIALLER).got(of_peer(peer, 0), Lane(3)),
        payloads(0, count)
    );
    let settled = world.end(LISTENER).settled_to(back).iter();
    assert!(
        settled.eq((0..count)
            .map(|id| (MessageId(id), DELIVERED))
            .collect::<Vec<_>>()
            .iter())
    );
}

#[test]
fn replies_of_a_restarted_listener_are_new_and_answers_to_the_old_ones_are_void() {
    let (mut world, peer, back) = acquainted(3);
    world.end(DIALLER).consumes = false;
    world.send_on(LISTENER, back, Lane(0), messages(0, 5));
    world.run(SECOND);
    let (old, new) = (of_peer(peer, 0), of_peer(peer, 1));
    assert_eq!(world.end(DIALLER).got(old, Lane(0)).len(), 5);

    world.place(LISTENER, listener(2, trust(1)), 3);
    world.queue(DIALLER, peer, messages(1, 1));
    let heard = |world: &mut World| !world.end(LISTENER).received.is_empty();
    assert!(world.wait(60 * SECOND, heard));
    let back = Target::Session(world.end(LISTENER).session());
    world.send_on(LISTENER, back, Lane(0), messages(10, 4));
    world.run(SECOND);
    assert_eq!(world.end(DIALLER).forgotten, [old]);
    assert_eq!(world.end(DIALLER).got(new, Lane(0)), payloads(10, 4));

    let now = world.now;
    let node = &mut world.end(DIALLER).node;
    node.refuse(now, old, Lane(0), 0, RefuseCode::Application);
    node.consumed(now, old, Lane(0), 5);
    world.run(SECOND);
    assert_eq!(
        world.end(LISTENER).settled_to(back),
        [],
        "these were answers to others"
    );
    world.end(DIALLER).node.consumed(now, new, Lane(0), 4);
    world.run(SECOND);
    let settled = world.end(LISTENER).settled_to(back);
    assert!(settled.len() == 4 && settled.iter().all(|(_, outcome)| *outcome == DELIVERED));
}

#[test]
fn replies_to_who_does_not_come_back_fail_when_its_session_is_forgotten() {
    let mut world = World::new(4);
    world.place(DIALLER, dialler(1), 1);
    let config = NodeConfig::builder(identity(2)).accept(Trust::Any);
    let config = config.session_ttl(60 * SECOND).build().unwrap();
    world.place(LISTENER, config, 2);
    let peer = world.dial(DIALLER, LISTENER, identity(2).key());
    world.queue(DIALLER, peer, messages(0, 1));
    world.run(SECOND);
    let session = world.end(LISTENER).session();
    let back = Target::Session(session);
    assert!(world.end(LISTENER).node.snapshot(back).is_some());
    assert!(world.end(LISTENER).node.peer_stats(back).is_some());
    world.ends.remove(&DIALLER);
    world.run(15 * SECOND);
    world.send_on(LISTENER, back, Lane(0), messages(0, 3));
    world.run(30 * SECOND);
    assert_eq!(
        world.end(LISTENER).settled_to(back),
        [],
        "it may still come back"
    );
    world.run(30 * SECOND);
    let failed = Outcome::Failed(FailReason::SessionForgotten);
    let settled = world.end(LISTENER).settled_to(back);
    assert!(settled.len() == 3 && settled.iter().all(|(_, outcome)| *outcome == failed));
    assert_eq!(world.end(LISTENER).forgotten, [Source::Session(session)]);

    world.send_on(LISTENER, back, Lane(0), messages(3, 1));
    world.run(SECOND);
    let (id, rejected) = world.end(LISTENER).rejected.pop().unwrap();
    assert_eq!((id, rejected.reason), (MessageId(3), RejectReason::Stopped));
    assert_eq!(rejected.payload, payload(3));
    assert_eq!(world.end(LISTENER).node.capacity(back, Lane(0)).messages, 0);
    assert_eq!(world.end(LISTENER).node.snapshot(back), None);
    assert_eq!(world.end(LISTENER).node.peer_stats(back), None);
}

#[test]
fn a_reply_may_be_taken_back_while_nobody_is_there_to_get_it() {
    let (mut world, _, back) = acquainted(5);
    let now = world.now;
    world.end(LISTENER).node.cut_accepted(now);
    world.send_on(LISTENER, back, Lane(0), messages(0, 2));
    world.end(LISTENER).node.cancel(now, back, MessageId(0));
    let both = |world: &mut World| world.end(LISTENER).settled_to(back).len() == 2;
    world.queue(DIALLER, PeerHandle(0), messages(1, 1));
    assert!(world.wait(60 * SECOND, both));
    let settled = world.end(LISTENER).settled_to(back);
    let expected = [
        (MessageId(0), Outcome::Cancelled),
        (MessageId(1), DELIVERED),
    ];
    assert_eq!(settled, expected);
}

#[test]
fn removing_a_peer_forgets_what_it_has_sent() {
    let (mut world, peer, back) = acquainted(6);
    world.end(DIALLER).consumes = false;
    world.send_on(LISTENER, back, Lane(0), messages(0, 1));
    world.run(SECOND);
    world.end(DIALLER).node.remove_peer(peer);
    world.run(SECOND);
    let source = of_peer(peer, 0);
    assert_eq!(world.end(DIALLER).forgotten, [source]);
    let now = world.now;
    world.end(DIALLER).node.consumed(now, source, Lane(0), 1);
    world.run(SECOND);
    assert_eq!(world.end(LISTENER).settled_to(back), []);
}

#[test]
fn a_session_that_is_stopped_sends_its_replies_first_and_its_dialler_comes_again() {
    let (mut world, peer, back) = acquainted(7);
    world.send_on(LISTENER, back, Lane(0), messages(0, 20));
    let now = world.now;
    let session = world.end(LISTENER).session();
    let mode = StopMode::Drain(10 * SECOND);
    world.end(LISTENER).node.stop_session(now, session, mode);
    world.run(SECOND);
    assert_eq!(
        world.end(DIALLER).got(of_peer(peer, 0), Lane(0)),
        payloads(0, 20)
    );
    let settled = world.end(LISTENER).settled_to(back);
    assert!(settled.len() == 20 && settled.iter().all(|(_, outcome)| *outcome == DELIVERED));
    assert_eq!(world.end(LISTENER).forgotten, [Source::Session(session)]);
    let errors = world.end(DIALLER).errors(peer);
    let code = peer_sender_core::CloseCode::GoingAway;
    assert!(matches!(&errors[..], [LinkError::Closed { code: of, .. }] if *of == code));

    world.queue(DIALLER, peer, messages(1, 1));
    let again = |world: &mut World| world.end(LISTENER).sources.len() == 2;
    assert!(world.wait(10 * SECOND, again), "as a new session");
}

#[test]
fn a_node_that_stops_sends_its_replies_first() {
    let (mut world, peer, back) = acquainted(9);
    world.send_on(LISTENER, back, Lane(2), messages(0, 500));
    let now = world.now;
    let mode = StopMode::Drain(10 * SECOND);
    world.end(LISTENER).node.stop(now, mode);
    world.send_on(LISTENER, back, Lane(2), messages(500, 1));
    let stopped = |world: &mut World| world.end(LISTENER).node.is_stopped();
    assert!(world.wait(5 * SECOND, stopped));
    assert_eq!(
        world.end(DIALLER).got(of_peer(peer, 0), Lane(2)),
        payloads(0, 500)
    );
    let end = world.end(LISTENER);
    assert_eq!(end.settled_to(back).len(), 500);
    assert!(end.settled_to(back).iter().all(|(_, it)| *it == DELIVERED));
    let (id, rejected) = &end.rejected[0];
    assert_eq!(
        (*id, rejected.reason),
        (MessageId(500), RejectReason::Stopped)
    );
}

#[test]
fn a_peer_that_is_drained_answers_the_replies_that_came() {
    let (mut world, peer, back) = acquainted(10);
    world.end(DIALLER).consumes = false;
    world.send_on(LISTENER, back, Lane(0), messages(0, 10));
    world.run(SECOND);
    let now = world.now;
    let mode = StopMode::Drain(10 * SECOND);
    world.end(DIALLER).node.stop_peer(now, peer, mode);
    world.run(SECOND);
    assert_eq!(
        world.end(LISTENER).settled_to(back),
        [],
        "nobody has answered"
    );
    let now = world.now;
    world.end(DIALLER).consume(now);
    world.run(SECOND);
    assert_eq!(world.end(LISTENER).settled_to(back).len(), 10);
    let reason = StopReason::Drained;
    let last = world.end(DIALLER).said(peer).last();
    assert_eq!(last, Some(&PeerEvent::SenderStopped { reason }));
}

/// Bytes of messages that each end has for each lane: more than all windows and limits hold.
const LARGE: usize = 64 << 10;

fn large(first: u64, count: u64) -> impl Iterator<Item = (u64, Bytes)> {
    (first..first + count).map(|id| (id, Bytes::from(vec![id as u8; LARGE])))
}

#[test]
fn receipts_get_through_while_both_applications_read_nothing_and_every_lane_is_full() {
    const LANES: u64 = 8;
    const OF_A_LANE: u64 = 48;
    let mut world = World::new(8);
    let config = NodeConfig::builder(identity(2)).accept(Trust::Any);
    let config = config.message_bytes_max(LARGE).inbound_bytes_max(1 << 20);
    world.place(DIALLER, dialler(1), 1).consumes = false;
    world.place(LISTENER, config.build().unwrap(), 2).consumes = false;
    let config = Config::builder(address(LISTENER));
    let config = config.message_bytes_max(LARGE).inbound_bytes_max(1 << 20);
    let peer = world.dial_with(DIALLER, identity(2).key(), config.build().unwrap());
    let there = Target::Peer(peer);
    for lane in 0..LANES {
        let messages = large(lane * OF_A_LANE, OF_A_LANE);
        world.send_on(DIALLER, there, Lane(lane as u8), messages);
    }
    world.run(SECOND);
    let back = Target::Session(world.end(LISTENER).session());
    for lane in 0..LANES {
        let messages = large(lane * OF_A_LANE, OF_A_LANE);
        world.send_on(LISTENER, back, Lane(lane as u8), messages);
    }
    world.run(60 * SECOND);
    let held = |world: &mut World, end: Place| world.end(end).received.len();
    let [at_dialler, at_listener] = [DIALLER, LISTENER].map(|end| held(&mut world, end));
    for held in [at_dialler, at_listener] {
        assert!(
            (8..=16).contains(&held),
            "{held} messages of 64 KiB in 1 MiB"
        );
    }
    assert_eq!(world.end(DIALLER).settled_to(there).len(), 0);
    assert_eq!(world.end(LISTENER).settled_to(back).len(), 0);

    // What one end takes is receipted, although it reads nothing of what comes to it itself.
    let now = world.now;
    world.end(LISTENER).consume(now);
    world.run(10 * SECOND);
    assert_eq!(world.end(DIALLER).settled_to(there).len(), at_listener);
    assert_eq!(
        held(&mut world, DIALLER),
        at_dialler,
        "nothing was read there"
    );
    let now = world.now;
    world.end(DIALLER).consume(now);
    world.run(10 * SECOND);
    assert_eq!(world.end(LISTENER).settled_to(back).len(), at_dialler);

    // Both read on, and all of it arrives.
    for end in [DIALLER, LISTENER] {
        let now = world.now;
        world.end(end).consumes = true;
        world.end(end).consume(now);
    }
    let all = (LANES * OF_A_LANE) as usize;
    assert!(world.wait(60 * SECOND, |world| {
        let [there, back] = [
            world.end(DIALLER).settled_to(there).len(),
            world.end(LISTENER).settled_to(back).len(),
        ];
        there == all && back == all
    }));
    assert_eq!(
        world.end(DIALLER).errors(peer),
        [],
        "reading nothing is no error"
    );
}
