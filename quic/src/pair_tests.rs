//! What two configured endpoints make of each other.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use peer_sender_core::{CertificateProblem, LinkError, PeerKey};
use quinn_proto::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn_proto::{
    ClientConfig, ConnectionError, Dir, ServerConfig, TransportErrorCode, WriteError,
};
use ring::hkdf;
use ring::rand::SystemRandom;
use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::pki_types::UnixTime;
use rustls::sign::{CertifiedKey, SingleCertAndKey};

use crate::error::{DialContext, link_error};
use crate::pair::{
    DIALLER, End, LISTENER, ONE_WAY, Pair, accepting, dialler, dialling, identity, listener,
    listener_with, refuse_identity,
};
use crate::tls::{self, Offered, Tls};
use crate::transport::{client_config, endpoint_config, server_config};
use crate::trust::Admission;
use crate::{Expected, Identity, Naming, NodeConfig, NodeConfigBuilder, OwnerKey, Trust};

const SECOND: Duration = Duration::from_secs(1);
const SPOKEN: &str = "peer-sender/1";

fn tls_of(listener: &Identity) -> rustls::ServerConfig {
    let admission = Admission::of(&NodeConfig::new(listener.clone()));
    Tls::default().accepting(listener, tls::ALPN, admission).0
}

/// A listener whose TLS is not ours.
fn foreign_listener(tls: rustls::ServerConfig) -> End {
    let crypto = Arc::new(QuicServerConfig::try_from(tls).unwrap());
    let token_key = hkdf::Salt::new(hkdf::HKDF_SHA256, &[]).extract(&[0]);
    listener_with(20, Arc::new(ServerConfig::new(crypto, Arc::new(token_key))))
}

/// A dial whose TLS is not ours.
fn foreign_dial(tls: rustls::ClientConfig) -> ClientConfig {
    ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls).unwrap()))
}

fn context(offered: Offered) -> DialContext {
    DialContext {
        ours: identity(1).key(),
        offered,
    }
}

/// The key that the other end has proven to hold.
fn peer_key(connection: &quinn_proto::Connection) -> Option<PeerKey> {
    Naming::Key
        .key_of(tls::peer_chain(connection)?.first()?)
        .ok()
}

#[derive(Debug)]
struct NoCertificate;

impl ResolvesClientCert for NoCertificate {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        None
    }

    fn has_certs(&self) -> bool {
        false
    }
}

/// Dials and gives both a second.
fn met_for(pin: PeerKey, listener: End) -> (Pair, DialContext) {
    let mut pair = Pair::new(dialler(10), listener);
    let (config, offered) = client_config(&dialling(), pin, false, [11; 32]);
    pair.dial(config);
    pair.run(SECOND);
    (pair, context(offered))
}

fn met() -> Pair {
    met_for(identity(2).key(), listener(20)).0
}

fn error_of(pair: &Pair, dial: &DialContext) -> LinkError {
    let [error] = &pair.ends[DIALLER].lost[..] else {
        panic!("lost {:?}", pair.ends[DIALLER].lost);
    };
    link_error(error, SPOKEN, Some(dial))
}

#[test]
fn both_ends_learn_the_others_key() {
    let (mut pair, dial) = met_for(identity(2).key(), listener(20));
    assert_eq!(
        pair.ends
            .each_ref()
            .map(|end| (end.connected, end.lost.len())),
        [(1, 0); 2]
    );
    assert_eq!(dial.offered.key(), Some(identity(2).key()));
    assert_eq!(
        peer_key(pair.ends[DIALLER].connection()),
        Some(identity(2).key())
    );
    assert_eq!(
        peer_key(pair.ends[LISTENER].connection()),
        Some(identity(1).key())
    );
    assert_eq!(
        pair.ends[DIALLER]
            .connection()
            .stats()
            .frame_rx
            .handshake_done,
        1
    );
}

#[test]
fn neither_tickets_nor_address_tokens_are_handed_out() {
    let mut pair = met();
    pair.run(SECOND);
    let frames = pair.ends[DIALLER].connection().stats().frame_rx;
    assert_eq!(frames.new_token, 0);
    // The listener's part of the handshake takes one frame before and one after the handshake keys
    // are known. A ticket would be a third.
    assert_eq!(frames.crypto, 2);
    assert!(!pair.ends[DIALLER].connection().has_0rtt());
}

