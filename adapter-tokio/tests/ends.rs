//! Every way to end, and that nothing is left hanging.

mod common;

use std::time::Duration;

use common::*;
use peer_sender_tokio::{
    AddPeerError, FailReason, Identity, Node, NodeConfig, Outcome, PeerConfig, PeerEvent,
    RejectReason, StopMode, StopReason, UnknownReason,
};

const FAILED: Outcome = Outcome::Failed(FailReason::Stopped);
const UNKNOWN: Outcome = Outcome::Unknown(UnknownReason::Stopped);
const LONG: StopMode = StopMode::Drain(Duration::from_secs(20));

#[test]
fn a_drain_finishes_what_was_accepted_and_accepts_nothing_more() {
    run(async {
        let (listener, node) = (listener().await, dialler().await);
        let peer = peer(&node, listener.local_addr());
        let mut events = peer.events();
        let mut incoming = listener.incoming().auto();
        let receiving = tokio::spawn(async move {
            let mut taken = 0;
            while let Some(message) = incoming.next().await {
                assert_eq!(message.payload, numbered(taken));
                taken += 1;
            }
            taken
        });
        let mut receipts = Vec::new();
        for number in 0..1_000 {
            receipts.push(peer.send(numbered(number)).await.unwrap());
        }
        assert_eq!(peer.stop(LONG).await.reason, StopReason::Drained);
        for receipt in receipts {
            assert!(receipt.await.is_delivered());
        }
        let rejected = peer.send("late").await.unwrap_err();
        assert_eq!(
            (rejected.reason, &rejected.payload[..]),
            (RejectReason::Stopped, &b"late"[..])
        );
        assert_eq!(
            peer.try_send("late").unwrap_err().reason,
            RejectReason::Stopped
        );

        let last = PeerEvent::SenderStopped {
            reason: StopReason::Drained,
        };
        event_where(&mut events, |event| *event == last).await;
        assert_eq!(events.next().await, None);
        let mut late = peer.events();
        assert_eq!((late.next().await, late.next().await), (Some(last), None));
        assert_eq!(peer.stats().await.machine.delivered, 1_000);

        listener.stop(LONG).await;
        assert_eq!(receiving.await.unwrap(), 1_000);
    });
}

#[test]
fn a_stop_while_nobody_answers_ends_at_its_deadline() {
    run(async {
        let node = dialler().await;
        let (_silent, address) = silent_address();
        let peer = peer(&node, address);
        let receipt = peer.send("never sent").await.unwrap();
        let soon = StopMode::Drain(Duration::from_millis(50));
        assert_eq!(peer.stop(soon).await.reason, StopReason::DeadlineReached);
        assert_eq!(receipt.await, FAILED);
    });
}

#[test]
fn a_second_stop_shortens_the_first() {
    run(async {
        let node = dialler().await;
        let (_silent, address) = silent_address();
        let peer = peer(&node, address);
        let receipt = peer.send("never sent").await.unwrap();
        let first = {
            let peer = peer.clone();
            tokio::spawn(async move { peer.stop(LONG).await })
        };
        tokio::task::yield_now().await;
        assert_eq!(peer.stop(StopMode::Abort).await.reason, StopReason::Aborted);
        assert_eq!(first.await.unwrap().reason, StopReason::Aborted);
        assert_eq!(peer.stop(LONG).await.reason, StopReason::Aborted);
        assert_eq!(receipt.await, FAILED);
    });
}

#[test]
fn an_abort_tells_what_was_sent_from_what_was_not() {
    run(async {
        let (listener, node) = (listener().await, dialler().await);
        let peer = peer_with(&node, bob().key(), listener.local_addr(), |config| {
            config.flight_messages_max(1)
        });
        let mut incoming = listener.incoming();
        let sent = peer.send("sent").await.unwrap();
        let held = incoming.next().await.unwrap();
        let queued = peer.send("queued").await.unwrap();
        assert_eq!(peer.stop(StopMode::Abort).await.reason, StopReason::Aborted);
        assert_eq!(sent.await, UNKNOWN);
        assert_eq!(queued.await, FAILED);
        held.accept();
    });
}

