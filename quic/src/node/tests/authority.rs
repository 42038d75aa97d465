//! Peers that are known by the name that an authority has certified.

use std::collections::BTreeSet;
use std::time::Duration;

use peer_sender_core::{CertificateProblem, Config, ErrorClass, LinkError};
use rcgen::{ExtendedKeyUsagePurpose, KeyPair, date_time_ymd};

use super::nodes::*;
use super::world::World;
use crate::issue::{self, Ca};
use crate::node::{PeerConfig, PeerHandle};
use crate::{Identity, Members, NodeConfig, Trust};

const DIALLER: &str = "dialler.example";
const LISTENER: &str = "listener.example";

fn named(names: &[&str]) -> Members {
    Members::Named(names.iter().map(|name| name.parse().unwrap()).collect())
}

fn accepting(identity: Identity, trust: Trust) -> NodeConfig {
    NodeConfig::builder(identity).accept(trust).build().unwrap()
}

/// A world in which the nodes 1 and 2 hold certificates of one authority, and 2 lets 1 in.
fn certified(ca: &Ca) -> World {
    let mut world = World::new(1);
    world.place(1, NodeConfig::new(ca.member(&[DIALLER])), 1);
    let trust = Trust::Authority(ca.authority(), named(&[DIALLER]));
    world.place(2, accepting(ca.member(&[LISTENER]), trust), 2);
    world
}

/// Node 1 dials node 2, which it knows by name.
fn dial(world: &mut World, ca: &Ca, name: &str) -> PeerHandle {
    let config = Config::builder(address(2)).disconnect_after(None);
    let config = config.build().unwrap();
    let config = PeerConfig::with_name(ca.authority(), name.parse().unwrap(), config);
    let peer = world.dial_as(1, config);
    world.queue(1, peer, messages(0, 10));
    peer
}

fn delivers(world: &mut World, peer: PeerHandle, count: usize) -> bool {
    world.wait(Duration::from_secs(20), |world| {
        world.end(1).settled(peer).len() == count
    })
}

fn refused(why: CertificateProblem) -> LinkError {
    LinkError::CertificateRefused { why }
}

/// Node 1 refuses node 2, says why, and does so no more often than the slower backoff allows.
fn assert_refuses(mut world: World, peer: PeerHandle, why: CertificateProblem) {
    world.run(Duration::from_secs(60));
    let errors = world.end(1).errors(peer);
    assert!(
        errors.iter().all(|error| *error == refused(why)),
        "{errors:?}"
    );
    assert_eq!(refused(why).class(), ErrorClass::Permanent);
    // After 0, 5, 10, 20, 35 and 60 s.
    assert!((4..=6).contains(&errors.len()), "{} attempts", errors.len());
    assert_eq!(world.end(1).connected(peer), 0);
    let told: BTreeSet<_> = world
        .end(2)
        .turned_away
        .drain(..)
        .map(|(_, e)| format!("{e:?}"))
        .collect();
    assert_eq!(
        told,
        BTreeSet::from([format!("{:?}", LinkError::NotExpected)])
    );
    assert_eq!(world.end(2).received.len(), 0);
}

#[test]
fn whom_one_authority_has_certified_exchange_messages() {
    let ca = Ca::new();
    let mut world = certified(&ca);
    let peer = dial(&mut world, &ca, LISTENER);
    assert!(delivers(&mut world, peer, 10));
    assert_received(world.end(2), 10);
    assert_eq!(world.end(1).errors(peer), []);
}

#[test]
fn an_address_is_a_name_too_and_names_have_no_case() {
    let ca = Ca::new();
    for (certified_for, expected) in [
        ("10.0.0.2", "10.0.0.2"),
        ("2001:db8::2", "2001:DB8:0::2"),
        ("Listener.Example", "lisTener.example"),
        ("*.peers.example", "a.peers.example"),
    ] {
        let mut world = certified(&ca);
        let trust = Trust::Authority(ca.authority(), Members::Any);
        world.place(2, accepting(ca.member(&["x.org", certified_for]), trust), 2);
        let peer = dial(&mut world, &ca, expected);
        assert!(delivers(&mut world, peer, 10), "{certified_for}");
    }
}

