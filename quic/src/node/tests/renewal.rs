//! Nodes that get another identity while they run.

use std::collections::BTreeSet;
use std::time::Duration;

use peer_sender_core::{
    Config, FailReason, Lane, LinkError, MessageId, Outcome, PeerEvent, PeerKey, Redelivery,
    StopMode,
};

use super::nodes::*;
use super::world::World;
use crate::node::{PeerConfig, PeerHandle, Target};
use crate::{ConnectionRole, Identity, Naming, NodeConfig, NodeConfigBuilder, Trust};

const SECOND: Duration = Duration::from_secs(1);
const MS: Duration = Duration::from_millis(1);

/// What a node speaks.
type Speak = fn(NodeConfigBuilder) -> NodeConfigBuilder;

const SPOKEN: [Speak; 3] = [|it| it, |it| it.plain("test"), |it| it.acki_nacki()];

/// A node at 1 that is connected to a listener at 2, which lets these in.
fn connected(speak: Speak, known: &[u8]) -> (World, PeerHandle) {
    let mut world = World::new(1);
    let dialler = speak(NodeConfig::builder(identity(1))).build().unwrap();
    let naming = dialler.naming();
    let known = known.iter().map(|&it| identity(it).key_as(naming));
    let listener = speak(NodeConfig::builder(identity(2))).accept(Trust::Keys(known.collect()));
    let listener = listener.build().unwrap();
    let key = listener.key();
    world.place(1, dialler, 1);
    world.place(2, listener, 2);
    let peer = world.dial(1, 2, key);
    world.run(SECOND);
    assert_eq!(world.end(1).connected(peer), 1);
    (world, peer)
}

fn replace(world: &mut World, place: Place, number: u8) {
    let now = world.now;
    world
        .end(place)
        .node
        .replace_identity(now, identity(number));
}

/// Queues ten messages each 5 ms, from this one on, for a second.
fn send_for_a_second(world: &mut World, peer: PeerHandle, first: u64) {
    for step in 0..200 {
        world.queue(1, peer, messages(first + 10 * step, 10));
        world.run(5 * MS);
    }
}

/// Whose messages came, without repetitions.
fn senders(world: &mut World) -> Vec<PeerKey> {
    let received = world.end(2).received.iter();
    let mut keys: Vec<PeerKey> = received.map(|(key, ..)| *key).collect();
    keys.dedup();
    keys
}

fn payloads(world: &mut World) -> Vec<Vec<u8>> {
    let received = world.end(2).received.iter();
    received.map(|(_, _, payload)| payload.to_vec()).collect()
}

#[test]
fn messages_go_on_as_another_identity_without_loss_or_repetition() {
    for speak in SPOKEN {
        for loss in [0, 5] {
            let (mut world, peer) = connected(speak, &[1, 3]);
            world.loss = loss;
            send_for_a_second(&mut world, peer, 0);
            replace(&mut world, 1, 3);
            send_for_a_second(&mut world, peer, 2_000);
            let all = |world: &mut World| world.end(1).settled(peer).len() == 4_000;
            assert!(world.wait(30 * SECOND, all));

            let mut came = payloads(&mut world);
            let mut sent: Vec<Vec<u8>> = messages(0, 4_000).map(|it| it.1.to_vec()).collect();
            came.sort_unstable();
            sent.sort_unstable();
            assert_eq!(came.len(), sent.len());
            assert!(came == sent, "each once");
            let settled = world.end(1).settled(peer);
            let is_good = |it: &Outcome| matches!(it, Outcome::Delivered(_) | Outcome::Written);
            assert!(settled.iter().all(|it| is_good(&it.1)));

            assert_eq!(world.end(1).errors(peer), [LinkError::Moved]);
            assert_eq!(world.end(1).connected(peer), 2);
            let naming = speak(NodeConfig::builder(identity(1)))
                .build()
                .unwrap()
                .naming();
            let keys = [1, 3].map(|it| identity(it).key_as(naming));
            assert_eq!(senders(&mut world), keys);
        }
    }
}

