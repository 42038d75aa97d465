//! Connections that fail, are refused, or are cut.

mod common;

use std::collections::BTreeSet;

use common::*;
use peer_sender_tokio::{LinkError, Node, NodeConfig, PeerEvent, StopMode, Trust};

#[test]
fn a_peer_that_is_not_there_is_dialled_until_it_is() {
    run(async {
        let address = unused_address();
        let node = dialler().await;
        let peer = peer(&node, address);
        let mut events = peer.events();
        let receipt = peer.send("hello").await.unwrap();

        let first = events.next().await.unwrap();
        assert!(matches!(first, PeerEvent::Connecting { address: at, .. } if at == address));
        let second = events.next().await.unwrap();
        let PeerEvent::Disconnected {
            error,
            retry_at: Some(retry_at),
        } = second
        else {
            panic!("{second:?}");
        };
        assert_eq!(
            error,
            LinkError::Unreachable,
            "the kernel's report, not the deadline"
        );
        let third = events.next().await.unwrap();
        assert!(
            matches!(third, PeerEvent::BackoffStarted { failures: 1, until, .. } if until == retry_at)
        );

        let listener = listener_at(address, |config| config).await;
        event_where(&mut events, |event| {
            matches!(event, PeerEvent::Connected { .. })
        })
        .await;
        listener.incoming().next().await.unwrap().accept();
        assert!(receipt.await.is_delivered());
        assert_eq!(events.missed(), 0);
    });
}

#[test]
fn a_peer_with_another_key_is_not_sent_anything() {
    run(async {
        let (listener, node) = (listener().await, dialler().await);
        let mallory = identity(9).key();
        let peer = peer_with(&node, mallory, listener.local_addr(), |config| config);
        let mut events = peer.events();
        let receipt = peer.send("for Mallory alone").await.unwrap();
        let event = event_where(&mut events, |event| {
            matches!(event, PeerEvent::Disconnected { .. })
        })
        .await;
        let PeerEvent::Disconnected { error, .. } = event else {
            unreachable!()
        };
        let expected = LinkError::WrongIdentity {
            expected: mallory,
            offered: bob().key(),
        };
        assert_eq!(error, expected);
        assert!(error.to_string().contains(&mallory.to_string()));
        assert!(listener.incoming().try_next().is_none());
        peer.stop(StopMode::Abort).await;
        assert!(!receipt.await.is_delivered());
    });
}

#[test]
fn a_dialler_that_is_not_trusted_is_told_so_and_is_told_of() {
    run(async {
        let (listener, eve) = (listener().await, identity(7));
        let node = Node::bind(ANY, NodeConfig::new(eve.clone())).await.unwrap();
        let peer = peer(&node, listener.local_addr());
        let mut events = peer.events();
        let event = event_where(&mut events, |event| {
            matches!(event, PeerEvent::Disconnected { .. })
        })
        .await;
        let PeerEvent::Disconnected { error, .. } = event else {
            unreachable!()
        };
        assert_eq!(error, LinkError::IdentityRefused { ours: eve.key() });

        let turned_away = listener.turned_away();
        assert_eq!(turned_away.len(), 1);
        assert_eq!(turned_away[0].key, Some(eve.key()));
        assert_eq!(turned_away[0].remote, node.local_addr());
        assert_eq!(listener.turned_away(), []);
        assert_eq!(listener.stats().await.identities_refused, 1);
    });
}

#[test]
fn who_accepts_anybody_accepts_anybody() {
    run(async {
        let config = NodeConfig::builder(bob())
            .accept(Trust::Any)
            .build()
            .unwrap();
        let listener = Node::<String>::bind(ANY, config).await.unwrap();
        let node = Node::bind(ANY, NodeConfig::new(identity(7))).await.unwrap();
        let peer = peer(&node, listener.local_addr());
        let receipt = peer.send("hello").await.unwrap();
        let message = listener.incoming().next().await.unwrap();
        assert_eq!(message.from().key, identity(7).key());
        message.accept();
        assert!(receipt.await.is_delivered());
    });
}

#[test]
fn messages_arrive_once_and_in_order_over_connections_that_are_cut() {
    run(async {
        const COUNT: u64 = 20_000;
        let (listener, node) = (listener().await, dialler().await);
        let peer = peer(&node, listener.local_addr());
        let sending = {
            let peer = peer.clone();
            tokio::spawn(async move { send_all(&peer, 0..COUNT).await })
        };
        let mut incoming = listener.incoming();
        for number in 0..COUNT {
            if number % (COUNT / 4) == COUNT / 8 {
                listener.cut_accepted();
            }
            assert_eq!(incoming.next().await.unwrap().accept(), numbered(number));
        }
        sending.await.unwrap();
        assert!(incoming.try_next().is_none());
        let stats = peer.stats().await.machine;
        assert_eq!(stats.delivered, COUNT);
        assert!(stats.connected >= 2, "the connection was cut: {stats:?}");
    });
}

#[test]
fn each_peer_has_its_own_sender_and_its_name() {
    run(async {
        let (listener, node) = (listener().await, dialler().await);
        let carol = {
            let trust = Trust::Keys(BTreeSet::from([alice().key()]));
            let config = NodeConfig::builder(identity(3))
                .accept(trust)
                .build()
                .unwrap();
            Node::<String>::bind(ANY, config).await.unwrap()
        };
        let to_bob = peer(&node, listener.local_addr());
        let config = peer_sender_tokio::PeerConfig::new(identity(3).key(), carol.local_addr());
        let to_carol = node.peer("carol".to_string(), config.unwrap()).unwrap();
        let receipts = [
            to_bob.send("b").await.unwrap(),
            to_carol.send("c").await.unwrap(),
        ];
        assert_eq!(listener.incoming().next().await.unwrap().accept(), "b");
        assert_eq!(carol.incoming().next().await.unwrap().accept(), "c");
        for receipt in receipts {
            assert!(receipt.await.is_delivered());
        }
    });
}
