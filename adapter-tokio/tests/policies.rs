//! What may be asked for a message, or of a peer: a time to live, sending at most once, a queue
//! that drops its oldest; and a peer that is slow, stopped or removed.

#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

mod common;

use std::collections::BTreeMap;
use std::time::Duration;

use common::*;
use peer_sender_tokio::{
    FailReason, Holdup, Incoming, Node, Outcome, PeerEvent, PeerSender, Receipt, Redelivery,
    RejectReason, StopMode, StopReason, UnknownReason, Unsent, WhenFull,
};

const SOON: Duration = Duration::from_millis(30);
const LONG: StopMode = StopMode::Drain(Duration::from_secs(60));

#[test]
fn what_waits_for_a_peer_that_is_away_expires_and_the_rest_goes_on() {
    run(async {
        let node = dialler().await;
        let (_silent, address) = silent_address();
        let peer = peer(&node, address);
        let stays = peer.try_send("stays").unwrap();
        let goes = peer.ttl(SOON).try_send("goes").unwrap();
        let posted = {
            let mut outcomes = peer.outcomes();
            peer.ttl(SOON).try_post("goes").unwrap();
            outcomes.next().await.unwrap().1
        };
        assert_eq!([goes.await, posted], [Outcome::Expired, Outcome::Expired]);
        let stats = peer.stats().await.machine;
        assert_eq!((stats.accepted, stats.expired, stats.queued), (3, 2, 1));

        let listener = listener().await;
        peer.set_addresses(vec![listener.local_addr()]).unwrap();
        assert_eq!(listener.incoming().next().await.unwrap().accept(), "stays");
        assert!(stays.await.is_delivered());
        let rejected = peer.ttl(Duration::ZERO).send("never").await.unwrap_err();
        assert_eq!(rejected.reason, RejectReason::TtlZero);
        assert_eq!(rejected.payload, "never");
    });
}

#[test]
fn replies_expire_like_any_message() {
    run(async {
        let listener = listener().await;
        let node = dialler().await;
        let peer = peer(&node, listener.local_addr());
        let asked = peer.send("request").await.unwrap();
        let request = listener.incoming().next().await.unwrap();
        let back = request.peer();
        request.accept();
        assert!(asked.await.is_delivered());
        // Its session is kept, and has no connection any more.
        node.stop(StopMode::Abort).await;
        while listener.stats().await.connections > 0 {}
        let reply = back.ttl(SOON).send("reply").await.unwrap();
        assert_eq!(reply.await, Outcome::Expired);
    });
}

/// The newest of them arrive, as many as the queue holds, in order.
#[test]
fn a_queue_that_drops_its_oldest_keeps_the_newest() {
    run(async {
        const KEPT: u64 = 10;
        const SENT: u64 = 1_000;
        let node = dialler().await;
        let (_silent, address) = silent_address();
        let peer = peer_with(&node, bob().key(), address, |config| {
            config
                .queue_messages_max(KEPT as usize)
                .when_full(WhenFull::DropOldest)
        });
        let reserved = peer.reserve(1).await.map(drop);
        assert_eq!(reserved, Err(RejectReason::NothingToReserve));
        let mut receipts = Vec::new();
        for number in 0..SENT {
            receipts.push(peer.try_send(numbered(number)).unwrap());
            if number % 7 == 0 {
                // Some are put out by the machine, others before it sees them.
                peer.stats().await;
            }
        }
        let kept = receipts.split_off((SENT - KEPT) as usize);
        for receipt in receipts {
            assert_eq!(receipt.await, Outcome::Failed(FailReason::Displaced));
        }
        let stats = peer.stats().await.machine;
        let counts = (stats.accepted, stats.failed, stats.queued);
        assert_eq!(counts, (SENT, SENT - KEPT, KEPT));

        let listener = listener().await;
        peer.set_addresses(vec![listener.local_addr()]).unwrap();
        let mut incoming = listener.incoming();
        for number in SENT - KEPT..SENT {
            assert_eq!(incoming.next().await.unwrap().accept(), numbered(number));
        }
        for receipt in kept {
            assert!(receipt.await.is_delivered());
        }
    });
}

fn at_most_once(node: &Node<String>, listener: &Node<String>) -> PeerSender {
    peer_with(node, bob().key(), listener.local_addr(), |config| {
        config.redelivery(Redelivery::AtMostOnce)
    })
}