#[test]
fn the_new_connection_stands_before_the_old_one_is_left() {
    for speak in SPOKEN {
        let (mut world, peer) = connected(speak, &[1, 3]);
        world.queue(1, peer, messages(0, 10));
        world.run(SECOND);
        replace(&mut world, 1, 3);
        let before = world.end(1).said(peer).len();
        let moved = |world: &mut World| world.end(1).said(peer).len() > before;
        assert!(world.wait(SECOND, moved));
        let now = world.now;
        let said: Vec<PeerEvent> = world.end(1).said(peer)[before..].to_vec();
        let [
            PeerEvent::Disconnected { error, retry_at },
            PeerEvent::Connecting { .. },
            PeerEvent::Connected { .. },
        ] = &said[..]
        else {
            panic!("{said:?}");
        };
        assert_eq!((error, *retry_at), (&LinkError::Moved, Some(now)));
        assert_eq!(world.end(2).node.stats().accepted, 2);
        world.run(SECOND);
        assert_eq!(world.end(1).node.stats().connections, 1);
        assert_eq!(world.end(2).node.stats().connections, 1);
    }
}

#[test]
fn an_identity_that_is_refused_costs_no_message() {
    for speak in SPOKEN {
        let (mut world, peer) = connected(speak, &[1]);
        send_for_a_second(&mut world, peer, 0);
        replace(&mut world, 1, 3);
        send_for_a_second(&mut world, peer, 2_000);
        let naming = speak(NodeConfig::builder(identity(3)))
            .build()
            .unwrap()
            .naming();
        let ours = identity(3).key_as(naming);
        let errors = world.end(1).errors(peer);
        assert_eq!(errors[0], LinkError::Moved);
        let refused = LinkError::IdentityRefused { ours };
        assert!(errors.len() > 1 && errors[1..].iter().all(|it| *it == refused));

        // The wait after a refusal is long, and ends now.
        replace(&mut world, 1, 1);
        world.run(100 * MS);
        assert_eq!(world.end(1).connected(peer), 2);
        let all = |world: &mut World| world.end(1).settled(peer).len() == 4_000;
        assert!(world.wait(10 * SECOND, all));
        let mut came = payloads(&mut world);
        let mut sent: Vec<Vec<u8>> = messages(0, 4_000).map(|it| it.1.to_vec()).collect();
        came.sort_unstable();
        sent.sort_unstable();
        assert!(came == sent, "each once");
    }
}

#[test]
fn a_listener_is_met_as_who_it_is_now_and_keeps_whom_it_has() {
    for speak in SPOKEN {
        let (mut world, peer) = connected(speak, &[1, 4]);
        replace(&mut world, 2, 3);
        let dialler = speak(NodeConfig::builder(identity(4))).build().unwrap();
        let naming = dialler.naming();
        world.place(4, dialler, 4);
        let new = world.dial(4, 2, identity(3).key_as(naming));
        world.run(SECOND);
        assert_eq!(world.end(4).connected(new), 1);

        world.queue(1, peer, messages(0, 10));
        world.run(SECOND);
        assert_received(world.end(2), 10);
        assert_eq!(world.end(1).errors(peer), []);
        assert_eq!(world.end(1).connected(peer), 1);
    }
}

#[test]
fn who_does_not_answer_is_waited_for_only_so_long() {
    let (mut world, peer) = connected(|it| it, &[1, 3]);
    world.end(2).consumes = false;
    world.queue(1, peer, messages(0, 10));
    world.run(SECOND);
    replace(&mut world, 1, 3);
    world.run(Duration::from_millis(4_900));
    assert_eq!(world.end(1).errors(peer), []);
    world.queue(1, peer, messages(10, 10));
    world.run(SECOND);
    assert_eq!(world.end(1).errors(peer), [LinkError::Moved]);
    assert_eq!(world.end(1).connected(peer), 2);
}

#[test]
fn at_most_once_what_was_not_answered_is_unknown() {
    let mut world = World::new(7);
    world.place(1, dialler(1), 1);
    let both = Trust::Keys([1, 3].map(|it| identity(it).key()).into());
    world.place(2, listener(2, both), 2).consumes = false;
    let config = Config::builder(address(2)).redelivery(Redelivery::AtMostOnce);
    let config = PeerConfig::with(identity(2).key(), config.build().unwrap());
    let peer = world.dial_as(1, config);
    world.queue(1, peer, messages(0, 10));
    world.run(SECOND);
    replace(&mut world, 1, 3);
    world.run(10 * SECOND);
    let settled = world.end(1).settled(peer);
    assert_eq!(settled.len(), 10);
    let unknown = |it: &Outcome| matches!(it, Outcome::Unknown(_));
    assert!(settled.iter().all(|it| unknown(&it.1)), "{settled:?}");
    assert_eq!(world.end(2).received.len(), 10, "none came twice");
}