#[test]
fn another_key_than_the_pinned_one_is_a_wrong_identity() {
    let pin = identity(3).key();
    let (pair, dial) = met_for(pin, listener(20));
    let expected = LinkError::WrongIdentity {
        expected: pin,
        offered: identity(2).key(),
    };
    assert_eq!(error_of(&pair, &dial), expected);
    assert_eq!(pair.ends[DIALLER].connected, 0);
    assert_eq!(pair.ends[LISTENER].connected, 0);
}

#[test]
fn a_certificate_without_its_key_is_not_believed() {
    // Whoever has seen a certificate can show it, but signs with a key of its own.
    let stolen = |of: Identity, by: Identity| {
        let (cert, key) = (of.certified().cert.clone(), by.certified().key.clone());
        Arc::new(SingleCertAndKey::from(CertifiedKey::new(cert, key)))
    };

    let mut tls = tls_of(&identity(4));
    tls.cert_resolver = stolen(identity(2), identity(4));
    let (pair, dial) = met_for(identity(2).key(), foreign_listener(tls));
    let error = error_of(&pair, &dial);
    let why = CertificateProblem::NotProven;
    assert_eq!(error, LinkError::CertificateRefused { why });
    assert_eq!(pair.ends[DIALLER].connected, 0);

    let (mut tls, _) = Tls::default().dialling(&identity(4), identity(2).key(), tls::ALPN);
    tls.client_auth_cert_resolver = stolen(identity(1), identity(4));
    let mut pair = Pair::new(dialler(10), listener(20));
    pair.dial(foreign_dial(tls));
    pair.run(SECOND);
    assert_eq!(pair.ends[LISTENER].connected, 0);
    assert_eq!(pair.ends.each_ref().map(|end| end.lost.len()), [1, 1]);
}

#[test]
fn a_dialler_without_a_certificate_is_refused() {
    let (mut tls, offered) = Tls::default().dialling(&identity(1), identity(2).key(), tls::ALPN);
    tls.client_auth_cert_resolver = Arc::new(NoCertificate);
    let mut pair = Pair::new(dialler(10), listener(20));
    pair.dial(foreign_dial(tls));
    pair.run(SECOND);

    assert_eq!(pair.ends[LISTENER].connected, 0);
    let error = error_of(&pair, &context(offered));
    assert_eq!(
        error,
        LinkError::IdentityRefused {
            ours: identity(1).key()
        }
    );
}

#[test]
fn a_key_that_the_node_refuses_is_told_so_before_it_is_confirmed() {
    let mut listener = listener(20);
    listener.on_connected = refuse_identity;
    let mut pair = Pair::new(dialler(10), listener);
    let (config, offered) = client_config(&dialling(), identity(2).key(), false, [11; 32]);
    pair.dial(config);

    // Up to the close, and short of the time after which the dialler forgets the connection.
    pair.run(6 * ONE_WAY);
    let confirmations = pair.ends[DIALLER]
        .connection()
        .stats()
        .frame_rx
        .handshake_done;
    assert_eq!((pair.ends[LISTENER].connected, confirmations), (1, 0));
    let error = error_of(&pair, &context(offered));
    assert_eq!(
        error,
        LinkError::IdentityRefused {
            ours: identity(1).key()
        }
    );
}

#[test]
fn another_protocol_is_an_alpn_mismatch_on_both_ends() {
    let mismatch = LinkError::AlpnMismatch {
        offered: "peer-sender/1".into(),
    };
    for protocols in [vec![b"other".to_vec()], vec![]] {
        let mut tls = tls_of(&identity(2));
        tls.alpn_protocols = protocols;
        let (pair, dial) = met_for(identity(2).key(), foreign_listener(tls));
        assert_eq!(error_of(&pair, &dial), mismatch);
        assert_eq!(pair.ends[DIALLER].connected, 0);
    }
    for protocols in [vec![b"other".to_vec()], vec![]] {
        let (mut tls, _) = Tls::default().dialling(&identity(1), identity(2).key(), tls::ALPN);
        tls.alpn_protocols = protocols;
        let mut pair = Pair::new(dialler(10), listener(20));
        pair.dial(foreign_dial(tls));
        pair.run(SECOND);
        let lost = &pair.ends[LISTENER].lost;
        assert_eq!(lost.len(), 1);
        assert_eq!(link_error(&lost[0], SPOKEN, None), mismatch);
    }
}

