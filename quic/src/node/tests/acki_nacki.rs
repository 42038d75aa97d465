//! Nodes with the credentials of the Acki Nacki network: known by their certificates, let in for
//! their owners.

use std::time::Duration;

use peer_sender_core::{
    CertificateProblem, CloseCode, Config, ErrorClass, LinkError, Outcome, PeerKey,
};
use rcgen::{CertificateParams, CustomExtension};
use ring::rand::SystemRandom;
use rustls::pki_types::CertificateDer;

use super::nodes::*;
use super::world::World;
use crate::node::{PeerConfig, PeerHandle};
use crate::{Expected, Identity, Naming, NodeConfig, Owner, OwnerKey, Trust, issue, owner};

const SECOND: Duration = Duration::from_secs(1);

fn owner_key(number: u8) -> OwnerKey {
    OwnerKey::from_secret([number; 32])
}

fn owned_by(owners: &[u8]) -> Identity {
    let owners: Vec<_> = owners.iter().map(|&it| owner_key(it)).collect();
    Identity::self_made(&owners, &SystemRandom::new()).unwrap()
}

fn trusting(owners: &[u8]) -> Trust {
    Trust::Owners(owners.iter().map(|&it| owner_key(it).owner()).collect())
}

fn network_dialler(identity: &Identity) -> NodeConfig {
    let builder = NodeConfig::builder(identity.clone()).acki_nacki();
    builder.build().unwrap()
}

fn network_listener(identity: &Identity, trust: Trust) -> NodeConfig {
    let builder = NodeConfig::builder(identity.clone()).acki_nacki();
    builder.accept(trust).build().unwrap()
}

fn hash(identity: &Identity) -> PeerKey {
    identity.key_as(Naming::Certificate)
}

/// A node at 1 that dials one at 2, and has ten messages for it.
fn meet(dialler: NodeConfig, listener: NodeConfig, expected: Expected) -> (World, PeerHandle) {
    let mut world = World::new(1);
    world.place(1, dialler, 1);
    world.place(2, listener, 2);
    let machine = Config::new(address(2)).unwrap();
    let config = match expected {
        Expected::Key(key) => PeerConfig::with(key, machine),
        Expected::Owner(owner) => PeerConfig::with_owner(owner, machine),
        Expected::Name(authority, name) => PeerConfig::with_name(authority, name, machine),
    };
    let peer = world.dial_as(1, config);
    world.queue(1, peer, messages(0, 10));
    world.run(2 * SECOND);
    (world, peer)
}

fn assert_met(world: &mut World, peer: PeerHandle) {
    assert_eq!(world.end(1).errors(peer), []);
    assert_received(world.end(2), 10);
    let settled = world.end(1).settled(peer);
    assert!(settled.len() == 10 && settled.iter().all(|it| it.1 == Outcome::Written));
}

/// The dialler was refused in TLS for this, and is told that much.
fn assert_refused(world: &mut World, peer: PeerHandle, ours: PeerKey, why: CertificateProblem) {
    let told = LinkError::IdentityRefused { ours };
    assert_eq!(told.class(), ErrorClass::Permanent);
    assert_eq!(world.end(1).errors(peer), [told]);
    assert_eq!(world.end(1).connected(peer), 0);
    let error = LinkError::CertificateRefused { why };
    assert_eq!(world.end(2).turned_away, [(None, error)]);
    let stats = world.end(2).node.stats();
    assert_eq!((stats.accepted, stats.handshakes_failed), (0, 1));
}

/// The listener was refused in TLS for this, and is told that much.
fn assert_not_believed(world: &mut World, peer: PeerHandle, error: LinkError) {
    assert_eq!(error.class(), ErrorClass::Permanent);
    assert_eq!(world.end(1).errors(peer), [error]);
    assert_eq!(world.end(2).turned_away, [(None, LinkError::NotExpected)]);
    assert_eq!(world.end(2).node.stats().accepted, 0);
}

#[test]
fn peers_are_known_by_their_certificates_at_both_ends() {
    let [ours, theirs] = [owned_by(&[]), owned_by(&[1])];
    let trust = Trust::Keys([hash(&ours)].into());
    let listener = network_listener(&theirs, trust);
    assert_eq!(listener.key(), hash(&theirs));
    let expected = Expected::Key(hash(&theirs));
    let (mut world, peer) = meet(network_dialler(&ours), listener, expected);
    assert_met(&mut world, peer);
    let received = &world.end(2).received;
    assert!(received.iter().all(|(key, ..)| *key == hash(&ours)));
}

