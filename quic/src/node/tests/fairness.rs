//! Diallers that take more than their share, and others who want in all the same.

use std::time::Duration;

use peer_sender_core::{CloseCode, LinkError, StopMode};

use super::nodes::*;
use super::world::World;
use crate::node::PeerHandle;
use crate::{NodeConfig, NodeConfigBuilder, PeerConfig, Trust};

const GREEDY: Place = 1;
const HONEST: Place = 2;
const LISTENER: Place = 9;

/// A listener with these limits, and both diallers.
fn world(seed: u64, limits: impl FnOnce(NodeConfigBuilder) -> NodeConfigBuilder) -> World {
    let mut world = World::new(seed);
    let config = limits(NodeConfig::builder(identity(9)).accept(Trust::Any));
    world.place(LISTENER, config.build().unwrap(), 9);
    world.place(GREEDY, dialler(1), 1);
    world.place(HONEST, dialler(2), 2);
    world
}

/// So many connections of one node to the listener.
fn dial(world: &mut World, from: Place, count: usize) -> Vec<PeerHandle> {
    let now = world.now;
    let add = |number| {
        let config = PeerConfig::new(identity(9).key(), address(LISTENER)).unwrap();
        let node = &mut world.end(from).node;
        node.add_peer(now, format!("connection {number}"), config)
            .unwrap()
    };
    (0..count).map(add).collect()
}

fn connected(world: &mut World, from: Place, peers: &[PeerHandle]) -> usize {
    peers
        .iter()
        .filter(|&&peer| world.end(from).connected(peer) > 0)
        .count()
}

#[test]
fn one_key_cannot_take_every_place() {
    let mut world = world(1, |limits| {
        limits.connections_max(8).sessions_per_key_max(2)
    });
    let greedy = dial(&mut world, GREEDY, 20);
    world.run(Duration::from_secs(5));
    assert_eq!(connected(&mut world, GREEDY, &greedy), 4);
    assert_eq!(world.end(LISTENER).node.stats().accepted, 4);
    let excessive = |error: &LinkError| {
        let code = CloseCode::ExcessiveLoad;
        matches!(error, LinkError::Closed { code: of, .. } if *of == code)
    };
    let told = greedy
        .iter()
        .filter(|&&peer| world.end(GREEDY).errors(peer).iter().any(excessive))
        .count();
    assert_eq!(told, 16, "the others are told why");
    let reported = world.end(LISTENER).turned_away.iter();
    let reported = reported.filter(|(key, error)| {
        assert!(key.is_none() || *key == Some(identity(1).key()));
        key.is_some() && excessive(error)
    });
    assert!(reported.count() >= 16);
    assert!(world.end(LISTENER).node.stats().refused >= 16);

    world.run(Duration::from_secs(55));
    let honest = dial(&mut world, HONEST, 1);
    world.run(Duration::from_millis(50));
    assert_eq!(connected(&mut world, HONEST, &honest), 1);
    assert_eq!(world.end(HONEST).errors(honest[0]), []);
}

/// However a connection ends, its place is free again, and no other one is.
#[test]
fn a_place_is_given_back_once_however_its_connection_ends() {
    type End = fn(&mut World, &[PeerHandle]);
    let ends: [(&str, End); 4] = [
        ("closed by the dialler", |world, peers| {
            let now = world.now;
            for &peer in peers {
                world.end(GREEDY).node.stop_peer(now, peer, StopMode::Abort);
            }
        }),
        ("lost", |world, _| {
            world.ends.remove(&GREEDY);
        }),
        ("cut", |world, _| {
            let now = world.now;
            world.end(LISTENER).node.cut_accepted(now);
            world.ends.remove(&GREEDY);
        }),
        ("lost, and cut at that moment", |world, _| {
            world.ends.remove(&GREEDY);
            world.now = world.now + Duration::from_secs(11);
            let now = world.now;
            world.end(LISTENER).node.handle_timeout(now);
            world.end(LISTENER).node.cut_accepted(now);
        }),
    ];
    for (how, end) in ends {
        let mut world = world(2, |limits| limits.sessions_per_key_max(1));
        for round in 0..3 {
            world.place(GREEDY, dialler(1), 10 + round);
            let peers = dial(&mut world, GREEDY, 3);
            world.run(Duration::from_millis(300));
            let got_in = connected(&mut world, GREEDY, &peers);
            assert_eq!(got_in, 2, "{how}, round {round}");
            end(&mut world, &peers);
            world.run(Duration::from_secs(20));
            let left = world.end(LISTENER).node.stats().connections;
            assert_eq!(left, 0, "{how}, round {round}");
        }
        let now = world.now;
        world.place(GREEDY, dialler(1), 20);
        dial(&mut world, GREEDY, 2);
        world.run(Duration::from_millis(300));
        world.end(LISTENER).node.stop(now, StopMode::Abort);
        world.run(Duration::from_secs(5));
        let node = &world.end(LISTENER).node;
        assert!(node.is_stopped() && node.stats().connections == 0);
    }
}