#[test]
fn a_restarted_listener_resets_its_old_connections() {
    let mut pair = met();
    pair.ends[LISTENER] = listener(21);
    pair.ends[DIALLER].connection().ping();
    pair.run(2 * ONE_WAY);
    let lost = &pair.ends[DIALLER].lost;
    assert_eq!(lost.len(), 1);
    assert_eq!(link_error(&lost[0], SPOKEN, None), LinkError::Reset);
}

#[test]
fn a_listener_of_another_identity_resets_nothing() {
    let mut pair = met();
    let server = server_config(&accepting(), [20; 32]);
    pair.ends[LISTENER] = End::new(endpoint_config(&identity(5), [20; 32]), Some(server));
    pair.sent.clear();
    pair.ends[DIALLER].connection().ping();
    pair.run(SECOND);
    assert!(pair.ends[DIALLER].lost.is_empty());
    assert!(pair.sent.iter().all(|(_, from, ..)| *from == DIALLER));
}

#[test]
fn a_restarted_listener_resets_all_connections_at_once() {
    const CONNECTIONS: u8 = 20;
    let mut pair = Pair::new(dialler(10), listener(20));
    for n in 0..CONNECTIONS {
        pair.dial(client_config(&dialling(), identity(2).key(), false, [100 + n; 32]).0);
    }
    pair.run(SECOND);
    assert_eq!(pair.ends[LISTENER].connected, usize::from(CONNECTIONS));

    pair.ends[LISTENER] = listener(21);
    pair.ends[DIALLER]
        .connections
        .values_mut()
        .for_each(|connection| connection.ping());
    pair.run(2 * ONE_WAY);
    assert_eq!(pair.ends[DIALLER].lost.len(), usize::from(CONNECTIONS));
}

#[test]
fn the_dialler_keeps_an_idle_connection_up() {
    let mut pair = met();
    pair.sent.clear();
    pair.run(60 * SECOND);
    assert!(pair.ends.iter().all(|end| end.lost.is_empty()));
    let from = |end| {
        pair.sent
            .iter()
            .filter(|(_, from, ..)| *from == end)
            .count()
    };
    // A ping each 4 s and what answers it: some of the pings also probe the path's MTU.
    assert!(
        (15..=40).contains(&from(DIALLER)),
        "{} datagrams",
        from(DIALLER)
    );
    assert!(from(LISTENER) <= from(DIALLER));
}

#[test]
fn a_listener_does_not_keep_up_what_its_dialler_has_left() {
    let mut pair = met();
    pair.cut = true;
    pair.sent.clear();
    pair.run(20 * SECOND);
    assert!(pair.sent.iter().all(|(_, from, ..)| *from == DIALLER));
}

#[test]
fn silence_ends_a_connection_after_the_idle_timeout() {
    let mut pair = met();
    pair.cut = true;
    pair.run(9 * SECOND);
    assert!(pair.ends.iter().all(|end| end.lost.is_empty()));
    pair.run(6 * SECOND);
    for end in &pair.ends {
        assert_eq!(end.lost.len(), 1);
        assert_eq!(
            link_error(&end.lost[0], SPOKEN, None),
            LinkError::IdleTimeout
        );
    }
}

#[test]
fn either_end_may_open_eight_lanes() {
    let mut pair = met();
    let mut opened = |end: usize, dir| {
        let mut streams = pair.ends[end].connection().streams();
        std::iter::from_fn(|| streams.open(dir)).count()
    };
    assert_eq!(opened(DIALLER, Dir::Bi), 8);
    assert_eq!(opened(DIALLER, Dir::Uni), 0);
    assert_eq!(opened(LISTENER, Dir::Bi), 8);
    assert_eq!(opened(LISTENER, Dir::Uni), 0);
}