async fn send(peer: &PeerSender, numbers: std::ops::Range<u64>) -> BTreeMap<u64, Receipt> {
    let mut receipts = BTreeMap::new();
    for number in numbers {
        receipts.insert(number, peer.send(numbered(number)).await.unwrap());
    }
    receipts
}

/// Takes messages until all of these have come, whatever else does, and notes how often each came.
async fn take(incoming: &mut Incoming<String>, seen: &mut BTreeMap<Vec<u8>, u32>, until: u64) {
    loop {
        let payload = incoming.next().await.unwrap().accept().to_vec();
        *seen.entry(payload.clone()).or_default() += 1;
        if payload == numbered(until) {
            return;
        }
    }
}

/// A receiver that is gone for good may have taken what it had not answered: its successor never
/// sees it, and the sender says that it does not know.
#[test]
fn at_most_once_sends_nothing_to_a_successor_that_the_killed_listener_may_have_taken() {
    run(async {
        let listener = listener().await;
        let address = listener.local_addr();
        let node = dialler().await;
        let peer = at_most_once(&node, &listener);
        let mut incoming = listener.incoming();
        let mut seen = BTreeMap::new();
        let mut receipts = send(&peer, 0..10).await;
        take(&mut incoming, &mut seen, 9).await;
        for number in 0..10 {
            assert!(receipts.remove(&number).unwrap().await.is_delivered());
        }
        let mut receipts = send(&peer, 10..20).await;
        let mut held = Vec::new();
        while held.len() < 10 {
            held.push(incoming.next().await.unwrap());
        }
        for message in &held {
            *seen.entry(message.payload().to_vec()).or_default() += 1;
        }
        // It dies with all of them in its hands.
        let mut events = peer.events();
        listener.stop(StopMode::Abort).await;
        let gone = |event: &PeerEvent| matches!(event, PeerEvent::Disconnected { .. });
        event_where(&mut events, gone).await;
        let successor = listener_at(address, |config| config).await;
        receipts.append(&mut send(&peer, 20..30).await);
        take(&mut successor.incoming(), &mut seen, 29).await;
        for (number, receipt) in receipts {
            let outcome = receipt.await;
            match number < 20 {
                true => assert_eq!(outcome, Outcome::Unknown(UnknownReason::Forgotten)),
                false => assert!(outcome.is_delivered(), "{number}: {outcome:?}"),
            }
        }
        assert!(seen.len() == 30 && seen.values().all(|times| *times == 1));
    });
}

/// While the receiver lives it can always say what it has, so nothing is lost for want of a
/// second time.
#[test]
fn at_most_once_over_cut_connections_delivers_all_of_it_once() {
    run(async {
        const COUNT: u64 = 2_000;
        let listener = listener().await;
        let node = dialler().await;
        let peer = at_most_once(&node, &listener);
        let sending = {
            let peer = peer.clone();
            tokio::spawn(async move { send(&peer, 0..COUNT).await })
        };
        let mut incoming = listener.incoming();
        for number in 0..COUNT {
            let message = incoming.next().await.unwrap();
            assert_eq!(message.payload(), &numbered(number));
            message.accept();
            if number % 400 == 99 {
                listener.cut_accepted();
            }
        }
        for (number, receipt) in sending.await.unwrap() {
            let outcome = receipt.await;
            assert!(outcome.is_delivered(), "{number}: {outcome:?}");
        }
        assert!(incoming.try_next().is_none(), "nothing comes twice");
    });
}

#[test]
fn a_peer_that_answers_slowly_is_told_of_until_it_has_caught_up() {
    run(async {
        let listener = listener().await;
        let node = dialler().await;
        let peer = peer_with(&node, bob().key(), listener.local_addr(), |config| {
            config.slow_after(Some(SOON))
        });
        let mut events = peer.events();
        let before = node.now();
        let receipt = peer.send("unanswered").await.unwrap();
        let slow = event_where(&mut events, |event| {
            matches!(event, PeerEvent::SlowPeer { .. })
        });
        let PeerEvent::SlowPeer { since } = slow.await else {
            unreachable!()
        };
        assert!(before <= since && since + SOON <= node.now());
        // Told once, and no trouble by itself.
        assert_eq!(
            peer.snapshot().await.unwrap().machine.holdup,
            Holdup::AwaitsReceipts
        );
        listener.incoming().next().await.unwrap().accept();
        assert!(receipt.await.is_delivered());
        assert_eq!(events.next().await, Some(PeerEvent::SlowPeerCleared));
    });
}