#[test]
fn a_listener_of_another_name_is_refused() {
    let ca = Ca::new();
    let mut world = certified(&ca);
    let peer = dial(&mut world, &ca, "other.example");
    assert_refuses(world, peer, CertificateProblem::WrongName);
}

#[test]
fn a_listener_of_another_authority_is_refused_as_is_one_of_none() {
    let stranger = Ca::called("stranger").member(&[LISTENER]);
    // Calls itself by the trusted authority's name.
    let impostor = Ca::new().member(&[LISTENER]);
    for (listener, why) in [
        (stranger, CertificateProblem::UnknownAuthority),
        (identity(2), CertificateProblem::UnknownAuthority),
        (impostor, CertificateProblem::BadSignature),
    ] {
        let ca = Ca::new();
        let mut world = certified(&ca);
        world.place(2, accepting(listener, Trust::Any), 2);
        let peer = dial(&mut world, &ca, LISTENER);
        assert_refuses(world, peer, why);
    }
}

#[test]
fn certificates_count_from_their_first_day_to_their_last() {
    let ca = Ca::new();
    let short = ca.member_with(&[LISTENER], |params| {
        params.not_before = date_time_ymd(2026, 1, 2);
        params.not_after = date_time_ymd(2026, 1, 4);
    });
    let mut world = certified(&ca);
    let trust = Trust::Authority(ca.authority(), Members::Any);
    world.place(2, accepting(short.clone(), trust.clone()), 2);
    let peer = dial(&mut world, &ca, LISTENER);
    world.run(Duration::from_secs(60));
    assert_eq!(
        world.end(1).errors(peer).first(),
        Some(&refused(CertificateProblem::NotYetValid))
    );
    assert_eq!(world.end(1).connected(peer), 0);

    const DAY: Duration = Duration::from_secs(86_400);
    // The longest wait after a refusal.
    const WAIT_MAX: Duration = Duration::from_secs(300);
    world.run(DAY + WAIT_MAX);
    assert_eq!(world.end(1).connected(peer), 1);
    assert_received(world.end(2), 10);

    // Time goes by: the connection that stands is left alone, a new one is not made.
    world.run(2 * DAY);
    assert_eq!(world.end(1).connected(peer), 1);
    world.place(2, accepting(short, trust), 3);
    world.run(Duration::from_secs(60));
    assert_eq!(
        world.end(1).errors(peer).last(),
        Some(&refused(CertificateProblem::Expired))
    );
    assert_eq!(world.end(1).connected(peer), 1);
}

#[test]
fn diallers_whom_the_authority_does_not_vouch_for_are_turned_away() {
    let ca = Ca::new();
    let expired = ca.member_with(&[DIALLER], |params| {
        params.not_after = date_time_ymd(2025, 12, 31);
    });
    let for_listeners = ca.member_with(&[DIALLER], |params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    });
    for (dialler, why) in [
        (identity(1), CertificateProblem::UnknownAuthority),
        (
            Ca::new().member(&[DIALLER]),
            CertificateProblem::BadSignature,
        ),
        (ca.member(&["other.example"]), CertificateProblem::WrongName),
        (ca.member(&[]), CertificateProblem::WrongName),
        (expired, CertificateProblem::Expired),
        (for_listeners, CertificateProblem::WrongPurpose),
    ] {
        let mut world = certified(&ca);
        let ours = dialler.key();
        world.place(1, NodeConfig::new(dialler), 1);
        let peer = dial(&mut world, &ca, LISTENER);
        world.run(Duration::from_secs(60));
        let errors = world.end(1).errors(peer);
        assert!(
            errors
                .iter()
                .all(|error| *error == LinkError::IdentityRefused { ours })
        );
        assert!((4..=6).contains(&errors.len()), "{} attempts", errors.len());
        assert_eq!(world.end(1).connected(peer), 0);
        let told = (Some(ours), refused(why));
        assert!(
            world.end(2).turned_away.iter().all(|one| *one == told),
            "{told:?}"
        );
        let stats = world.end(2).node.stats();
        assert_eq!(stats.identities_refused, errors.len() as u64);
        assert_eq!((stats.accepted, stats.sessions), (0, 0));
    }
}

