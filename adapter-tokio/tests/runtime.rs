//! What is tokio's own: a node needs a runtime, and ends with it.

mod common;

use std::future::Future;
use std::time::Duration;

use common::*;
use peer_sender_tokio::{
    BindError, FailReason, Node, NodeConfig, Outcome, PeerEvent, RejectReason, StopMode,
    StopReason, UnknownReason,
};

const FAILED: Outcome = Outcome::Failed(FailReason::Stopped);
const UNKNOWN: Outcome = Outcome::Unknown(UnknownReason::Stopped);
const LONG: StopMode = StopMode::Drain(Duration::from_secs(20));

#[test]
fn a_node_is_bound_within_a_runtime() {
    let mut bind = Box::pin(Node::<String>::bind(ANY, NodeConfig::new(alice())));
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    match bind.as_mut().poll(&mut cx) {
        std::task::Poll::Ready(Err(BindError::Runtime { text })) => {
            assert!(text.contains("runtime"), "{text}");
        }
        other => panic!("{other:?}"),
    }
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