fn unsent(numbers: std::ops::Range<u64>) -> Vec<(u64, Vec<u8>)> {
    numbers.map(|number| (number, numbered(number))).collect()
}

fn named(unsent: &[Unsent], first: u64) -> Vec<(u64, Vec<u8>)> {
    let each = unsent.iter();
    each.map(|message| (message.id.0 - first, message.payload.to_vec()))
        .collect()
}

/// One message has begun, the others wait behind it.
async fn one_in_flight(listener: &Node<String>, peer: &PeerSender) -> Vec<Receipt> {
    let mut receipts = Vec::new();
    for number in 0..5 {
        receipts.push(peer.send(numbered(number)).await.unwrap());
    }
    let taken = listener.incoming().next().await.unwrap();
    // Never answered.
    std::mem::forget(taken);
    receipts
}

#[test]
fn a_drain_that_is_aborted_hands_back_what_was_not_sent() {
    run(async {
        let listener = listener().await;
        let node = dialler().await;
        let peer = peer_with(&node, bob().key(), listener.local_addr(), |config| {
            config.flight_messages_max(1)
        });
        let receipts = one_in_flight(&listener, &peer).await;
        let first = receipts[0].id().0;
        let drains = {
            let peer = peer.clone();
            tokio::spawn(async move { peer.stop(LONG).await })
        };
        while peer.try_send("accepted no more").is_ok() {
            tokio::task::yield_now().await;
        }
        peer.stats().await;
        let stopped = peer.stop(StopMode::Abort).await;
        assert_eq!(stopped.reason, StopReason::Aborted);
        let handed_back = named(&stopped.unsent, first);
        assert_eq!(handed_back[..4], unsent(1..5));
        assert!(
            stopped.unsent[4..]
                .iter()
                .all(|it| it.payload == "accepted no more")
        );
        assert_eq!(drains.await.unwrap(), stopped);
        let mut outcomes = Vec::new();
        for receipt in receipts {
            outcomes.push(receipt.await);
        }
        let mut expected = vec![Outcome::Failed(FailReason::Stopped); 5];
        expected[0] = Outcome::Unknown(UnknownReason::Stopped);
        assert_eq!(outcomes, expected);
    });
}

#[test]
fn a_removed_peer_says_so_of_each_message_and_its_name_is_free_at_once() {
    run(async {
        let listener = listener().await;
        let node = dialler().await;
        let peer = peer_with(&node, bob().key(), listener.local_addr(), |config| {
            config.flight_messages_max(1)
        });
        let mut events = peer.events();
        let receipts = one_in_flight(&listener, &peer).await;
        let first = receipts[0].id().0;
        let stopped = peer.remove().await;
        assert_eq!(stopped.reason, StopReason::Removed);
        assert_eq!(named(&stopped.unsent, first), unsent(1..5));
        for (number, receipt) in receipts.into_iter().enumerate() {
            let expected = match number {
                0 => Outcome::Unknown(UnknownReason::Removed),
                _ => Outcome::Failed(FailReason::Removed),
            };
            assert_eq!(receipt.await, expected);
        }
        let mut last = None;
        while let Some(event) = events.next().await {
            last = Some(event);
        }
        let reason = StopReason::Removed;
        assert_eq!(last, Some(PeerEvent::SenderStopped { reason }));
        assert!(node.get(&"bob".to_string()).is_none());

        // The same name for the same peer, in a session of its own.
        let again = peer_with(&node, bob().key(), listener.local_addr(), |config| config);
        let receipt = again.send("again").await.unwrap();
        assert_eq!(listener.incoming().next().await.unwrap().accept(), "again");
        assert!(receipt.await.is_delivered());
    });
}

#[test]
fn a_node_that_is_stopped_as_if_removed_ends_at_once() {
    run(async {
        let listener = listener().await;
        let node = dialler().await;
        let peer = peer(&node, listener.local_addr());
        let asked = peer.send("request").await.unwrap();
        let back = listener.incoming().next().await.unwrap().peer();
        let reply = back.send("reply").await.unwrap();
        node.stop(StopMode::Remove).await;
        listener.stop(StopMode::Remove).await;
        assert!(!asked.await.is_delivered());
        assert!(!reply.await.is_delivered());
        assert_eq!(peer.stop(LONG).await.reason, StopReason::Removed);
        assert_eq!(back.stop(LONG).await.reason, StopReason::Aborted);
    });
}
