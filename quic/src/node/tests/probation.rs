//! Reports that nobody is there, while somebody is.

use std::time::Duration;

use peer_sender_core::{Config, LinkError};

use super::nodes::*;
use super::world::World;

/// A connection that stands, and a report about its host. Then its peer is slow to answer for
/// this long. Returns why the connection was lost, if it was.
fn reported(one_port: bool, pause: Duration) -> Option<LinkError> {
    let mut world = World::new(1);
    world.place(1, dialler(1), 1);
    world.place(2, listener(2, trust(1)), 2);
    let peer = world.dial(1, 2, identity(2).key());
    world.queue(1, peer, messages(0, 1));
    world.run(Duration::from_secs(1));
    assert_eq!(world.end(1).settled(peer).len(), 1);
    let mut other = address(2);
    if !one_port {
        other.set_port(9);
    }
    let other = Config::builder(other).build().unwrap();
    world.one_way = pause / 2;
    let now = world.now;
    let id = String::from("another peer on that host");
    let config = crate::PeerConfig::with(identity(3).key(), other);
    world.end(1).node.add_peer(now, id, config).unwrap();
    world.end(1).node.handle_unreachable(now, address(2).ip());
    world.run(Duration::from_secs(3));
    world.end(1).errors(peer).into_iter().next()
}

#[test]
fn a_pause_is_not_taken_for_death_when_another_port_may_be_meant() {
    let pause = Duration::from_millis(600);
    assert_eq!(reported(false, pause), None);
    assert_eq!(reported(true, pause), Some(LinkError::Unreachable));
    let too_long = Duration::from_millis(1_200);
    assert_eq!(reported(false, too_long), Some(LinkError::Unreachable));
}
