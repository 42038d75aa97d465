//! Who is who: wrong keys, keys that are not trusted, peers that speak something else.

use std::time::Duration;

use peer_sender_core::{ErrorClass, LinkError, PeerEvent};

use super::nodes::*;
use super::world::World;
use crate::Trust;

#[test]
fn whoever_has_the_wrong_key_gets_no_message() {
    let mut world = World::new(1);
    world.place(1, dialler(1), 1);
    world.place(2, listener(2, Trust::Any), 2);
    let (expected, offered) = (identity(3).key(), identity(2).key());
    let peer = world.dial(1, 2, expected);
    world.queue(1, peer, messages(0, 10));
    world.run(Duration::from_secs(2));
    let error = LinkError::WrongIdentity { expected, offered };
    assert_eq!(error.class(), ErrorClass::Permanent);
    assert_eq!(world.end(1).errors(peer), [error]);
    assert_eq!(world.end(1).connected(peer), 0);
    assert_eq!(world.end(2).received.len(), 0);
    assert_eq!(world.end(2).node.stats().accepted, 0);
    assert_eq!(world.end(2).node.stats().handshakes_failed, 1);
    assert_eq!(world.end(2).turned_away, [(None, LinkError::NotExpected)]);
}

#[test]
fn a_dialler_that_is_not_trusted_is_told_so_and_never_counts_as_connected() {
    let mut world = World::new(2);
    world.place(1, dialler(1), 1);
    world.place(2, listener(2, trust(3)), 2);
    let peer = world.dial(1, 2, identity(2).key());
    world.queue(1, peer, messages(0, 10));
    world.run(Duration::from_secs(2));
    let ours = identity(1).key();
    let error = LinkError::IdentityRefused { ours };
    assert_eq!(error.class(), ErrorClass::Permanent);
    let told = LinkError::NotAllowed { offered: ours };
    assert_eq!(world.end(2).turned_away, [(Some(ours), told)]);
    assert_eq!(world.end(1).errors(peer), [error]);
    assert_eq!(world.end(1).connected(peer), 0);
    let stats = world.end(2).node.stats();
    assert_eq!(
        (stats.accepted, stats.identities_refused, stats.sessions),
        (0, 1, 0)
    );
}

#[test]
fn a_refused_dialler_is_let_in_once_it_is_trusted() {
    let mut world = World::new(3);
    world.place(1, dialler(1), 1);
    world.place(2, listener(2, trust(3)), 2);
    let peer = world.dial(1, 2, identity(2).key());
    world.queue(1, peer, messages(0, 10));
    world.run(Duration::from_secs(2));
    world.place(2, listener(2, trust(1)), 3);
    assert!(world.wait(
        Duration::from_secs(10),
        |world| world.end(1).settled(peer).len() == 10
    ));
    assert_received(world.end(2), 10);
}

#[test]
fn a_node_that_only_dials_answers_nobody() {
    let mut world = World::new(4);
    world.place(1, dialler(1), 1);
    world.place(2, dialler(2), 2);
    let peer = world.dial(1, 2, identity(2).key());
    world.run(Duration::from_secs(4));
    assert_eq!(world.end(1).errors(peer), []);
    world.run(Duration::from_secs(2));
    assert_eq!(world.end(1).errors(peer), [LinkError::ConnectTimeout]);
    assert!(matches!(
        world.end(1).said(peer).last(),
        Some(PeerEvent::Connecting { .. })
    ));
    assert_eq!(world.end(2).node.stats().connections, 0);
}

#[test]
fn a_revoked_key_is_closed_at_once_and_its_messages_wait() {
    let mut world = World::new(5);
    world.place(1, dialler(1), 1);
    world.place(3, dialler(3), 3);
    let both = Trust::Keys([1, 3].map(|number| identity(number).key()).into());
    world.place(2, listener(2, both), 2);
    let [revoked, kept] = [1, 3].map(|from| world.dial(from, 2, identity(2).key()));
    world.queue(1, revoked, messages(0, 5));
    world.run(Duration::from_secs(1));
    assert_received(world.end(2), 5);

    let now = world.now;
    world.end(2).node.set_trust(now, trust(3));
    world.queue(1, revoked, messages(5, 5));
    world.run(Duration::from_secs(1));
    let ours = identity(1).key();
    assert_eq!(
        world.end(1).errors(revoked),
        [LinkError::IdentityRefused { ours }]
    );
    assert_received(world.end(2), 5);
    let told = LinkError::NotAllowed { offered: ours };
    assert_eq!(world.end(2).turned_away, [(Some(ours), told)]);
    let stats = world.end(2).node.stats();
    assert_eq!(
        (stats.identities_refused, stats.sessions),
        (1, 1),
        "the session is remembered"
    );
    assert_eq!(world.end(3).errors(kept), []);

    let now = world.now;
    world.end(2).node.set_trust(now, Trust::Any);
    let all = |world: &mut World| world.end(1).settled(revoked).len() == 10;
    assert!(
        world.wait(Duration::from_secs(10), all),
        "it comes again after its backoff"
    );
    assert_received(world.end(2), 10);
}

#[test]
fn a_handshake_under_way_is_judged_by_the_new_list() {
    let mut world = World::new(6);
    world.place(1, dialler(1), 1);
    world.place(2, listener(2, trust(1)), 2);
    let peer = world.dial(1, 2, identity(2).key());
    world.run(Duration::from_millis(12));
    let now = world.now;
    assert_eq!(world.end(2).node.stats().connections, 1);
    assert_eq!(world.end(2).node.stats().accepted, 0);
    world.end(2).node.set_trust(now, trust(3));
    world.run(Duration::from_secs(1));
    let ours = identity(1).key();
    assert_eq!(
        world.end(1).errors(peer),
        [LinkError::IdentityRefused { ours }]
    );
    assert_eq!(world.end(2).node.stats().accepted, 0);
}
