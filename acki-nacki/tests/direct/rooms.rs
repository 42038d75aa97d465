//! Messages for peers that nobody has resolved.

use std::time::Duration;

use peer_sender_acki_nacki::direct::{DirectConfig, DirectReason, Incident, Phase};
use peer_sender_tokio::{FailReason, Outcome, StopMode};

use super::*;

fn config() -> DirectConfig {
    DirectConfig::default()
}

#[tokio::test]
async fn a_full_room_hands_the_message_back() {
    let direct = direct(DirectConfig {
        room_messages_max: 3,
        unresolved_peers_max: 2,
        ..config()
    })
    .await;
    let receipts: Vec<_> = (0..3)
        .map(|number| direct.send(&bob(), message(number)).unwrap())
        .collect();
    let rejected = direct.send(&bob(), message(3)).unwrap_err();
    assert_eq!(rejected.clone(), rejected);
    assert_eq!(rejected.reason, DirectReason::RoomFull { messages_max: 3 });
    assert_eq!(*rejected.message, message(3));

    let other = direct.send(&"carol".to_owned(), message(4)).unwrap();
    let rejected = direct.send(&"dave".to_owned(), message(5)).unwrap_err();
    let peers_max = 2;
    assert_eq!(rejected.reason, DirectReason::UnresolvedPeers { peers_max });
    assert_eq!(direct.waiting().0, 2);

    // A room that is given up makes place.
    direct.give_up(&bob()).await;
    for receipt in receipts {
        let outcome = within(receipt).await;
        assert_eq!(outcome, Outcome::Failed(FailReason::Removed));
    }
    let third = direct.send(&"dave".to_owned(), message(5)).unwrap();
    let counters = direct.metrics().read();
    assert_eq!(counters.incident(Incident::RoomFull), 2);
    assert_eq!(counters.incident(Incident::SendFailed), 3);
    drop(direct);
    for receipt in [other, third] {
        let outcome = within(receipt).await;
        assert_eq!(outcome, Outcome::Failed(FailReason::Stopped));
    }
}

#[tokio::test]
async fn the_bytes_of_all_rooms_are_bounded_together() {
    let bytes = Bytes::from(vec![7; 100]);
    let direct = direct(DirectConfig {
        room_bytes_max: 250,
        ..config()
    })
    .await;
    let ids = ["a", "b", "c"].map(str::to_owned);
    let first = direct.send_bytes(&ids[0], bytes.clone()).unwrap();
    let _second = direct.send_bytes(&ids[1], bytes.clone()).unwrap();
    let rejected = direct.send_bytes(&ids[2], bytes.clone()).unwrap_err();
    let bytes_max = 250;
    assert_eq!(rejected.reason, DirectReason::RoomBytes { bytes_max });
    direct.give_up(&ids[0]).await;
    assert_eq!(within(first).await, Outcome::Failed(FailReason::Removed));
    assert_eq!(direct.waiting(), (1, 1, 100));
    let _third = direct.send_bytes(&ids[2], bytes).unwrap();
}

#[tokio::test]
async fn who_is_never_resolved_expires() {
    let room_ttl = Duration::from_millis(30);
    let direct = direct(DirectConfig {
        room_ttl,
        ..config()
    })
    .await;
    // One after the other, so that the timer has to be armed anew.
    for number in 0..3 {
        let receipt = direct.send(&bob(), message(number)).unwrap();
        assert_eq!(within(receipt).await, Outcome::Expired);
        assert_eq!(direct.waiting(), (0, 0, 0));
    }
    let counters = direct.metrics().read();
    assert_eq!(counters.incident(Incident::Expired), 3);
    let waited = counters.phase(Phase::Unresolved);
    assert_eq!(waited.count(), 3);
    assert!(waited.sum >= 3 * room_ttl, "{waited:?}");
}

#[tokio::test]
async fn a_stop_settles_what_waits_and_takes_nothing_more() {
    let direct = direct(config()).await;
    let receipt = direct.send(&bob(), message(0)).unwrap();
    within(direct.stop(StopMode::Drain(DEADLINE))).await;
    let failed = Outcome::Failed(FailReason::Stopped);
    assert_eq!(within(receipt).await, failed);
    let rejected = direct.send(&bob(), message(1)).unwrap_err();
    assert_eq!(rejected.reason, DirectReason::Stopped);
    let listener = listener(2).await;
    direct.resolve(bob(), found(2, &listener)).unwrap_err();
}

#[test]
fn the_end_of_the_runtime_settles_what_waits() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let direct = runtime.block_on(direct(config()));
    let receipt = direct.send(&bob(), message(0)).unwrap();
    drop(runtime);
    let waiting = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let outcome = waiting.block_on(within(receipt));
    assert_eq!(outcome, Outcome::Failed(FailReason::Stopped));
    let rejected = direct.send(&bob(), message(1)).unwrap_err();
    assert_eq!(rejected.reason, DirectReason::Stopped);
}

#[tokio::test]
async fn what_cannot_be_sent_is_handed_back() {
    let direct = direct(config()).await;
    let mut wrong = message(0);
    wrong.label = "x".repeat((256 << 10) + 1);
    let rejected = direct.send(&bob(), wrong.clone()).unwrap_err();
    assert!(matches!(rejected.reason, DirectReason::Unencodable(_)));
    assert_eq!(*rejected.message, wrong);
    let rejected = direct.send_bytes(&bob(), Bytes::new()).unwrap_err();
    assert_eq!(
        rejected.reason,
        DirectReason::Peer(peer_sender_tokio::RejectReason::Empty)
    );
    assert_eq!(direct.waiting(), (0, 0, 0));
}