#[test]
fn a_waiting_send_is_handed_its_message_back_by_a_stop() {
    run(async {
        let node = dialler().await;
        let (_silent, address) = silent_address();
        let peer = peer_with(&node, bob().key(), address, |config| {
            config.queue_messages_max(1)
        });
        let accepted = peer.send("accepted").await.unwrap();
        let waiting = {
            let peer = peer.clone();
            tokio::spawn(async move { peer.send("waiting").await })
        };
        tokio::task::yield_now().await;
        peer.stop(StopMode::Abort).await;
        let rejected = waiting.await.unwrap().unwrap_err();
        assert_eq!(
            (rejected.reason, &rejected.payload[..]),
            (RejectReason::Stopped, &b"waiting"[..])
        );
        assert_eq!(accepted.await, FAILED);
    });
}

#[test]
fn a_name_is_free_again_once_its_peer_has_stopped() {
    run(async {
        let node = dialler().await;
        let (_silent, address) = silent_address();
        let config = PeerConfig::new(bob().key(), address).unwrap();
        let peer = node.peer("bob".to_string(), config.clone()).unwrap();
        let again = node.peer("bob".to_string(), config.clone());
        assert_eq!(again.unwrap_err(), AddPeerError::Duplicate);
        peer.stop(StopMode::Abort).await;
        node.peer("bob".to_string(), config).unwrap();
    });
}

#[test]
fn a_node_stops_with_all_its_peers() {
    run(async {
        let (listener, node) = (listener().await, dialler().await);
        let peer = peer(&node, listener.local_addr());
        let receipt = peer.send("hello").await.unwrap();
        let mut incoming = listener.incoming();
        let stopping = {
            let node = node.clone();
            tokio::spawn(async move { node.stop(LONG).await })
        };
        incoming.next().await.unwrap().accept();
        stopping.await.unwrap();
        assert!(receipt.await.is_delivered());
        assert_eq!(
            peer.send("late").await.unwrap_err().reason,
            RejectReason::Stopped
        );
        let config = PeerConfig::new(bob().key(), listener.local_addr()).unwrap();
        assert_eq!(
            node.peer("carol".to_string(), config).unwrap_err(),
            AddPeerError::Stopped
        );
        assert!(node.stats().await.datagrams_sent > 0);
        node.stop(StopMode::Abort).await;
    });
}

#[test]
fn a_listener_that_stops_ends_its_streams_and_its_senders_go_on_without_it() {
    run(async {
        let (listener, node) = (listener().await, dialler().await);
        let peer = peer(&node, listener.local_addr());
        let address = listener.local_addr();
        let mut incoming = listener.incoming();
        let answered = peer.send("answered").await.unwrap();
        incoming.next().await.unwrap().accept();
        assert!(answered.await.is_delivered());
        listener.stop(StopMode::Drain(Duration::from_secs(1))).await;
        assert!(incoming.next().await.is_none());
        assert!(incoming.auto().next().await.is_none());
        drop(listener);

        let later = peer.send("later").await.unwrap();
        let listener = listener_at(address, |config| config).await;
        assert_eq!(listener.incoming().next().await.unwrap().accept(), "later");
        assert!(later.await.is_delivered());
    });
}

#[test]
fn a_listener_that_drains_still_hears_what_the_application_says() {
    run(async {
        let (listener, node) = (listener().await, dialler().await);
        let peer = peer(&node, listener.local_addr());
        let mut incoming = listener.incoming();
        let receipt = peer.send("held").await.unwrap();
        let held = incoming.next().await.unwrap();
        let stopping = {
            let listener = listener.clone();
            tokio::spawn(async move { listener.stop(LONG).await })
        };
        // Two turns of the driver: the stop is under way.
        listener.stats().await;
        listener.stats().await;
        held.accept();
        assert!(receipt.await.is_delivered());
        stopping.await.unwrap();
        assert!(incoming.next().await.is_none());
    });
}

