//! Connections whose other end shows up at new addresses (RFC 9000 section 9).

use std::time::Duration;

use peer_sender_core::{CloseCode, LinkError};

use super::nodes::*;
use super::world::World;
use crate::node::rate::MOVES_MAX;
use crate::{PeerHandle, Trust};

const DIALLER: usize = 1;
const LISTENER: usize = 2;

/// From here on nobody is at any place.
const NOWHERE: usize = 10_000;

fn connected() -> (World, PeerHandle) {
    let mut world = World::new(1);
    world.place(DIALLER, dialler(1), 1);
    world.place(LISTENER, listener(2, Trust::Any), 2);
    let peer = world.dial(DIALLER, LISTENER, identity(2).key());
    world.queue(DIALLER, peer, messages(0, 1));
    world.run(Duration::from_secs(1));
    (world, peer)
}

/// Sends a message each time that the dialler seems to have moved.
fn moves(world: &mut World, peer: PeerHandle, times: u64, every: Duration) {
    for id in 1..=times {
        world.seems.insert(DIALLER, NOWHERE + id as usize);
        world.queue(DIALLER, peer, messages(id, 1));
        world.run(every);
    }
}

#[test]
fn a_connection_follows_a_peer_that_moves_now_and_then() {
    let (mut world, peer) = connected();
    moves(&mut world, peer, 60, Duration::from_secs(2));
    assert_received(world.end(LISTENER), 61);
    assert_eq!(world.end(DIALLER).connected(peer), 1);
    assert_eq!(world.end(DIALLER).errors(peer), []);
    assert_eq!(world.end(LISTENER).node.stats().overloads, 0);
}

#[test]
fn addresses_that_a_peer_claims_get_little() {
    let (mut world, peer) = connected();
    // It moves on before the last address can be proven, and nobody answers there.
    world.one_way = Duration::from_millis(50);
    let before = world.sent.len();
    moves(&mut world, peer, 40, Duration::from_millis(60));
    let elsewhere = world.sent[before..].iter().filter(|it| it.2 > NOWHERE);
    let bytes: usize = elsewhere.map(|it| it.3).sum();
    let bound = (MOVES_MAX as usize + 1) * 3 * 1_472;
    assert!(bytes > 0 && bytes <= bound, "{bytes} bytes of {bound}");
    assert!(world.end(LISTENER).node.stats().overloads > 0);
    let (code, reason) = (
        CloseCode::ExcessiveLoad,
        "it moved to another address too often",
    );
    let reason = String::from(reason);
    let closed = (Some(identity(1).key()), LinkError::Closed { code, reason });
    assert!(world.end(LISTENER).turned_away.contains(&closed));

    // Where it stays in one place, everything arrives.
    world.seems.clear();
    let all = |world: &mut World| world.end(DIALLER).settled(peer).len() == 41;
    assert!(world.wait(Duration::from_secs(60), all));
    assert_received(world.end(LISTENER), 41);
}