#[test]
fn attempts_begin_anew_as_who_the_node_is_now() {
    let mut world = World::new(8);
    world.place(1, dialler(1), 1);
    world.place(2, listener(2, trust(3)), 2);
    let peer = world.dial(1, 2, identity(2).key());
    world.queue(1, peer, messages(0, 10));
    world.run(7 * MS);
    replace(&mut world, 1, 4);
    replace(&mut world, 1, 3);
    world.run(SECOND);
    assert_eq!(world.end(1).errors(peer), [LinkError::Moved]);
    assert_received(world.end(2), 10);
    assert_eq!(senders(&mut world), [identity(3).key()]);
}

#[test]
fn replacing_again_and_again_ends_as_the_last_one() {
    for speak in SPOKEN {
        let (mut world, peer) = connected(speak, &[1, 3, 4, 5]);
        world.jitter = 20 * MS;
        for (round, number) in [3, 4, 5, 1, 3, 4].into_iter().cycle().take(40).enumerate() {
            world.queue(1, peer, messages(10 * round as u64, 10));
            replace(&mut world, 1, number);
            world.run(Duration::from_millis(3 + 7 * round as u64));
        }
        replace(&mut world, 1, 5);
        world.run(10 * SECOND);
        world.queue(1, peer, messages(400, 10));
        let all = |world: &mut World| world.end(1).settled(peer).len() == 410;
        assert!(world.wait(60 * SECOND, all));
        let naming = speak(NodeConfig::builder(identity(5)))
            .build()
            .unwrap()
            .naming();
        assert_eq!(
            senders(&mut world).last(),
            Some(&identity(5).key_as(naming))
        );
        let errors = world.end(1).errors(peer);
        assert!(
            errors.iter().all(|it| *it == LinkError::Moved),
            "{errors:?}"
        );
        world.run(10 * SECOND);
        assert_eq!(world.end(1).node.stats().connections, 1);
    }
}

#[test]
fn a_node_ends_whatever_is_being_renewed() {
    for speak in SPOKEN {
        for wait in [0, 3, 8, 12, 18, 25, 600] {
            for mode in [StopMode::Drain(SECOND), StopMode::Abort] {
                let (mut world, peer) = connected(speak, &[1, 3]);
                world.queue(1, peer, messages(0, 100));
                replace(&mut world, 1, 3);
                world.run(wait * MS);
                let now = world.now;
                world.end(1).node.stop(now, mode);
                world.run(3 * SECOND);
                assert!(world.end(1).node.is_stopped(), "{wait} {mode:?}");
                assert_eq!(world.end(1).settled(peer).len(), 100);
                let now = world.now;
                world.end(2).node.stop(now, StopMode::Abort);
                world.run(20 * SECOND);
                assert_eq!(world.end(1).node.stats().connections, 0);
            }
        }
    }
}

#[test]
fn replies_go_on_to_whom_they_are_for() {
    let (mut world, peer) = connected(|it| it, &[1, 3]);
    world.queue(1, peer, messages(0, 10));
    world.run(SECOND);
    replace(&mut world, 1, 3);
    world.run(SECOND);
    world.queue(1, peer, messages(10, 10));
    world.run(SECOND);
    let source = *world.end(2).sources.last().unwrap();
    world.send_on(2, source.target(), Lane(0), messages(0, 5));
    world.run(SECOND);
    assert_received(world.end(1), 5);
    let Target::Session(_) = source.target() else {
        panic!("of a session");
    };
    assert_eq!(world.end(1).received[0].0, identity(2).key_as(Naming::Key));
}

