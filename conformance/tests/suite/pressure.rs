//! What is full says so, and what is slow holds back.

use crate::nodes::*;
use peer_sender_driver::{RejectReason, Rejected, Runtime};
use smol::future::zip;

/// Lets both nodes do what they can.
async fn turns<R: Runtime>(one: &Node<R>, other: &Node<R>) {
    for _ in 0..200 {
        one.stats().await;
        other.stats().await;
    }
}

pub(crate) async fn a_full_queue_hands_the_message_back<R: Runtime>() {
    let node = dialler::<R>().await;
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
}

pub(crate) async fn a_message_above_the_limit_is_handed_back_at_once<R: Runtime>() {
    let node = dialler::<R>().await;
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
}

pub(crate) async fn a_consumer_that_does_not_poll_holds_the_sender_back_and_loses_nothing<
    R: Runtime,
>() {
    const SIZE: usize = 10_000;
    const QUEUED: u64 = 8;
    const IN_FLIGHT: u64 = 6;
    let listener =
        listener_with(|config| config.message_bytes_max(SIZE).inbound_bytes_max(20 * SIZE)).await;
    let node = dialler::<R>().await;
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
    let (more, ()) = zip(more, taking).await;
    for receipt in receipts.into_iter().chain(more) {
        assert!(receipt.await.is_delivered());
    }
}

/// The receiver's own bound: with room for any number in flight, only its inbound budget holds the
/// sender back.
pub(crate) async fn the_inbound_budget_bounds_what_waits_for_the_application<R: Runtime>() {
    const SIZE: usize = 100_000;
    const FIT: usize = 4;
    // A lane alone gets the common half and its own sixteenth: room for four and a half.
    let budget = 8 * SIZE;
    let listener =
        listener_with(|config| config.message_bytes_max(SIZE).inbound_bytes_max(budget)).await;
    let node = dialler::<R>().await;
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
}

pub(crate) async fn a_send_that_is_given_up_leaves_no_trace<R: Runtime>() {
    let listener = listener::<R>().await;
    let node = dialler::<R>().await;
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
        spawn::<R, _>(async move { peer.send("third").await.unwrap().await })
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
}