#[test]
fn a_certificate_for_diallers_makes_no_listener() {
    let ca = Ca::new();
    let for_diallers = ca.member_with(&[LISTENER], |params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    });
    let mut world = certified(&ca);
    world.place(2, accepting(for_diallers, Trust::Any), 2);
    let peer = dial(&mut world, &ca, LISTENER);
    assert_refuses(world, peer, CertificateProblem::WrongPurpose);
}

#[test]
fn any_member_is_let_in_where_that_is_said() {
    let ca = Ca::new();
    let mut world = certified(&ca);
    world.place(1, NodeConfig::new(ca.member(&["whoever.example"])), 1);
    let trust = Trust::Authority(ca.authority(), Members::Any);
    world.place(2, accepting(ca.member(&[LISTENER]), trust), 2);
    let peer = dial(&mut world, &ca, LISTENER);
    assert!(delivers(&mut world, peer, 10));
}

#[test]
fn intermediate_authorities_vouch_if_they_are_shown() {
    let ca = Ca::new();
    let between = ca.intermediate();
    let key = KeyPair::generate().unwrap();
    let own = between.issue(&[LISTENER], &key);
    let mut world = certified(&ca);
    let shown = issue::identity(&[&own, &between.certificate()], &key);
    world.place(2, accepting(shown, Trust::Any), 2);
    let peer = dial(&mut world, &ca, LISTENER);
    assert!(delivers(&mut world, peer, 10));

    let mut world = certified(&ca);
    world.place(2, accepting(issue::identity(&[&own], &key), Trust::Any), 2);
    let peer = dial(&mut world, &ca, LISTENER);
    assert_refuses(world, peer, CertificateProblem::UnknownAuthority);
}

#[test]
fn a_peer_that_comes_back_under_its_name_with_another_key_is_the_same_peer() {
    let ca = Ca::new();
    let trust = Trust::Authority(ca.authority(), Members::Any);
    let mut world = certified(&ca);
    let both_ways = accepting(ca.member(&[DIALLER]), trust.clone());
    world.place(1, both_ways, 1);
    let peer = dial(&mut world, &ca, LISTENER);
    assert!(delivers(&mut world, peer, 10));

    for (seed, key) in [(3, ca.member(&[LISTENER])), (4, ca.member(&[LISTENER]))] {
        world.place(2, accepting(key, trust.clone()), seed);
        let before = world.end(1).settled(peer).len() as u64;
        world.queue(1, peer, messages(before, 10));
        assert!(delivers(&mut world, peer, before as usize + 10));

        // What comes from it is known to come from the peer that was dialled.
        let config = Config::new(address(1)).unwrap();
        let name = DIALLER.parse().unwrap();
        let back = world.dial_as(2, PeerConfig::with_name(ca.authority(), name, config));
        world.queue(2, back, messages(0, 1));
        let heard = |world: &mut World| world.end(1).names.pop();
        assert!(world.wait(Duration::from_secs(20), |world| {
            !world.end(1).names.is_empty()
        }));
        assert_eq!(heard(&mut world), Some(Some(address(2).to_string())));
    }
}

#[test]
fn trust_in_another_authority_ends_the_connections_of_the_first() {
    let ca = Ca::new();
    let mut world = certified(&ca);
    let peer = dial(&mut world, &ca, LISTENER);
    assert!(delivers(&mut world, peer, 10));

    let now = world.now;
    let both = named(&[DIALLER, "other.example"]);
    let wider = Trust::Authority(ca.authority(), both);
    world.end(2).node.set_trust(now, wider);
    world.run(Duration::from_secs(1));
    assert_eq!(world.end(1).errors(peer), []);

    let now = world.now;
    let other = Trust::Authority(Ca::called("other").authority(), Members::Any);
    world.end(2).node.set_trust(now, other);
    world.run(Duration::from_secs(1));
    let ours = world.end(2).turned_away[0].0.unwrap();
    let why = CertificateProblem::UnknownAuthority;
    assert_eq!(world.end(2).turned_away, [(Some(ours), refused(why))]);
    assert_eq!(
        world.end(1).errors(peer),
        [LinkError::IdentityRefused { ours }]
    );
}