#[test]
fn the_hash_of_a_public_key_is_nobodys_name_there() {
    let [ours, theirs] = [owned_by(&[]), owned_by(&[1])];
    let listener = network_listener(&theirs, Trust::Any);
    let expected = Expected::Key(theirs.key());
    let (mut world, peer) = meet(network_dialler(&ours), listener, expected);
    let error = LinkError::WrongIdentity {
        expected: theirs.key(),
        offered: hash(&theirs),
    };
    assert_not_believed(&mut world, peer, error);

    let listener = network_listener(&theirs, Trust::Keys([ours.key()].into()));
    let expected = Expected::Key(hash(&theirs));
    let (mut world, _) = meet(network_dialler(&ours), listener, expected);
    let offered = hash(&ours);
    let error = LinkError::NotAllowed { offered };
    assert_eq!(world.end(2).turned_away, [(Some(offered), error)]);
}

#[test]
fn keys_of_other_kinds_are_as_good_if_they_sign_for_themselves() {
    let [ours, theirs] = [1, 2].map(identity);
    let listener = network_listener(&theirs, Trust::Keys([hash(&ours)].into()));
    let expected = Expected::Key(hash(&theirs));
    let (mut world, peer) = meet(network_dialler(&ours), listener, expected);
    assert_met(&mut world, peer);

    let issued = issue::Ca::new().member(&["localhost"]);
    let listener = network_listener(&theirs, Trust::Any);
    let expected = Expected::Key(hash(&theirs));
    let (mut world, peer) = meet(network_dialler(&issued), listener, expected);
    let why = CertificateProblem::BadSignature;
    assert_refused(&mut world, peer, hash(&issued), why);
}

#[test]
fn whoever_has_one_trusted_owner_is_let_in() {
    let [ours, theirs] = [owned_by(&[1, 2]), owned_by(&[3, 4])];
    let listener = network_listener(&theirs, trusting(&[2, 5]));
    let expected = Expected::Owner(owner_key(4).owner());
    let (mut world, peer) = meet(network_dialler(&ours), listener, expected);
    assert_met(&mut world, peer);
}

#[test]
fn owners_count_under_every_protocol() {
    let [ours, theirs] = [owned_by(&[1]), owned_by(&[3])];
    let listener = NodeConfig::builder(theirs).accept(trusting(&[1]));
    let listener = listener.build().unwrap();
    let expected = Expected::Owner(owner_key(3).owner());
    let dialler = NodeConfig::new(ours.clone());
    let (mut world, peer) = meet(dialler, listener.clone(), expected.clone());
    assert_eq!(world.end(1).errors(peer), []);
    assert_received(world.end(2), 10);
    assert_eq!(world.end(2).received[0].0, ours.key());

    let stranger = owned_by(&[2]);
    let (mut world, peer) = meet(NodeConfig::new(stranger.clone()), listener, expected);
    let why = CertificateProblem::OwnerNotTrusted;
    assert_refused(&mut world, peer, stranger.key(), why);
}

#[test]
fn whoever_has_no_trusted_owner_is_refused_in_tls() {
    let theirs = owned_by(&[]);
    for (owners, why) in [
        (&[1][..], CertificateProblem::OwnerNotTrusted),
        (&[], CertificateProblem::OwnersMissing),
    ] {
        let ours = owned_by(owners);
        let listener = network_listener(&theirs, trusting(&[2]));
        let expected = Expected::Key(hash(&theirs));
        let (mut world, peer) = meet(network_dialler(&ours), listener, expected);
        assert_refused(&mut world, peer, hash(&ours), why);
    }
}

#[test]
fn a_peer_of_another_owner_is_not_the_one_that_was_dialled() {
    for (owners, why) in [
        (&[1][..], CertificateProblem::OwnerNotTrusted),
        (&[], CertificateProblem::OwnersMissing),
    ] {
        let listener = network_listener(&owned_by(owners), Trust::Any);
        let expected = Expected::Owner(owner_key(2).owner());
        let (mut world, peer) = meet(network_dialler(&owned_by(&[])), listener, expected);
        assert_not_believed(&mut world, peer, LinkError::CertificateRefused { why });
    }
}

