//! Connections that fail, are refused, or are cut.

use std::collections::BTreeSet;

use crate::nodes::*;
use peer_sender_driver::{LinkError, NodeConfig, PeerEvent, Runtime, StopMode, Trust};

pub(crate) async fn a_peer_that_is_not_there_is_dialled_until_it_is<R: Runtime>() {
    let address = unused_address();
    let node = dialler::<R>().await;
    let peer = peer(&node, address);
    let mut events = peer.events();
    let receipt = peer.send("hello").await.unwrap();

    let lost = event_where(&mut events, |event| {
        matches!(event, PeerEvent::Disconnected { .. })
    })
    .await;
    let PeerEvent::Disconnected {
        error,
        retry_at: Some(retry_at),
    } = lost
    else {
        panic!("{lost:?}");
    };
    assert_eq!(
        error,
        LinkError::Unreachable,
        "the kernel's report, not the deadline"
    );
    let waits = events.next().await.unwrap();
    assert!(matches!(waits, PeerEvent::BackoffStarted { until, .. } if until == retry_at));
    let again = events.next().await.unwrap();
    assert!(matches!(again, PeerEvent::Connecting { address: at, .. } if at == address));

    let listener: Node<R> = listener_at(address, |config| config).await;
    event_where(&mut events, |event| {
        matches!(event, PeerEvent::Connected { .. })
    })
    .await;
    listener.incoming().next().await.unwrap().accept();
    assert!(receipt.await.is_delivered());
    assert_eq!(events.missed(), 0);
}

pub(crate) async fn a_peer_with_another_key_is_not_sent_anything<R: Runtime>() {
    let (listener, node) = (listener::<R>().await, dialler::<R>().await);
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
}

pub(crate) async fn a_dialler_that_is_not_trusted_is_told_so_and_is_told_of<R: Runtime>() {
    let (listener, eve) = (listener::<R>().await, identity(7));
    let node = Node::<R>::bind(ANY, NodeConfig::new(eve.clone()))
        .await
        .unwrap();
    let peer = peer(&node, listener.local_addr());
    let mut events = peer.events();
    // It may have been told before anybody listened.
    let told = peer.snapshot().await.and_then(|it| it.machine.last_error);
    let error = match told {
        Some((error, _)) => error,
        None => {
            let disconnected = event_where(&mut events, |event| {
                matches!(event, PeerEvent::Disconnected { .. })
            });
            let PeerEvent::Disconnected { error, .. } = disconnected.await else {
                unreachable!()
            };
            error
        }
    };
    assert_eq!(error, LinkError::IdentityRefused { ours: eve.key() });

    let turned_away = listener.turned_away();
    assert_eq!(turned_away.len(), 1);
    assert_eq!(turned_away[0].key, Some(eve.key()));
    assert_eq!(turned_away[0].remote, node.local_addr());
    assert_eq!(listener.turned_away(), []);
    assert_eq!(listener.stats().await.identities_refused, 1);
}

pub(crate) async fn who_accepts_anybody_accepts_anybody<R: Runtime>() {
    let config = NodeConfig::builder(bob())
        .accept(Trust::Any)
        .build()
        .unwrap();
    let listener = Node::<R>::bind(ANY, config).await.unwrap();
    let node = Node::<R>::bind(ANY, NodeConfig::new(identity(7)))
        .await
        .unwrap();
    let peer = peer(&node, listener.local_addr());
    let receipt = peer.send("hello").await.unwrap();
    let message = listener.incoming().next().await.unwrap();
    assert_eq!(message.from().key, identity(7).key());
    message.accept();
    assert!(receipt.await.is_delivered());
}

pub(crate) async fn messages_arrive_once_and_in_order_over_connections_that_are_cut<R: Runtime>() {
    const COUNT: u64 = 20_000;
    let (listener, node) = (listener::<R>().await, dialler::<R>().await);
    let peer = peer(&node, listener.local_addr());
    let sending = {
        let peer = peer.clone();
        spawn::<R, _>(async move { send_all(&peer, 0..COUNT).await })
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
}

pub(crate) async fn each_peer_has_its_own_sender_and_its_name<R: Runtime>() {
    let (listener, node) = (listener::<R>().await, dialler::<R>().await);
    let carol = {
        let trust = Trust::Keys(BTreeSet::from([alice().key()]));
        let config = NodeConfig::builder(identity(3))
            .accept(trust)
            .build()
            .unwrap();
        Node::<R>::bind(ANY, config).await.unwrap()
    };
    let to_bob = peer(&node, listener.local_addr());
    let config = peer_sender_driver::PeerConfig::new(identity(3).key(), carol.local_addr());
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
}