#[test]
fn unread_lanes_hold_half_a_mebibyte_each_and_leave_the_ways_back_open() {
    let mut pair = met();
    let mut taken = 0;
    let mut lanes = Vec::new();
    for _ in 0..8 {
        let lane = pair.ends[DIALLER]
            .connection()
            .streams()
            .open(Dir::Bi)
            .unwrap();
        lanes.push(lane);
        loop {
            let written = pair.ends[DIALLER]
                .connection()
                .send_stream(lane)
                .write(&[7; 1 << 16]);
            match written {
                Ok(bytes) => taken += bytes,
                Err(error) => {
                    assert_eq!(error, WriteError::Blocked);
                    break;
                }
            }
        }
        pair.run(SECOND);
    }
    assert_eq!(taken, 8 * (512 << 10));

    // The listener has read nothing, and its receipts still come through.
    for lane in lanes {
        let receipt = pair.ends[LISTENER]
            .connection()
            .send_stream(lane)
            .write(b"receipt");
        assert_eq!(receipt, Ok(7));
        pair.run(SECOND);
        let connection = pair.ends[DIALLER].connection();
        let mut way_back = connection.recv_stream(lane);
        let mut chunks = way_back.read(true).unwrap();
        assert_eq!(
            chunks.next(64).unwrap().unwrap().bytes,
            Bytes::from_static(b"receipt")
        );
        let _ = chunks.finalize();
    }
}

#[test]
fn equal_seeds_give_equal_datagrams_at_equal_times() {
    let run = |seed: u8| {
        let mut pair = Pair::new(dialler(seed), listener(seed + 1));
        pair.dial(client_config(&dialling(), identity(2).key(), false, [seed + 2; 32]).0);
        pair.run(SECOND);
        let lane = pair.ends[DIALLER]
            .connection()
            .streams()
            .open(Dir::Bi)
            .unwrap();
        pair.ends[DIALLER]
            .connection()
            .send_stream(lane)
            .write(&[7; 100_000])
            .unwrap();
        pair.run(20 * SECOND);
        pair.ends[LISTENER] = listener(seed + 3);
        pair.ends[DIALLER].connection().ping();
        pair.run(SECOND);
        pair.sent
    };
    let first = run(30);
    assert!(first.len() > 100);
    assert_eq!(first, run(30));
    assert_ne!(first, run(40));
}

/// RFC 8446 section 6.2, RFC 7301 section 3.2; as nodes of the Acki Nacki network have them.
#[test]
fn refusals_have_the_alerts_that_the_acki_nacki_network_knows() {
    let owner = OwnerKey::from_secret([7; 32]);
    let random = SystemRandom::new();
    let owned = Identity::self_made(std::slice::from_ref(&owner), &random).unwrap();
    let unowned = Identity::self_made(&[], &random).unwrap();
    let trust = Trust::Owners([owner.owner()].into());
    let network = |identity: &Identity| NodeConfig::builder(identity.clone()).acki_nacki();
    let listener = network(&owned).accept(trust).build().unwrap();
    let alert_for = |dialler: NodeConfigBuilder, expected: PeerKey| {
        let listener = listener_with(20, server_config(&listener, [20; 32]));
        let mut pair = Pair::new(crate::pair::dialler(10), listener);
        let date = UnixTime::since_unix_epoch(Duration::ZERO);
        let expected = Expected::Key(expected).at(date, Naming::Certificate);
        let dialler = dialler.build().unwrap();
        pair.dial(client_config(&dialler, expected, false, [11; 32]).0);
        pair.run(SECOND);
        let alert = |lost: &ConnectionError| match lost {
            ConnectionError::ConnectionClosed(close) => Some(close.error_code),
            ConnectionError::TransportError(found) => Some(found.code),
            _ => None,
        };
        pair.ends.map(|end| end.lost.first().and_then(alert))
    };

    let theirs = owned.key_as(Naming::Certificate);
    let both = |alert| [Some(TransportErrorCode::crypto(alert)); 2];
    assert_eq!(alert_for(network(&owned), theirs), [None; 2]);
    assert_eq!(alert_for(network(&unowned), theirs), both(42));
    let issued = crate::issue::Ca::new().member(&["localhost"]);
    assert_eq!(alert_for(network(&issued), theirs), both(42));
    let nobody = owned.showing(vec![]);
    assert_eq!(alert_for(network(&nobody), theirs), both(116));
    let other = network(&owned).framed("acki-nacki");
    assert_eq!(alert_for(other, theirs), both(120));
}