/// An identity whose extension of owners has this in it, made of its key.
fn with_extension(make: impl Fn(&[u8]) -> Vec<u8>) -> Identity {
    certified(&rcgen::KeyPair::generate().unwrap(), make)
}

fn certified(key: &rcgen::KeyPair, make: impl Fn(&[u8]) -> Vec<u8>) -> Identity {
    let info = rcgen::PublicKeyData::subject_public_key_info(key);
    let mut params = CertificateParams::new(vec!["localhost".into()]).unwrap();
    let extension = CustomExtension::from_oid_content(owner::EXTENSION, make(&info));
    params.custom_extensions.push(extension);
    let certificate = params.self_signed(key).unwrap();
    issue::identity(&[certificate.der()], key)
}

/// Whoever has an owner's signature of its key can make any number of certificates of that.
#[test]
fn certificates_of_one_public_key_share_its_limits() {
    let listener = owned_by(&[1]);
    let builder = NodeConfig::builder(listener.clone()).acki_nacki();
    let builder = builder.accept(trusting(&[1])).sessions_per_key_max(1);
    let mut world = World::new(1);
    world.place(9, builder.build().unwrap(), 9);
    let greedy = rcgen::KeyPair::generate().unwrap();
    let of_greedy = || certified(&greedy, |info| owner::extension(&[owner_key(1)], info));
    let diallers = [of_greedy(), of_greedy(), of_greedy(), owned_by(&[1])];
    let names: Vec<PeerKey> = diallers.iter().map(hash).collect();
    let mut peers = Vec::new();
    for (seed, dialler) in (1..).zip(&diallers) {
        let place = Place::from(seed);
        world.place(place, network_dialler(dialler), seed);
        let config = PeerConfig::with(hash(&listener), Config::new(address(9)).unwrap());
        let peer = world.dial_as(place, config);
        world.queue(place, peer, messages(0, 10));
        world.run(SECOND / 2);
        peers.push(peer);
    }
    world.run(SECOND);
    let mut written = (1..).zip(&peers).map(|(place, &peer)| {
        let settled = world.end(place).settled(peer);
        settled.iter().filter(|it| it.1 == Outcome::Written).count()
    });
    assert_eq!(written.next(), Some(10));
    assert_eq!(written.next(), Some(0), "another session of one key");
    assert_eq!(written.next(), Some(0), "another place of one key");
    assert_eq!(written.next(), Some(10), "another key of one owner");
    drop(written);
    let refused = &world.end(9).turned_away;
    for (key, error) in refused {
        let code = CloseCode::ExcessiveLoad;
        assert!(matches!(error, LinkError::Closed { code: of, .. } if *of == code));
        assert!(key.is_some_and(|key| names[1..3].contains(&key)));
    }
    let third = refused.iter().find(|it| it.0 == Some(names[2]));
    let reason = third.map(|(_, error)| error.to_string()).unwrap();
    assert!(reason.contains("too many connections"), "{reason}");
}

#[test]
fn one_wrong_signature_refuses_a_certificate_whoever_is_trusted() {
    let wrong = with_extension(|info| {
        let right = owner::extension(&[owner_key(1)], info);
        [right, vec![7; 96]].concat()
    });
    let malformed = with_extension(|_| vec![7; 95]);
    let theirs = owned_by(&[]);
    for (bad, why) in [
        (wrong, CertificateProblem::OwnerSignature),
        (malformed, CertificateProblem::OwnersMalformed),
    ] {
        for trust in [Trust::Any, Trust::Keys([hash(&bad)].into()), trusting(&[1])] {
            let listener = network_listener(&theirs, trust);
            let expected = Expected::Key(hash(&theirs));
            let (mut world, peer) = meet(network_dialler(&bad), listener, expected);
            assert_refused(&mut world, peer, hash(&bad), why);
        }
        for expected in [Expected::Key(hash(&bad)), Expected::Owner(Owner([7; 32]))] {
            let listener = network_listener(&bad, Trust::Any);
            let (mut world, peer) = meet(network_dialler(&theirs), listener, expected);
            assert_not_believed(&mut world, peer, LinkError::CertificateRefused { why });
        }
    }
}

