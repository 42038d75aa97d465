//! Every way to end, and that nothing is left hanging.

use std::time::Duration;

use crate::nodes::*;
use peer_sender_driver::{
    AddPeerError, FailReason, Identity, NodeConfig, Outcome, PeerConfig, PeerEvent, RejectReason,
    Runtime, StopMode, StopReason, UnknownReason,
};
use smol::future::yield_now;

const FAILED: Outcome = Outcome::Failed(FailReason::Stopped);
const UNKNOWN: Outcome = Outcome::Unknown(UnknownReason::Stopped);
const LONG: StopMode = StopMode::Drain(Duration::from_secs(20));

pub(crate) async fn a_drain_finishes_what_was_accepted_and_accepts_nothing_more<R: Runtime>() {
    let (listener, node) = (listener::<R>().await, dialler::<R>().await);
    let peer = peer(&node, listener.local_addr());
    let mut events = peer.events();
    let mut incoming = listener.incoming().auto();
    let receiving = spawn::<R, _>(async move {
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
}

pub(crate) async fn a_stop_while_nobody_answers_ends_at_its_deadline<R: Runtime>() {
    let node = dialler::<R>().await;
    let (_silent, address) = silent_address();
    let peer = peer(&node, address);
    let receipt = peer.send("never sent").await.unwrap();
    let soon = StopMode::Drain(Duration::from_millis(50));
    assert_eq!(peer.stop(soon).await.reason, StopReason::DeadlineReached);
    assert_eq!(receipt.await, FAILED);
}

pub(crate) async fn a_second_stop_shortens_the_first<R: Runtime>() {
    let node = dialler::<R>().await;
    let (_silent, address) = silent_address();
    let peer = peer(&node, address);
    let receipt = peer.send("never sent").await.unwrap();
    let first = {
        let peer = peer.clone();
        spawn::<R, _>(async move { peer.stop(LONG).await })
    };
    yield_now().await;
    assert_eq!(peer.stop(StopMode::Abort).await.reason, StopReason::Aborted);
    assert_eq!(first.await.unwrap().reason, StopReason::Aborted);
    assert_eq!(peer.stop(LONG).await.reason, StopReason::Aborted);
    assert_eq!(receipt.await, FAILED);
}

pub(crate) async fn an_abort_tells_what_was_sent_from_what_was_not<R: Runtime>() {
    let (listener, node) = (listener::<R>().await, dialler::<R>().await);
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
}

pub(crate) async fn a_waiting_send_is_handed_its_message_back_by_a_stop<R: Runtime>() {
    let node = dialler::<R>().await;
    let (_silent, address) = silent_address();
    let peer = peer_with(&node, bob().key(), address, |config| {
        config.queue_messages_max(1)
    });
    let accepted = peer.send("accepted").await.unwrap();
    let waiting = {
        let peer = peer.clone();
        spawn::<R, _>(async move { peer.send("waiting").await })
    };
    yield_now().await;
    peer.stop(StopMode::Abort).await;
    let rejected = waiting.await.unwrap().unwrap_err();
    assert_eq!(
        (rejected.reason, &rejected.payload[..]),
        (RejectReason::Stopped, &b"waiting"[..])
    );
    assert_eq!(accepted.await, FAILED);
}

pub(crate) async fn a_name_is_free_again_once_its_peer_has_stopped<R: Runtime>() {
    let node = dialler::<R>().await;
    let (_silent, address) = silent_address();
    let config = PeerConfig::new(bob().key(), address).unwrap();
    let peer = node.peer("bob".to_string(), config.clone()).unwrap();
    let again = node.peer("bob".to_string(), config.clone());
    assert_eq!(again.unwrap_err(), AddPeerError::Duplicate);
    peer.stop(StopMode::Abort).await;
    node.peer("bob".to_string(), config).unwrap();
}

pub(crate) async fn a_node_stops_with_all_its_peers<R: Runtime>() {
    let (listener, node) = (listener::<R>().await, dialler::<R>().await);
    let peer = peer(&node, listener.local_addr());
    let receipt = peer.send("hello").await.unwrap();
    let mut incoming = listener.incoming();
    let stopping = {
        let node = node.clone();
        spawn::<R, _>(async move { node.stop(LONG).await })
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
}

pub(crate) async fn a_listener_that_stops_ends_its_streams_and_its_senders_go_on_without_it<
    R: Runtime,
>() {
    let (listener, node) = (listener::<R>().await, dialler::<R>().await);
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
    let listener: Node<R> = listener_at(address, |config| config).await;
    assert_eq!(listener.incoming().next().await.unwrap().accept(), "later");
    assert!(later.await.is_delivered());
}

pub(crate) async fn a_listener_that_drains_still_hears_what_the_application_says<R: Runtime>() {
    let (listener, node) = (listener::<R>().await, dialler::<R>().await);
    let peer = peer(&node, listener.local_addr());
    let mut incoming = listener.incoming();
    let receipt = peer.send("held").await.unwrap();
    let held = incoming.next().await.unwrap();
    let stopping = {
        let listener = listener.clone();
        spawn::<R, _>(async move { listener.stop(LONG).await })
    };
    // Two turns of the driver: the stop is under way.
    listener.stats().await;
    listener.stats().await;
    held.accept();
    assert!(receipt.await.is_delivered());
    stopping.await.unwrap();
    assert!(incoming.next().await.is_none());
}

pub(crate) async fn the_last_node_handle_ends_everything<R: Runtime>() {
    let (listener, node) = (listener::<R>().await, dialler::<R>().await);
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
}

pub(crate) async fn an_address_is_free_again_once_its_node_has_stopped<R: Runtime>() {
    let config = NodeConfig::new(Identity::from_secret([7; 32]));
    let mut address = "127.0.0.1:0".parse().unwrap();
    for _ in 0..100 {
        let node = Node::<R>::bind(address, config.clone()).await.unwrap();
        address = node.local_addr();
        node.stop(StopMode::Abort).await;
    }
}
