//! What is full says so, and what is slow holds back.

mod common;

use std::time::Duration;

use common::*;
use peer_sender_tokio::{RejectReason, Rejected};
use tokio::time::timeout;

/// Long enough that what could happen has happened.
const A_WHILE: Duration = Duration::from_millis(300);

#[test]
fn a_full_queue_hands_the_message_back() {
    run(async {
        let node = dialler().await;
        let peer = peer_with(&node, bob().key(), unused_address(), |config| {
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
        let peer = peer_with(&node, bob().key(), unused_address(), |config| {
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
        const QUEUED: usize = 8;
        const IN_FLIGHT: usize = 8;
        const BUDGET: usize = 20 * SIZE;
        let listener =
            listener_with(|config| config.message_bytes_max(SIZE).inbound_bytes_max(BUDGET)).await;
        let node = dialler().await;
        let peer = peer_with(&node, bob().key(), listener.local_addr(), |config| {
            config
                .queue_messages_max(QUEUED)
                .flight_messages_max(IN_FLIGHT)
        });
        let mut receipts = Vec::new();
        while let Ok(sent) = timeout(A_WHILE, peer.send(vec![receipts.len() as u8; SIZE])).await {
            receipts.push(sent.unwrap());
            assert!(
                receipts.len() <= QUEUED + IN_FLIGHT,
                "nothing holds the sender back"
            );
        }
        let held_back = receipts.len();
        assert!(
            held_back >= QUEUED + IN_FLIGHT - 1,
            "held back too early: {held_back}"
        );
        let stats = peer.stats().await.machine;
        assert_eq!(stats.queued + stats.in_flight, held_back as u64);

        let mut incoming = listener.incoming();
        let more = {
            let peer = peer.clone();
            tokio::spawn(async move {
                let mut receipts = Vec::new();
                for number in held_back..200 {
                    receipts.push(peer.send(vec![number as u8; SIZE]).await.unwrap());
                }
                receipts
            })
        };
        for number in 0..200 {
            let payload = incoming.next().await.unwrap().accept();
            assert!(
                payload == vec![number as u8; SIZE],
                "message {number} differs"
            );
        }
        receipts.extend(more.await.unwrap());
        for receipt in receipts {
            assert!(receipt.await.is_delivered());
        }
    });
}

/// The receiver's own bound: with room for any number in flight, only the inbound budget and QUIC's
/// flow control hold the sender back.
#[test]
fn the_inbound_budget_bounds_what_waits_for_the_application() {
    run(async {
        const SIZE: usize = 100_000;
        const BUDGET: usize = 4 * SIZE;
        let listener =
            listener_with(|config| config.message_bytes_max(SIZE).inbound_bytes_max(BUDGET)).await;
        let node = dialler().await;
        let peer = peer(&node, listener.local_addr());
        let mut receipts = Vec::new();
        for number in 0..40_u8 {
            receipts.push(peer.send(vec![number; SIZE]).await.unwrap());
        }
        let mut incoming = listener.incoming();
        let first = incoming.next().await.unwrap();
        let mut held = vec![first];
        while let Ok(message) = timeout(A_WHILE, incoming.next()).await {
            held.push(message.unwrap());
        }
        assert!(
            held.len() <= BUDGET / SIZE,
            "{} messages are above the budget",
            held.len()
        );
        for message in held.drain(..) {
            message.accept();
        }
        for receipt in receipts {
            tokio::pin!(receipt);
            loop {
                tokio::select! {
                    outcome = &mut receipt => { assert!(outcome.is_delivered()); break }
                    message = incoming.next() => drop(message.unwrap().accept()),
                }
            }
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
        let given_up = timeout(A_WHILE, peer.send("given up")).await;
        assert!(given_up.is_err(), "one in flight and one queued are all");

        let third = {
            let peer = peer.clone();
            tokio::spawn(async move { peer.send("third").await.unwrap() })
        };
        held.accept();
        for expected in ["second", "third"] {
            assert_eq!(incoming.next().await.unwrap().accept(), expected);
        }
        for receipt in [first, second, third.await.unwrap()] {
            assert!(receipt.await.is_delivered());
        }
        assert_eq!(peer.stats().await.machine.accepted, 3);
    });
}
