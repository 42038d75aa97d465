//! Diallers and listeners whose certificates are not what they should be.

use std::time::Duration;

use peer_sender_core::{CertificateProblem, Config, ErrorClass, LinkError};
use rustls::pki_types::CertificateDer;

use super::nodes::*;
use super::world::World;
use crate::issue::Ca;
use crate::{Identity, NodeConfig, Trust};

const MINUTE: Duration = Duration::from_secs(60);

fn accepting(identity: Identity) -> NodeConfig {
    let builder = NodeConfig::builder(identity).accept(Trust::Any);
    builder.build().unwrap()
}

/// Shows as many bytes after its own certificate.
fn with_bytes_more(identity: &Identity, bytes: usize) -> Identity {
    let own = identity.certified().cert[0].clone();
    let more = CertificateDer::from(vec![0x30; bytes]);
    identity.showing(vec![own, more])
}

/// Shows another's certificate, and has its own key only.
fn with_certificate_of(identity: &Identity, other: &Identity) -> Identity {
    identity.showing(other.certified().cert.clone())
}

/// The dialler's attempts of a minute all end like this.
fn assert_all(errors: &[LinkError], expected: &LinkError) {
    assert!(
        errors.iter().all(|error| error == expected),
        "{errors:?}, not {expected:?}"
    );
    // After 0, 5, 10, 20, 35 and 60 s.
    assert_eq!(expected.class(), ErrorClass::Permanent);
    assert!((4..=6).contains(&errors.len()), "{} attempts", errors.len());
}

#[test]
fn a_listener_with_another_peers_certificate_is_not_believed() {
    let why = CertificateProblem::NotProven;
    let mut world = World::new(1);
    world.place(1, dialler(1), 1);
    let thief = with_certificate_of(&identity(3), &identity(2));
    world.place(2, accepting(thief), 2);
    let peer = world.dial(1, 2, identity(2).key());
    world.run(MINUTE);
    assert_all(
        &world.end(1).errors(peer),
        &LinkError::CertificateRefused { why },
    );
    assert_eq!(world.end(2).node.stats().accepted, 0);
}

#[test]
fn a_dialler_with_another_peers_certificate_is_not_believed() {
    let mut world = World::new(2);
    let thief = with_certificate_of(&identity(3), &identity(1));
    world.place(1, NodeConfig::new(thief), 1);
    world.place(2, listener(2, trust(1)), 2);
    let peer = world.dial(1, 2, identity(2).key());
    world.run(MINUTE);
    let why = CertificateProblem::NotProven;
    let told = (None, LinkError::CertificateRefused { why });
    let attempts = world.end(1).errors(peer).len();
    assert_eq!(world.end(2).turned_away, vec![told; attempts]);
    assert_eq!(world.end(1).connected(peer), 0);
    assert_eq!(world.end(2).node.stats().accepted, 0);
}

#[test]
fn a_listener_whose_certificate_is_swapped_is_refused_until_it_is_swapped_back() {
    let mut world = World::new(3);
    world.place(1, dialler(1), 1);
    world.place(2, listener(2, Trust::Any), 2);
    let peer = world.dial(1, 2, identity(2).key());
    world.queue(1, peer, messages(0, 10));
    world.run(Duration::from_secs(1));
    assert_received(world.end(2), 10);

    world.place(2, listener(3, Trust::Any), 3);
    world.queue(1, peer, messages(10, 10));
    world.run(MINUTE);
    let [reset, others @ ..] = &world.end(1).errors(peer)[..] else {
        panic!("the connection stood");
    };
    assert_eq!(
        *reset,
        LinkError::IdleTimeout,
        "another identity cannot reset it"
    );
    let wrong = LinkError::WrongIdentity {
        expected: identity(2).key(),
        offered: identity(3).key(),
    };
    assert_all(others, &wrong);
    assert_eq!(world.end(2).received.len(), 0);

    world.place(2, listener(2, Trust::Any), 4);
    assert!(world.wait(MINUTE, |world| world.end(1).settled(peer).len() == 20));
    assert_eq!(world.end(2).received.len(), 10);
}

#[test]
fn a_listener_that_is_another_peer_of_the_same_authority_is_refused() {
    let ca = Ca::new();
    let mut world = World::new(4);
    world.place(1, dialler(1), 1);
    let other = ca.member(&["other.example"]);
    let offered = other.key();
    world.place(2, accepting(other), 2);
    let expected = ca.member(&["listener.example"]).key();
    let peer = world.dial(1, 2, expected);
    world.run(MINUTE);
    assert_all(
        &world.end(1).errors(peer),
        &LinkError::WrongIdentity { expected, offered },
    );
}

/// 14 KiB are taken, 17 and 60 KiB are refused, and TLS itself does not collect more than 64.
#[test]
fn the_chain_of_a_listener_has_a_limit() {
    let refused = LinkError::CertificateRefused {
        why: CertificateProblem::TooLarge,
    };
    for (bytes, expected) in [
        (14 << 10, None),
        (17 << 10, Some(&refused)),
        (60 << 10, Some(&refused)),
        (100 << 10, Some(&refused)),
    ] {
        let mut world = World::new(5);
        world.place(1, dialler(1), 1);
        world.place(2, accepting(with_bytes_more(&identity(2), bytes)), 2);
        let peer = world.dial(1, 2, identity(2).key());
        world.run(MINUTE);
        let errors = world.end(1).errors(peer);
        match expected {
            Some(expected) => assert_all(&errors, expected),
            None => assert_eq!((world.end(1).connected(peer), errors), (1, vec![])),
        }
    }
}

#[test]
fn the_chain_of_a_dialler_has_a_limit() {
    let ours = identity(1).key();
    for (bytes, is_told_why) in [(17 << 10, true), (60 << 10, true), (100 << 10, false)] {
        let mut world = World::new(6);
        let node = NodeConfig::new(with_bytes_more(&identity(1), bytes));
        world.place(1, node, 1);
        world.place(2, listener(2, trust(1)), 2);
        let peer = world.dial(1, 2, identity(2).key());
        world.run(MINUTE);
        let errors = world.end(1).errors(peer);
        if is_told_why {
            assert_all(&errors, &LinkError::IdentityRefused { ours });
        }
        assert!(errors.len() < 20, "{} attempts", errors.len());
        let why = CertificateProblem::TooLarge;
        let told = (None, LinkError::CertificateRefused { why });
        assert_eq!(world.end(2).turned_away, vec![told; errors.len()]);
        assert_eq!(world.end(2).node.stats().accepted, 0);
    }
}

#[test]
fn a_node_that_dials_itself_for_another_is_told_who_it_is() {
    let mut world = World::new(7);
    world.place(1, listener(1, Trust::Any), 1);
    let (expected, offered) = (identity(2).key(), identity(1).key());
    let peer = world.dial(1, 1, expected);
    world.run(MINUTE);
    assert_all(
        &world.end(1).errors(peer),
        &LinkError::WrongIdentity { expected, offered },
    );
    assert_eq!(world.end(1).node.stats().accepted, 0);
}

#[test]
fn a_node_may_send_to_itself() {
    let mut world = World::new(8);
    world.place(1, listener(1, trust(1)), 1);
    let config = Config::new(address(1)).unwrap();
    let peer = world.dial_with(1, identity(1).key(), config);
    world.queue(1, peer, messages(0, 10));
    assert!(world.wait(MINUTE, |world| world.end(1).settled(peer).len() == 10));
    assert_received(world.end(1), 10);
}