#[test]
fn the_last_node_handle_ends_everything() {
    run(async {
        let (listener, node) = (listener().await, dialler().await);
        let peer = peer(&node, listener.local_addr());
        let mut events = peer.events();
        let mut incoming = listener.incoming();
        let receipt = peer.send("held").await.unwrap();
        let held = incoming.next().await.unwrap();

        let other = node.clone();
        drop(node);
        assert!(
            peer.stats().await.machine.connected == 1,
            "a handle is left"
        );
        drop(other);
        assert_eq!(receipt.await, UNKNOWN);
        event_where(&mut events, |event| {
            *event
                == PeerEvent::SenderStopped {
                    reason: StopReason::Aborted,
                }
        })
        .await;
        assert_eq!(
            peer.try_send("late").unwrap_err().reason,
            RejectReason::Stopped
        );
        assert_eq!(peer.stop(LONG).await.reason, StopReason::Aborted);

        drop(listener);
        assert!(incoming.next().await.is_none());
        held.accept();
    });
}

#[test]
fn a_runtime_that_is_dropped_leaves_nothing_hanging() {
    let runtime = || {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder.worker_threads(1).enable_all().build().unwrap()
    };
    let (own, other) = (runtime(), runtime());
    let listener = other.block_on(listener());
    let (node, peer) = own.block_on(async {
        let node = dialler().await;
        let peer = peer_with(&node, bob().key(), listener.local_addr(), |config| {
            config.queue_messages_max(1).flight_messages_max(1)
        });
        (node, peer)
    });
    let mut events = peer.events();
    let mut incoming = node.incoming();
    let (sent, held, accepted, waiting) = other.block_on(bounded(async {
        let sent = peer.send("sent").await.unwrap();
        let held = listener.incoming().next().await.unwrap();
        let accepted = peer.send("queued").await.unwrap();
        let waiting = {
            let peer = peer.clone();
            tokio::spawn(async move { peer.send("waiting").await })
        };
        while peer.stats().await.machine.queued == 0 {}
        (sent, held, accepted, waiting)
    }));

    drop(own);
    other.block_on(bounded(async {
        assert_eq!(sent.await, UNKNOWN);
        assert_eq!(accepted.await, FAILED);
        assert_eq!(
            waiting.await.unwrap().unwrap_err().reason,
            RejectReason::Stopped
        );
        assert_eq!(peer.stop(LONG).await.reason, StopReason::Aborted);
        while let Some(event) = events.next().await {
            if let PeerEvent::SenderStopped { reason } = event {
                assert_eq!(reason, StopReason::Aborted);
            }
        }
        assert!(incoming.next().await.is_none());
        node.stop(LONG).await;
        let _ = (node.stats().await, peer.stats().await);
        assert_eq!(
            peer.try_send("late").unwrap_err().reason,
            RejectReason::Stopped
        );
        held.accept();
    }));
}

#[test]
fn what_never_left_the_mailbox_has_failed_when_the_runtime_goes() {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let own = builder.enable_all().build().unwrap();
    let (_silent, address) = silent_address();
    let (node, peer) = own.block_on(async {
        let node = dialler().await;
        let peer = peer(&node, address);
        (node, peer)
    });
    // Nobody drives the runtime any more.
    let receipt = peer.try_send("never taken").unwrap();
    drop(own);
    assert_eq!(run(receipt), FAILED);
    drop(node);
}

#[test]
fn an_address_is_free_again_once_its_node_has_stopped() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let config = NodeConfig::new(Identity::from_secret([7; 32]));
        let mut address = "127.0.0.1:0".parse().unwrap();
        for _ in 0..100 {
            let node = Node::<String>::bind(address, config.clone()).await.unwrap();
            address = node.local_addr();
            node.stop(StopMode::Abort).await;
        }
    });
}