#[test]
fn handshakes_of_one_host_leave_room_for_those_of_others() {
    let mut world = world(3, |limits| limits.handshakes_max(16));
    let greedy = dial(&mut world, GREEDY, 30);
    // The first flights of all of them are there.
    world.run(Duration::from_millis(5));
    let connections = world.end(LISTENER).node.stats().connections;
    assert_eq!(connections, 2, "half of a quarter without proof");
    let honest = dial(&mut world, HONEST, 1);
    world.run(Duration::from_millis(25));
    assert_eq!(connected(&mut world, HONEST, &honest), 1, "without a Retry");

    // Whoever is many behind one address gets in bit by bit.
    let all = |world: &mut World| connected(world, GREEDY, &greedy) == 30;
    assert!(world.wait(Duration::from_secs(10), all));
    let busy = |error: &LinkError| *error == LinkError::Busy;
    for &peer in &greedy {
        assert!(world.end(GREEDY).errors(peer).iter().all(busy));
    }
    let reported = &world.end(LISTENER).turned_away;
    assert!(!reported.is_empty(), "some were too many");
    assert!(reported.iter().all(|(_, error)| busy(error)));
}

#[test]
fn a_spoofed_address_does_not_lock_its_owner_out() {
    let mut world = world(4, |limits| limits.handshakes_max(8));
    // First flights that are never followed by anything, from the honest one's address.
    world.place(HONEST, dialler(7), 7);
    dial(&mut world, HONEST, 30);
    world.run(Duration::from_micros(4_900));
    world.place(HONEST, dialler(2), 2);
    world.run(Duration::from_micros(200));
    assert_eq!(world.end(LISTENER).node.stats().connections, 1);
    let honest = dial(&mut world, HONEST, 1);
    world.run(Duration::from_millis(60));
    assert_eq!(connected(&mut world, HONEST, &honest), 1);
}

#[test]
fn strangers_that_come_again_and_again_leave_room_for_others() {
    let mut world = world(5, |limits| limits.connections_max(6).handshakes_max(16));
    let trusting = NodeConfig::builder(identity(9))
        .accept(trust(2))
        .connections_max(6)
        .handshakes_max(16);
    world.place(LISTENER, trusting.build().unwrap(), 9);
    dial(&mut world, GREEDY, 200);
    for _ in 0..200 {
        world.run(Duration::from_millis(10));
        let connections = world.end(LISTENER).node.stats().connections;
        assert!(connections <= 4, "{connections} places are a stranger's");
    }
    assert!(world.end(LISTENER).node.stats().identities_refused > 4);
    let honest = dial(&mut world, HONEST, 1);
    world.run(Duration::from_millis(50));
    assert_eq!(connected(&mut world, HONEST, &honest), 1);
}

/// The listener takes eight connections, seven of them from others that have nothing to say.
#[test]
fn who_says_nothing_gives_way_when_places_run_short() {
    let mut world = world(5, |limits| {
        limits.connections_max(8).sessions_per_key_max(8)
    });
    let honest = dial(&mut world, HONEST, 1);
    world.queue(HONEST, honest[0], messages(0, 1));
    world.run(Duration::from_secs(1));
    let mute = dial(&mut world, GREEDY, 7);
    world.run(Duration::from_secs(11));
    assert_eq!(world.end(HONEST).settled(honest[0]).len(), 1);
    assert_eq!(connected(&mut world, GREEDY, &mute), 7);
    let stats = world.end(LISTENER).node.stats();
    assert_eq!((stats.connections, stats.refused), (8, 0));
    let late = {
        let now = world.now;
        let config = PeerConfig::new(identity(9).key(), address(LISTENER)).unwrap();
        let node = &mut world.end(HONEST).node;
        node.add_peer(now, String::from("late"), config).unwrap()
    };
    let came = world.wait(Duration::from_secs(2), |world| {
        world.end(HONEST).connected(late) == 1
    });
    assert!(came, "{:?}", world.end(HONEST).errors(late));
    assert_eq!(
        world.end(HONEST).errors(late),
        [],
        "there is room for it at once"
    );
    let code = CloseCode::ExcessiveLoad;
    let gave_way = world.end(GREEDY).errors(mute[0]);
    assert!(
        matches!(&gave_way[..], [LinkError::Closed { code: of, .. }, ..] if *of == code),
        "the one that came first gives way first: {gave_way:?}"
    );
    assert_eq!(
        world.end(HONEST).errors(honest[0]),
        [],
        "whoever has sent something stays"
    );
}