#[test]
fn a_snapshot_tells_what_its_connection_is() {
    for speak in SPOKEN {
        let (mut world, peer) = connected(speak, &[1, 3]);
        let (ours, theirs) = ([1, 3].map(identity), identity(2));
        let dialler = speak(NodeConfig::builder(identity(1))).build().unwrap();
        let naming = dialler.naming();
        for (round, ours) in ours.iter().enumerate() {
            world.queue(1, peer, messages(round as u64, 1));
            world.run(SECOND);
            let certificate = |of: &Identity| of.certified().cert[0].to_vec();
            let snapshot = world.end(1).node.snapshot(Target::Peer(peer)).unwrap();
            let info = snapshot.connection.unwrap();
            assert_eq!(info.role, ConnectionRole::DirectReceiver);
            assert_eq!((info.local_ip, info.remote), (None, address(2)));
            assert_eq!(info.ours, ours.key_as(naming));
            assert_eq!(info.theirs, theirs.key_as(naming));
            assert_eq!(info.alpn, dialler.alpn());
            assert_eq!(info.certificate, certificate(&theirs));

            let session = Target::Session(world.end(2).session());
            let snapshot = world.end(2).node.snapshot(session).unwrap();
            let info = snapshot.connection.unwrap();
            assert_eq!(info.role, ConnectionRole::DirectSender);
            assert_eq!(info.remote, address(1));
            assert_eq!(info.ours, theirs.key_as(naming));
            assert_eq!(info.theirs, ours.key_as(naming));
            assert_eq!(info.certificate, certificate(ours));
            replace(&mut world, 1, 3);
            world.run(SECOND);
        }
        let now = world.now;
        world.end(1).node.stop_peer(now, peer, StopMode::Abort);
        let snapshot = world.end(1).node.snapshot(Target::Peer(peer)).unwrap();
        assert_eq!(snapshot.connection, None);
    }
}

#[test]
fn what_was_acknowledged_counts_where_a_peer_parts_while_another_identity_takes_over() {
    let parts: [fn(&mut World, PeerHandle); 2] = [
        |world, peer| {
            let now = world.now;
            world.end(1).node.stop_peer(now, peer, StopMode::Abort);
        },
        |world, peer| {
            let (now, elsewhere) = (world.now, vec![address(4)]);
            world.end(1).node.set_addresses(now, peer, elsewhere);
        },
    ];
    let round_trip = 400 * MS;
    for part in parts {
        let (mut world, peer) = connected(|it| it.acki_nacki(), &[1, 3]);
        world.one_way = round_trip / 2;
        world.run(2 * SECOND);
        replace(&mut world, 1, 3);
        let mut queued = Vec::new();
        for id in 0..95 {
            queued.push(world.now);
            world.queue(1, peer, messages(id, 1));
            world.run(10 * MS);
        }
        let now = world.now;
        assert_eq!(world.end(1).connected(peer), 1, "it still drains");
        part(&mut world, peer);
        world.run(MS);
        let came = queued.iter().take_while(|&&since| {
            let since = now.saturating_since(since);
            since > round_trip + 50 * MS
        });
        let count = came.count();
        let settled = world.end(1).settled(peer);
        let written = |(_, outcome): &(MessageId, Outcome)| *outcome == Outcome::Written;
        let first = settled.iter().take_while(|it| written(it)).count();
        assert!(first >= count && count > 40, "{first} of {count}");
    }
}

#[test]
fn a_stop_while_another_identity_takes_over_begins_no_message() {
    let [lanes, _, framed] = SPOKEN;
    for speak in [lanes, framed] {
        let (mut world, peer) = connected(speak, &[1, 3]);
        world.one_way = 200 * MS;
        world.run(2 * SECOND);
        replace(&mut world, 1, 3);
        for id in 0..95 {
            world.queue(1, peer, messages(id, 1));
            world.run(10 * MS);
        }
        assert_eq!(world.end(1).connected(peer), 1, "it still drains");
        world.queue(1, peer, messages(95, 300));
        let now = world.now;
        world.end(1).node.stop_peer(now, peer, StopMode::Abort);
        world.run(SECOND);
        let settled = world.end(1).settled(peer);
        assert_eq!(settled.len(), 395);
        let last = settled.iter().filter(|(id, _)| id.0 >= 98);
        let outcomes: BTreeSet<String> = last.map(|(_, it)| format!("{it:?}")).collect();
        let failed = format!("{:?}", Outcome::Failed(FailReason::Stopped));
        assert_eq!(outcomes, BTreeSet::from([failed]));
    }
}
