//! Limits: consumers that do not answer, too many handshakes, too many connections, many peers.

use std::time::Duration;

use bytes::Bytes;
use peer_sender_core::{Config, LinkError};

use super::nodes::*;
use super::world::World;
use crate::{NodeConfig, PeerConfig, Trust};

#[test]
fn a_consumer_that_does_not_answer_holds_the_sender_back() {
    let mut world = World::new(1);
    world.place(1, dialler(1), 1);
    let config = NodeConfig::builder(identity(2))
        .accept(Trust::Any)
        .message_bytes_max(1 << 20)
        .inbound_bytes_max(2 << 20)
        .build()
        .unwrap();
    world.place(2, config, 2).consumes = false;
    // The sender itself would send all of it.
    let sender = Config::builder(address(2)).flight_bytes_max(64 << 20);
    let peer = world.dial_with(1, identity(2).key(), sender.build().unwrap());
    let (size, count) = (64 << 10, 200);
    world.queue(
        1,
        peer,
        (0..count).map(|id| (id, Bytes::from(vec![id as u8; size]))),
    );
    world.run(Duration::from_secs(120));
    let held = world.end(2).received.len() * size;
    assert!(held > 1 << 20 && held <= 2 << 20, "{held} bytes held");
    let sent: usize = world.sent.iter().filter(|s| s.1 == 1).map(|s| s.3).sum();
    assert!(
        sent < 4 << 20,
        "{sent} bytes are beyond budget, stream window and one turn"
    );
    assert_eq!(world.end(1).settled(peer), []);
    assert_eq!(world.end(1).errors(peer), [], "slow is not an error");

    let now = world.now;
    world.end(2).consumes = true;
    world.end(2).consume(now);
    let all = |world: &mut World| world.end(1).settled(peer).len() as u64 == count;
    assert!(world.wait(Duration::from_secs(20), all));
    let received = world
        .end(2)
        .received
        .iter()
        .map(|(_, _, payload)| payload[0]);
    assert!(received.eq((0..count).map(|id| id as u8)));
}

#[test]
fn what_is_held_of_a_key_and_of_all_keys_is_bounded() {
    const LARGE: usize = 64 << 10;
    let mut world = World::new(7);
    let config = NodeConfig::builder(identity(9)).accept(Trust::Any);
    let config = config.message_bytes_max(LARGE);
    let config = config.inbound_bytes_max(16 * LARGE);
    let config = config.inbound_bytes_total_max(40 * LARGE);
    world.place(9, config.build().unwrap(), 9).consumes = false;
    // Each has three peers that are the same listener: three sessions of its key.
    let mut peers = Vec::new();
    for place in 1..=3 {
        world.place(place, dialler(place as u8), place as u8);
        for number in 0..3 {
            let now = world.now;
            let config = PeerConfig::new(identity(9).key(), address(9)).unwrap();
            let node = &mut world.end(place).node;
            let peer = node
                .add_peer(now, format!("session {number}"), config)
                .unwrap();
            let large = (0..20).map(|id| (id, Bytes::from(vec![id as u8; LARGE])));
            world.queue(place, peer, large);
            peers.push((place, peer));
        }
        // The books of each message count as well, and a session that holds nothing may have one.
        world.run(Duration::from_secs(30));
        let of_key = |world: &mut World| {
            let key = identity(place as u8).key();
            let received = world.end(9).received.iter();
            received.filter(|(from, _, _)| *from == key).count()
        };
        let held = of_key(&mut world);
        match place {
            1 | 2 => assert!((15..=18).contains(&held), "{held} messages of one key"),
            _ => assert!((1..=11).contains(&held), "{held} messages of the last"),
        }
    }
    let held = world.end(9).received.len();
    assert!((38..=49).contains(&held), "{held} messages of all");

    let now = world.now;
    world.end(9).consumes = true;
    world.end(9).consume(now);
    let all = |world: &mut World| {
        let mut settled = peers
            .iter()
            .map(|&(place, peer)| world.end(place).settled(peer).len());
        settled.all(|settled| settled == 20)
    };
    assert!(world.wait(Duration::from_secs(60), all), "and all goes on");
}

#[test]
fn connections_beyond_the_limit_are_refused_as_busy() {
    let mut world = World::new(2);
    let config = NodeConfig::builder(identity(9))
        .accept(Trust::Any)
        .connections_max(3);
    world.place(9, config.build().unwrap(), 9);
    let peers: Vec<_> = (1..=5)
        .map(|place| {
            world.place(place, dialler(place as u8), place as u8);
            (place, world.dial(place, 9, identity(9).key()))
        })
        .collect();
    world.run(Duration::from_millis(50));
    let connected: Vec<_> = peers
        .iter()
        .map(|&(place, peer)| world.end(place).connected(peer))
        .collect();
    assert_eq!(connected, [1, 1, 1, 0, 0]);
    assert_eq!(world.end(4).errors(peers[3].1), [LinkError::Busy]);
    assert_eq!(
        world.end(9).turned_away,
        [(None, LinkError::Busy), (None, LinkError::Busy)]
    );
    assert_eq!(world.end(9).node.stats().refused, 2);
    assert_eq!(world.end(9).node.stats().connections, 3);

    // Room that is made is taken.
    let (first, peer) = peers[0];
    let now = world.now;
    world
        .end(first)
        .node
        .stop_peer(now, peer, peer_sender_core::StopMode::Abort);
    world.run(Duration::from_secs(5));
    assert_eq!(world.end(9).node.stats().accepted, 4);
}

