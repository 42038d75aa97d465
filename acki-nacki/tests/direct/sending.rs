//! Messages on their way through resolution.

use std::net::SocketAddr;

use peer_sender_acki_nacki::direct::{Phase, ResolveError};
use peer_sender_tokio::{FailReason, Outcome, RefuseCode, StopMode};

use super::*;

async fn read_in_order(incoming: &mut DirectIncoming<String>, count: usize) {
    for number in 0..count {
        let read = within(incoming.next()).await.unwrap().unwrap();
        assert_eq!(read.accept(), message(number));
    }
}

#[tokio::test]
async fn order_holds_across_the_resolution() {
    // The peer's queue is much smaller than the room, so that most of it moves bit by bit.
    for queue_messages_max in [4_096, 4] {
        let direct = direct(DirectConfig::default()).await;
        let listener = listener(2).await;
        let (mut incoming, _) = reading(&listener);
        let mut receipts: Vec<_> = (0..500)
            .map(|number| direct.send(&bob(), message(number)).unwrap())
            .collect();
        let found = found_with(2, &listener, |it| it.queue_messages_max(queue_messages_max));
        direct.resolve(bob(), found).unwrap();
        // Behind them, whether they wait or not.
        receipts.extend((500..700).map(|number| direct.send(&bob(), message(number)).unwrap()));
        read_in_order(&mut incoming, 700).await;
        for receipt in receipts {
            assert_eq!(within(receipt).await, Outcome::Written);
        }
        assert_eq!(direct.waiting(), (0, 0, 0));
        within(direct.stop(StopMode::Drain(DEADLINE))).await;
    }
}

#[tokio::test]
async fn a_peer_is_found_elsewhere_by_resolving_it_again() {
    let direct = direct(DirectConfig::default()).await;
    let listener = listener(2).await;
    let (mut incoming, _) = reading(&listener);
    let receipt = direct.send(&bob(), message(0)).unwrap();
    // Nobody is there.
    let nowhere: SocketAddr = "127.0.0.1:1".parse().unwrap();
    let at_first = Config::builder(nowhere).build().unwrap();
    let first = PeerConfig::with(key(2), at_first);
    direct.resolve(bob(), first).unwrap();

    let another = direct.resolve(bob(), found(3, &listener)).unwrap_err();
    assert_eq!(another, ResolveError::AnotherIdentity);
    direct.resolve(bob(), found(2, &listener)).unwrap();
    read_in_order(&mut incoming, 1).await;
    assert_eq!(within(receipt).await, Outcome::Written);
}

#[tokio::test]
async fn a_peer_whose_sender_has_ended_can_be_resolved_anew() {
    let direct = direct(DirectConfig::default()).await;
    let listener = listener(2).await;
    let (mut incoming, _) = reading(&listener);
    let sender = direct.resolve(bob(), found(2, &listener)).unwrap();
    within(sender.stop(StopMode::Abort)).await;
    let receipt = direct.send(&bob(), message(0)).unwrap();
    assert_eq!(direct.waiting().1, 1);
    direct.resolve(bob(), found(2, &listener)).unwrap();
    read_in_order(&mut incoming, 1).await;
    assert_eq!(within(receipt).await, Outcome::Written);
}

#[tokio::test]
async fn who_is_given_up_while_messages_move_has_them_all_settled() {
    let direct = direct(DirectConfig::default()).await;
    let listener = listener(2).await;
    let receipts: Vec<_> = (0..50)
        .map(|number| direct.send(&bob(), message(number)).unwrap())
        .collect();
    let nowhere: SocketAddr = "127.0.0.1:1".parse().unwrap();
    let config = Config::builder(nowhere).queue_messages_max(1);
    let config = PeerConfig::with(key(2), config.build().unwrap());
    direct.resolve(bob(), config).unwrap();
    // One is in the queue, and one waits for room in it.
    within(async {
        while direct.waiting().1 > 48 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    within(direct.give_up(&bob())).await;
    for receipt in receipts {
        let outcome = within(receipt).await;
        assert_eq!(outcome, Outcome::Failed(FailReason::Removed));
    }
    assert_eq!(direct.waiting(), (0, 0, 0));
    // The name is free.
    direct.resolve(bob(), found(2, &listener)).unwrap();
}

#[tokio::test]
async fn what_waited_and_is_too_large_for_its_peer_is_refused() {
    let direct = direct(DirectConfig::default()).await;
    let listener = listener(2).await;
    let receipt = direct.send(&bob(), message(0)).unwrap();
    let found = found_with(2, &listener, |it| it.message_bytes_max(10));
    direct.resolve(bob(), found).unwrap();
    let refused = Outcome::Refused(RefuseCode::TooLarge);
    assert_eq!(within(receipt).await, refused);
}

#[tokio::test]
async fn phases_are_timed_on_one_clock() {
    let direct = direct(DirectConfig::default()).await;
    let listener = listener(2).await;
    let (mut incoming, received) = reading(&listener);
    let bytes = message(0).encode(&Limits::default()).unwrap().len();
    let receipt = direct.send(&bob(), message(0)).unwrap();
    let sender = direct.resolve(bob(), found(2, &listener)).unwrap();
    let mut transfers = sender.transfers();
    read_in_order(&mut incoming, 1).await;
    assert_eq!(within(receipt).await, Outcome::Written);

    let transfer = within(transfers.next()).await.unwrap();
    let (now, under_way) = (direct.node().now(), transfer.transferred.unwrap());
    let settled_at = transfer.accepted_at + transfer.buffered + under_way;
    assert!(settled_at <= now, "{transfer:?} at {now}");
    assert_eq!(
        (transfer.bytes, transfer.outcome),
        (bytes, Outcome::Written)
    );

    // The end of the streams of times: everything is counted by then.
    within(direct.stop(StopMode::Drain(DEADLINE))).await;
    assert_eq!(within(transfers.next()).await, None);
    let counters = within(async {
        loop {
            let counters = direct.metrics().read();
            if counters.sent_messages == 1 {
                return counters;
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(counters.sent_bytes, bytes as u64);
    for phase in [
        Phase::Unresolved,
        Phase::OutgoingBuffer,
        Phase::OutgoingTransfer,
    ] {
        let times = counters.phase(phase);
        assert_eq!(times.count(), 1, "{phase:?}");
        assert!(!times.sum.is_zero(), "{phase:?}");
    }
    let outgoing = counters.phase(Phase::OutgoingBuffer).sum + under_way;
    assert_eq!(outgoing, transfer.buffered + under_way);
    let counters = received.read();
    assert_eq!(
        (counters.received_messages, counters.received_bytes),
        (1, bytes as u64)
    );
    let waited = counters.phase(Phase::IncomingBuffer);
    assert!(waited.count() == 1 && !waited.sum.is_zero());
    assert_eq!((counters.errors(), counters.warnings()), (0, 0));
}
