//! Connections without lanes that this end closes: what the other end's transport was told to have
//! arrived is given out all the same.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use peer_sender_core::{Config, Lane, Level, MessageId, Outcome, PeerEvent, StopMode, StopReason};

use super::nodes::*;
use super::world::World;
use crate::node::{PeerHandle, Target};
use crate::{NodeConfig, NodeConfigBuilder, Trust};

const SECOND: Duration = Duration::from_secs(1);
const MS: Duration = Duration::from_millis(1);
const DRAIN: StopMode = StopMode::Drain(Duration::from_secs(20));

/// Of it, an application that answers nothing is given about sixty messages.
const ROOM: usize = 64 << 10;

/// What a node speaks.
type Speak = fn(NodeConfigBuilder) -> NodeConfigBuilder;

const WITHOUT_LANES: [Speak; 2] = [|it| it.plain("test"), |it| it.framed("test")];

/// A dialler at 1 that is connected to a listener at 2; both have little room, and applications that
/// answer nothing.
fn connected(speak: Speak) -> (World, PeerHandle) {
    let mut world = World::new(1);
    let small = |it: NodeConfigBuilder| it.message_bytes_max(ROOM).inbound_bytes_max(ROOM);
    let dialler = speak(NodeConfig::builder(identity(1))).build().unwrap();
    let listener = small(speak(NodeConfig::builder(identity(2))));
    let listener = listener.accept(Trust::Any).build().unwrap();
    let key = listener.key();
    world.place(1, dialler, 1).consumes = false;
    world.place(2, listener, 2).consumes = false;
    let config = Config::builder(address(2)).message_bytes_max(ROOM);
    let config = config.inbound_bytes_max(ROOM).build().unwrap();
    let peer = world.dial_with(1, key, config);
    world.run(SECOND);
    (world, peer)
}

fn kilobytes(first: u64, count: u64) -> impl Iterator<Item = (u64, Bytes)> {
    (first..first + count).map(|id| {
        let mut payload = id.to_be_bytes().to_vec();
        payload.resize(1_024, 7);
        (id, Bytes::from(payload))
    })
}

/// Messages that this end was told to have arrived.
fn told(world: &mut World, at: Place, to: Target) -> BTreeSet<u64> {
    let settled = world.end(at).settled_to(to).iter();
    let arrived = settled.filter(|(_, outcome)| {
        matches!(
            outcome,
            Outcome::Written | Outcome::Delivered(Level::Transport)
        )
    });
    arrived.map(|&(MessageId(id), _)| id).collect()
}

/// Messages that this end was given, none of them twice.
fn given(world: &mut World, at: Place) -> BTreeSet<u64> {
    let received = &world.end(at).received;
    let ids = received.iter().map(|(_, _, payload)| {
        let (id, _) = payload.split_first_chunk().unwrap();
        u64::from_be_bytes(*id)
    });
    let given: BTreeSet<u64> = ids.collect();
    assert_eq!(given.len(), received.len(), "one was given out twice");
    given
}

/// Lets this end's application answer all that it is given, for a while.
fn answer(world: &mut World, at: Place) {
    for _ in 0..200 {
        let now = world.now;
        world.end(at).consume(now);
        world.run(10 * MS);
    }
}

#[test]
fn a_listener_that_stops_gives_out_what_has_come() {
    for speak in WITHOUT_LANES {
        let (mut world, peer) = connected(speak);
        world.queue(1, peer, kilobytes(0, 400));
        world.run(2 * SECOND);
        let told_before = told(&mut world, 1, Target::Peer(peer));
        let given_before = given(&mut world, 2);
        assert!(given_before.len() + 100 < told_before.len(), "all was read");
        let now = world.now;
        world.end(2).node.stop(now, DRAIN);
        world.run(SECOND);
        let snapshot = world.end(1).node.snapshot(Target::Peer(peer)).unwrap();
        assert!(snapshot.machine.last_error.is_some(), "it was told at once");
        assert!(!world.end(2).node.is_stopped(), "messages are held");
        answer(&mut world, 2);
        assert!(world.end(2).node.is_stopped());
        let told = told(&mut world, 1, Target::Peer(peer));
        assert!(told.is_superset(&told_before));
        assert!(given(&mut world, 2).is_superset(&told));
    }
}

#[test]
fn a_listener_that_stops_at_once_waits_for_nobody() {
    for speak in WITHOUT_LANES {
        let (mut world, peer) = connected(speak);
        world.queue(1, peer, kilobytes(0, 400));
        world.run(2 * SECOND);
        let now = world.now;
        world.end(2).node.stop(now, StopMode::Abort);
        world.run(MS);
        assert!(world.end(2).node.is_stopped());
    }
}

#[test]
fn a_dialler_that_parts_gives_out_what_has_come() {
    let parts: [fn(&mut World, PeerHandle); 3] = [
        |world, peer| {
            let now = world.now;
            world.end(1).node.stop_peer(now, peer, DRAIN);
        },
        |world, peer| {
            let (now, elsewhere) = (world.now, vec![address(3)]);
            world.end(1).node.set_addresses(now, peer, elsewhere);
        },
        |world, _| {
            let now = world.now;
            world.end(1).node.replace_identity(now, identity(3));
        },
    ];
    for speak in WITHOUT_LANES {
        for (which, part) in parts.iter().enumerate() {
            let (mut world, peer) = connected(speak);
            world.queue(1, peer, kilobytes(0, 1));
            world.run(SECOND);
            let back = Target::Session(world.end(2).session());
            world.send_on(2, back, Lane(0), kilobytes(0, 400));
            world.run(2 * SECOND);
            let told_before = told(&mut world, 2, back);
            let given_before = given(&mut world, 1);
            assert!(given_before.len() + 100 < told_before.len(), "all was read");
            part(&mut world, peer);
            world.run(SECOND);
            answer(&mut world, 1);
            let told = told(&mut world, 2, back);
            assert!(told.is_superset(&told_before));
            assert!(given(&mut world, 1).is_superset(&told), "{which}");
            let last = world.end(1).said(peer).last();
            let drained = StopReason::Drained;
            let stopped = Some(&PeerEvent::SenderStopped { reason: drained });
            assert_eq!(last == stopped, which == 0, "{last:?}");
        }
    }
}