/// QUIC holds a connection that is over for three probe timeouts, which on a slow path is long.
#[test]
fn a_connection_that_is_over_gives_its_place_up_to_who_comes() {
    let mut world = World::new(6);
    world.one_way = Duration::from_millis(500);
    let config = NodeConfig::builder(identity(9))
        .accept(Trust::Any)
        .connections_max(1);
    world.place(9, config.build().unwrap(), 9);
    world.place(1, dialler(1), 1);
    world.place(2, dialler(2), 2);
    let first = world.dial(1, 9, identity(9).key());
    world.run(Duration::from_secs(10));
    assert_eq!(world.end(1).connected(first), 1);

    let now = world.now;
    let abort = peer_sender_core::StopMode::Abort;
    world.end(1).node.stop_peer(now, first, abort);
    world.run(Duration::from_millis(600));
    world.one_way = Duration::from_millis(10);
    assert_eq!(
        world.end(9).node.stats().connections,
        1,
        "QUIC still holds it"
    );
    let second = world.dial(2, 9, identity(9).key());
    world.run(Duration::from_secs(1));
    assert_eq!(world.end(2).connected(second), 1);
    assert_eq!(world.end(9).node.stats().connections, 1);
    assert_eq!(world.end(9).node.stats().refused, 0);
}

#[test]
fn many_handshakes_at_once_must_prove_their_address() {
    let mut world = World::new(3);
    let config = NodeConfig::builder(identity(100))
        .accept(Trust::Any)
        .handshakes_max(8);
    world.place(100, config.build().unwrap(), 100);
    let peers: Vec<_> = (1..=30)
        .map(|place| {
            world.place(place, dialler(place as u8), place as u8);
            (place, world.dial(place, 100, identity(100).key()))
        })
        .collect();
    world.run(Duration::from_millis(6));
    assert_eq!(
        world.end(100).node.stats().connections,
        4,
        "the rest got a Retry"
    );
    let all = |world: &mut World| world.end(100).node.stats().accepted == 30;
    assert!(
        world.wait(Duration::from_secs(1), all),
        "a refused dialler comes back soon"
    );
    world.run(Duration::from_millis(50));
    for (place, peer) in peers {
        assert_eq!(world.end(place).connected(peer), 1);
        let errors = world.end(place).errors(peer);
        assert!(
            errors.iter().all(|error| *error == LinkError::Busy),
            "{errors:?}"
        );
    }
}

#[test]
fn handshakes_that_do_not_go_on_give_their_place_back() {
    let mut world = World::new(4);
    let config = NodeConfig::builder(identity(100))
        .accept(Trust::Any)
        .handshakes_max(2);
    world.place(100, config.build().unwrap(), 100);
    world.place(1, dialler(1), 1);
    world.dial(1, 100, identity(100).key());
    // Its first flight arrives, and then it is dead.
    world.run(Duration::from_millis(5));
    world.ends.remove(&1);
    world.run(Duration::from_millis(500));
    assert_eq!(world.end(100).node.stats().connections, 1);
    world.run(Duration::from_secs(5));
    assert_eq!(world.end(100).node.stats().connections, 0);
    assert_eq!(world.end(100).node.stats().handshakes_failed, 1);
    assert_eq!(
        world.end(100).turned_away,
        [(None, LinkError::ConnectTimeout)]
    );
}

#[test]
fn one_node_sends_to_two_hundred_peers() {
    let mut world = World::new(5);
    world.place(500, dialler(1), 1);
    let peers: Vec<_> = (1..=200)
        .map(|place| {
            let number = 20 + (place % 200) as u8;
            world.place(place, listener(number, trust(1)), place as u8);
            world.dial(500, place, identity(number).key())
        })
        .collect();
    for &peer in &peers {
        world.queue(500, peer, messages(0, 50));
    }
    let all = |world: &mut World| {
        let settled = &world.end(500).settled;
        settled.len() == 200 && settled.values().all(|settled| settled.len() == 50)
    };
    assert!(world.wait(Duration::from_secs(10), all));
    for place in 1..=200 {
        assert_received(world.end(place), 50);
    }
    for &peer in &peers {
        assert_eq!(world.end(500).errors(peer), []);
    }
}

#[test]
fn two_hundred_diallers_are_served_by_one_node() {
    let mut world = World::new(6);
    world.place(500, listener(250, Trust::Any), 250);
    let peers: Vec<_> = (1..=200)
        .map(|place| {
            world.place(place, dialler(place as u8), place as u8);
            let peer = world.dial(place, 500, identity(250).key());
            world.queue(place, peer, messages(0, 20));
            (place, peer)
        })
        .collect();
    let all = |world: &mut World| {
        peers
            .iter()
            .all(|&(place, peer)| world.end(place).settled(peer).len() == 20)
    };
    assert!(world.wait(Duration::from_secs(30), all));
    assert_eq!(world.end(500).received.len(), 4_000);
    assert_eq!(world.end(500).sources.len(), 200);
}

#[test]
fn datagrams_of_no_connection_are_dropped() {
    let mut world = World::new(7);
    world.place(1, listener(1, Trust::Any), 1);
    let meta = super::super::DatagramMeta {
        remote: address(7),
        local_ip: None,
        ecn: None,
    };
    for length in 0..1_500 {
        for first in [0x00, 0x40, 0xc0, 0xff] {
            let mut data = bytes::BytesMut::zeroed(length);
            if let Some(byte) = data.first_mut() {
                *byte = first;
            }
            let now = world.now;
            world.end(1).node.handle_datagram(now, meta, data);
        }
    }
    world.run(Duration::from_secs(1));
    assert_eq!(world.end(1).node.stats().connections, 0);
    assert_eq!(world.end(1).node.stats().datagrams_received, 6_000);
    assert!(world.sent.len() <= 256, "{} answers", world.sent.len());
    assert!(
        world.sent.iter().all(|&(_, _, _, size)| size < 1_500),
        "no amplification"
    );
}
