//! Whoever is not who it should be.

use std::time::Duration;

use peer_sender_tokio::{CloseCode, Config, LinkError, PeerConfig, PeerEvent, Trust};

use super::raw::Raw;
use super::raw::say;
use super::scene::{Scene, hostile, identity, live, run};

/// Keys that nobody trusts are told so before they can say anything, however often they come.
#[test]
fn a_key_that_is_not_trusted_gets_no_word_in() {
    run(async {
        const COUNT: u64 = 30;
        let mut scene = Scene::listening(|config| config).await;
        let mut raw = Raw::dialler(&identity(50)).await;
        for number in 1..=COUNT {
            let id = raw.connect(scene.address()).await;
            // It does not wait for an answer.
            if let Some(stream) = raw.open(id) {
                let said = [say::open(say::session(1)), say::message(b"let me in")].concat();
                raw.offer(id, stream, &said);
            }
            assert_eq!(raw.closed(id).await.code, CloseCode::IdentityRefused);
            let stats = scene.live.stats().await;
            assert_eq!(stats.identities_refused, number);
            let turned_away = scene.turned_away();
            let offered = identity(50).key();
            assert_eq!(turned_away.error, LinkError::NotAllowed { offered });
            assert_eq!(turned_away.key, Some(offered));
            // One host has so many places for strangers, and gets them back after a while.
            raw.alongside(scene.counts(|stats| stats.connections < 8))
                .await;
        }
        let stats = raw.alongside(scene.is_alone()).await;
        assert_eq!((stats.accepted, stats.sessions), (1, 1));
        assert!(scene.strangers.try_recv().is_err());
        scene.ends().await;
    });
}

/// Another key answers at the address: that is a permanent error, and waits as such; the message
/// stays until the right one answers there.
#[test]
fn a_peer_that_shows_another_key_gets_nothing() {
    run(async {
        let mut scene = Scene::dialling().await;
        let mut raw = Raw::acceptor(&identity(60), |_| {}).await;
        let config = Config::builder(raw.address())
            .refusal_backoff_min(Duration::from_millis(20))
            .refusal_backoff_max(Duration::from_millis(20))
            .build()
            .unwrap();
        let config = PeerConfig::with(hostile().key(), config);
        let peer = scene.live.peer("hostile".into(), config).unwrap();
        let mut events = peer.events();
        let receipt = peer.try_send("secret").unwrap();
        let mut refused = 0;
        while refused < 3 {
            match raw.alongside(events.next()).await.unwrap() {
                PeerEvent::Disconnected { error, .. } => {
                    let (expected, offered) = (hostile().key(), identity(60).key());
                    assert_eq!(error, LinkError::WrongIdentity { expected, offered });
                    refused += 1;
                }
                PeerEvent::Connected { .. } => panic!("anybody will do"),
                _ => {}
            }
        }
        raw.become_another(&hostile());
        let id = raw.accept().await;
        let stream = raw.accept_stream(id).await;
        raw.say(id, stream, &say::resume(1)).await;
        raw.heard(id, stream, 30).await;
        raw.say(id, stream, &say::receipt(1)).await;
        assert!(raw.alongside(receipt).await.is_delivered());
        raw.alongside(scene.serves()).await;
        scene.ends().await;
    });
}

/// A node may dial itself, if it trusts its own key: both ends are one process then, and are told
/// apart all the same.
#[test]
fn a_node_that_dials_itself_talks_to_itself() {
    run(async {
        let mut scene = Scene::listening(|config| config.accept(Trust::Any)).await;
        // Its own address under its own key, and under another one that is not there.
        let itself = scene.sends_to("itself", live().key(), scene.address());
        let other = scene.sends_to("other", identity(70).key(), scene.address());
        let mut events = other.events();
        for number in 0..100_u64 {
            let payload = number.to_be_bytes().to_vec();
            let receipt = itself.try_send(payload.clone()).unwrap();
            let message = scene.strangers.recv().await.unwrap();
            assert_eq!(message.from().key, live().key());
            assert_eq!(message.accept(), payload);
            assert!(receipt.await.is_delivered());
        }
        let error = loop {
            match events.next().await.unwrap() {
                PeerEvent::Disconnected { error, .. } => break error,
                PeerEvent::Connected { .. } => panic!("it took itself for another"),
                _ => {}
            }
        };
        let (expected, offered) = (identity(70).key(), live().key());
        assert_eq!(error, LinkError::WrongIdentity { expected, offered });
        scene.ends().await;
    });
}
