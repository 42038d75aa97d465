//! Handshakes that are begun and never finished.

use std::time::Duration;

use peer_sender_tokio::{LinkError, Node, NodeConfig, Trust};

use super::raw::Raw;
use super::scene::{Scene, dial, hostile, identity, live, run};

/// Of one host, that were not asked to prove their address: an eighth of the default of 64.
const AT_ONCE: u64 = 8;

/// A scene in which only the node's own patience ends a handshake, not QUIC's idle timeout.
async fn patient() -> Scene {
    Scene::listening(|config| {
        config
            .accept(Trust::Any)
            .idle_timeout(Duration::from_secs(60))
    })
    .await
}

#[test]
fn a_handshake_that_goes_silent_gives_its_place_back() {
    run(async {
        let mut scene = patient().await;
        let mut raw = Raw::dialler(&hostile()).await;
        for _ in 0..40 {
            raw.dial(scene.address());
        }
        raw.deaf = true;
        raw.alongside(scene.counts(|stats| stats.connections > 1))
            .await;
        // From here on nobody lives at the other end, and its port stays open.
        let stats = scene.counts(|stats| stats.connections == 1 + AT_ONCE).await;
        assert_eq!((stats.accepted, stats.handshakes_failed), (1, 0));
        scene.serves().await;

        // Another one at the same host is let in meanwhile.
        let newcomer = Node::bind("127.0.0.1:0", NodeConfig::new(identity(9)))
            .await
            .unwrap();
        let peer = dial(&newcomer, live().key(), scene.address(), "live");
        let receipt = peer.send("hello").await.unwrap();
        assert_eq!(scene.strangers.recv().await.unwrap().accept(), "hello");
        assert!(receipt.await.is_delivered());

        let stats = scene
            .counts(|stats| stats.handshakes_failed == AT_ONCE)
            .await;
        assert_eq!(stats.accepted, 2);
        for turned_away in scene.live.turned_away() {
            assert_eq!(
                (turned_away.error, turned_away.key),
                (LinkError::ConnectTimeout, None)
            );
        }
        scene.counts(|stats| stats.connections == 2).await;
        scene.ends().await;
    });
}

/// Says again and again what it has said, and never hears what it is answered.
#[test]
fn a_handshake_that_only_stays_alive_gives_its_place_back() {
    run(async {
        let mut scene = patient().await;
        let mut raw = Raw::dialler(&hostile()).await;
        for _ in 0..AT_ONCE {
            raw.dial(scene.address());
        }
        raw.deaf = true;
        let stats = raw
            .alongside(scene.counts(|stats| stats.handshakes_failed >= AT_ONCE))
            .await;
        assert!(stats.connections <= 1 + AT_ONCE, "{stats:?}");
        assert_eq!(stats.accepted, 1);
        let turned_away = scene.live.turned_away();
        assert_eq!(turned_away.len() as u64, AT_ONCE);
        for turned_away in turned_away {
            assert_eq!(
                (turned_away.error, turned_away.key),
                (LinkError::ConnectTimeout, None)
            );
        }
        scene.ends().await;
    });
}