#[test]
fn a_node_without_a_certificate_is_refused() {
    let theirs = owned_by(&[1]);
    let nobody = owned_by(&[1]).showing(vec![]);
    let listener = network_listener(&theirs, Trust::Any);
    let expected = Expected::Key(hash(&theirs));
    let (mut world, peer) = meet(network_dialler(&nobody), listener, expected);
    let why = CertificateProblem::Missing;
    assert_refused(&mut world, peer, hash(&nobody), why);
}

#[test]
fn a_node_that_speaks_something_else_is_told_so() {
    let [ours, theirs] = [owned_by(&[]), owned_by(&[])];
    let offered = String::from("acki-nacki-direct");
    let listener = NodeConfig::builder(theirs.clone()).framed("acki-nacki");
    let listener = listener.accept(Trust::Any).build().unwrap();
    let expected = Expected::Key(hash(&theirs));
    let (mut world, peer) = meet(network_dialler(&ours), listener, expected);
    let error = LinkError::AlpnMismatch { offered };
    assert_eq!(error.class(), ErrorClass::Permanent);
    assert_eq!(world.end(1).errors(peer), [error]);
    let offered = String::from("acki-nacki");
    let error = LinkError::AlpnMismatch { offered };
    assert_eq!(world.end(2).turned_away, [(None, error)]);
}

#[test]
fn a_thief_of_a_certificate_is_not_believed() {
    let [ours, theirs, thief] = [owned_by(&[1]), owned_by(&[]), owned_by(&[])];
    let certificates: Vec<CertificateDer<'static>> = ours.certified().cert.clone();
    let thief = thief.showing(certificates);
    let listener = network_listener(&theirs, trusting(&[1]));
    let expected = Expected::Key(hash(&theirs));
    let (mut world, peer) = meet(network_dialler(&thief), listener, expected);
    let error = LinkError::CertificateRefused {
        why: CertificateProblem::NotProven,
    };
    let attempts = world.end(1).errors(peer).len();
    assert_eq!(world.end(2).turned_away, vec![(None, error); attempts]);
    assert_eq!(world.end(1).connected(peer), 0);
}

#[test]
fn an_owner_that_is_no_longer_trusted_is_cut_off() {
    let [ours, theirs] = [owned_by(&[1]), owned_by(&[])];
    let listener = network_listener(&theirs, trusting(&[1]));
    let expected = Expected::Key(hash(&theirs));
    let (mut world, peer) = meet(network_dialler(&ours), listener, expected);
    assert_met(&mut world, peer);

    let now = world.now;
    world.end(2).node.set_trust(now, trusting(&[2]));
    world.run(10 * SECOND);
    let refused = LinkError::IdentityRefused { ours: hash(&ours) };
    assert!(world.end(1).errors(peer).iter().all(|it| *it == refused));
    let turned_away = &world.end(2).turned_away;
    assert!(turned_away.len() > 1, "it came again: {turned_away:?}");
    let error = LinkError::CertificateRefused {
        why: CertificateProblem::OwnerNotTrusted,
    };
    assert!(turned_away.iter().all(|(_, it)| *it == error));

    let now = world.now;
    world.end(2).node.set_trust(now, trusting(&[1]));
    let again = |world: &mut World| world.end(1).connected(peer) == 2;
    assert!(world.wait(60 * SECOND, again));
}

/// What is judged within TLS goes by the trust that there is, and not by that of the beginning.
#[test]
fn whoever_is_let_in_by_a_new_trust_is_let_in_where_owners_were_asked_for() {
    let mut world = World::new(7);
    let owners = NodeConfig::builder(identity(2)).accept(trusting(&[4]));
    world.place(1, dialler(1), 1);
    world.place(2, owners.build().unwrap(), 2);
    let now = world.now;
    world.end(2).node.set_trust(now, Trust::Any);
    let peer = world.dial(1, 2, identity(2).key());
    world.queue(1, peer, messages(0, 3));
    world.run(2 * SECOND);
    assert_eq!(world.end(1).connected(peer), 1);
    assert_received(world.end(2), 3);
}
