//! What is full says so, and what is slow holds back.

mod common;

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use common::*;
use peer_sender_tokio::{Node, RejectReason, Rejected};

/// Lets both nodes do what they can.
async fn turns(one: &Node<String>, other: &Node<String>) {
    for _ in 0..200 {
        one.stats().await;
        other.stats().await;
    }
}

async fn poll_once<F: Future>(future: &mut Pin<Box<F>>) -> Poll<F::Output> {
    poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await
}

#[test]
fn a_full_queue_hands_the_message_back() {
    run(async {
        let node = dialler().await;
        let (_silent, address) = silent_address();
        let peer = peer_with(&node, bob().key(), address, |config| {
            config.queue_messages_max(2)
        });
        let _first = peer.try_send("1").unwrap();
        let _second = peer.try_send("2").unwrap();
        let rejected = peer.try_send("3").unwrap_err();
        assert_eq!(
            rejected,
            Rejected {
                reason: RejectReason::QueueFull,
                payload: "3".into()
            }
        );
        assert_eq!(
            rejected.to_string(),
            "message of 1 bytes not accepted: the queue is full; wait for room, or raise \
             queue_messages_max or queue_bytes_max"
        );
    });
}

#[test]
fn a_message_above_the_limit_is_handed_back_at_once() {
    run(async {
        let node = dialler().await;
        let (_silent, address) = silent_address();
        let peer = peer_with(&node, bob().key(), address, |config| {
            config.message_bytes_max(10)
        });
        let reason = RejectReason::TooLarge { bytes: 11, max: 10 };
        let rejected = Rejected {
            reason,
            payload: vec![0; 11].into(),
        };
        assert_eq!(peer.send(vec![0; 11]).await.unwrap_err(), rejected);
        assert_eq!(peer.try_send(vec![0; 11]).unwrap_err(), rejected);
        let _fits = peer.try_send(vec![0; 10]).unwrap();
    });
}

#[test]
fn a_consumer_that_does_not_poll_holds_the_sender_back_and_loses_nothing() {
    run(async {
        const SIZE: usize = 10_000;
        const QUEUED: u64 = 8;
        const IN_FLIGHT: u64 = 6;
        let listener =
            listener_with(|config| config.message_bytes_max(SIZE).inbound_bytes_max(20 * SIZE))
                .await;
        let node = dialler().await;
        let peer = peer_with(&node, bob().key(), listener.local_addr(), |config| {
            config
                .queue_messages_max(QUEUED as usize)
                .flight_messages_max(IN_FLIGHT as usize)
        });
        let payload = |number: u64| vec![number as u8; SIZE];
        let mut receipts = Vec::new();
        while {
            let stats = peer.stats().await.machine;
            assert!(
                stats.queued <= QUEUED && stats.in_flight <= IN_FLIGHT,
                "{stats:?}"
            );
            (stats.queued, stats.in_flight) != (QUEUED, IN_FLIGHT)
        } {
            receipts.extend(peer.try_send(payload(receipts.len() as u64)));
        }
        let held_back = receipts.len() as u64;
        assert_eq!(held_back, QUEUED + IN_FLIGHT);
        let mut send = Box::pin(peer.send(payload(held_back)));
        assert!(poll_once(&mut send).await.is_pending());
        turns(&node, &listener).await;
        assert!(poll_once(&mut send).await.is_pending());

        let mut incoming = listener.incoming();
        let more = {
            let peer = peer.clone();
            async move {
                let mut receipts = vec![send.await.unwrap()];
                for number in held_back + 1..200 {
                    receipts.push(peer.send(payload(number)).await.unwrap());
                }
                receipts
            }
        };
        let taking = async {
            for number in 0..200 {
                let taken = incoming.next().await.unwrap().accept();
                assert!(taken == payload(number), "message {number} differs");
            }
        };
        let (more, ()) = tokio::join!(more, taking);
        for receipt in receipts.into_iter().chain(more) {
            assert!(receipt.await.is_delivered());
        }
    });
}

/// The receiver's own bound: with room for any number in flight, only its inbound budget holds the
/// sender back.
#[test]
fn the_inbound_budget_bounds_what_waits_for_the_application() {
    run(async {
        const SIZE: usize = 100_000;
        const FIT: usize = 4;
        // A lane alone gets the common half and its own sixteenth: room for four and a half.
        let budget = 8 * SIZE;
        let listener =
            listener_with(|config| config.message_bytes_max(SIZE).inbound_bytes_max(budget)).await;
        let node = dialler().await;
        let peer = peer(&node, listener.local_addr());
        let mut receipts = Vec::new();
        for number in 0..40_u8 {
            receipts.push(peer.send(vec![number; SIZE]).await.unwrap());
        }
        let mut incoming = listener.incoming();
        let mut held = Vec::new();
        for number in 0..40_u8 {
            held.push(incoming.next().await.unwrap());
            assert!(held.last().unwrap().payload() == &vec![number; SIZE]);
            if held.len() == FIT {
                turns(&node, &listener).await;
                assert!(
                    incoming.try_next().is_none(),
                    "more is held than the budget allows"
                );
                held.drain(..).for_each(|message| drop(message.accept()));
            }
        }
        for receipt in receipts {
            assert!(receipt.await.is_delivered());
        }
    });
}

#[test]
fn a_send_that_is_given_up_leaves_no_trace() {
    run(async {
        let listener = listener().await;
        let node = dialler().await;
        let peer = peer_with(&node, bob().key(), listener.local_addr(), |config| {
            config.queue_messages_max(1).flight_messages_max(1)
        });
        let mut incoming = listener.incoming();
        let first = peer.send("first").await.unwrap();
        let held = incoming.next().await.unwrap();
        let second = peer.send("second").await.unwrap();
        let mut given_up = Box::pin(peer.send("given up"));
        turns(&node, &listener).await;
        let polled = poll_once(&mut given_up).await;
        assert!(polled.is_pending(), "one in flight and one queued are all");
        drop(given_up);

        let third = {
            let peer = peer.clone();
            tokio::spawn(async move { peer.send("third").await.unwrap().await })
        };
        held.accept();
        for expected in ["second", "third"] {
            assert_eq!(incoming.next().await.unwrap().accept(), expected);
        }
        for receipt in [first, second] {
            assert!(receipt.await.is_delivered());
        }
        assert!(third.await.unwrap().is_delivered());
        assert_eq!(peer.stats().await.machine.accepted, 3);
    });
}
