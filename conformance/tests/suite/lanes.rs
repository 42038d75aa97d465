//! Lanes do not wait for each other.

use crate::nodes::*;
use peer_sender_driver::{Lane, RejectReason, Runtime};
use smol::future::zip;

pub(crate) async fn a_lane_whose_messages_are_not_answered_holds_up_no_other<R: Runtime>() {
    const OTHERS: u64 = 300;
    let listener = listener::<R>().await;
    let node = dialler::<R>().await;
    let peer = peer_with(&node, bob().key(), listener.local_addr(), |config| {
        config.queue_messages_max(4).flight_messages_max(4)
    });
    let stuck = peer.lane(Lane(3));
    let mut unanswered = Vec::new();
    for number in 0..8 {
        unanswered.push(stuck.send(numbered(number)).await.unwrap());
    }
    let mut held = Vec::new();
    let mut incoming = listener.incoming();
    while held.len() < 4 {
        held.push(incoming.next().await.unwrap());
    }
    let full = stuck.try_send("no room").unwrap_err();
    assert_eq!(full.reason, RejectReason::QueueFull);

    let other = peer.lane(Lane(5));
    let sending = send_all(&other, 0..OTHERS);
    let taking = async {
        for number in 0..OTHERS {
            let message = incoming.next().await.unwrap();
            assert_eq!((message.lane(), message.number()), (Lane(5), number));
            assert_eq!(message.accept(), numbered(number));
        }
    };
    zip(sending, taking).await;

    for message in held {
        assert_eq!(message.lane(), Lane(3));
        message.accept();
    }
    for number in 4..8 {
        assert_eq!(incoming.next().await.unwrap().accept(), numbered(number));
    }
    for receipt in unanswered {
        assert!(receipt.await.is_delivered());
    }
}

pub(crate) async fn every_lane_keeps_its_order_and_has_one_counter_of_ids<R: Runtime>() {
    const EACH: u64 = 100;
    let listener = listener::<R>().await;
    let node = dialler::<R>().await;
    let peer = peer(&node, listener.local_addr());
    let mut ids = Vec::new();
    for number in 0..EACH {
        for lane in 0..8 {
            let posted = peer.lane(Lane(lane)).try_post(numbered(number));
            ids.push(posted.unwrap().0);
        }
    }
    assert!(ids.iter().copied().eq(1..=8 * EACH));
    let mut incoming = listener.incoming();
    let mut next = [0; 8];
    for _ in 0..8 * EACH {
        let message = incoming.next().await.unwrap();
        let number = &mut next[usize::from(message.lane().0)];
        assert_eq!(message.accept(), numbered(*number));
        *number += 1;
    }
    assert_eq!(next, [EACH; 8]);
    peer.flush().await;
    assert_eq!(peer.stats().await.machine.delivered, 8 * EACH);
}

pub(crate) async fn a_sender_has_only_the_lanes_that_it_was_given<R: Runtime>() {
    let node = dialler::<R>().await;
    let (_silent, address) = silent_address();
    let peer = peer_with(&node, bob().key(), address, |config| config.lanes(2));
    assert!(peer.lane(Lane(1)).try_send("a lane").is_ok());
    let rejected = peer.lane(Lane(2)).try_send("no lane").unwrap_err();
    assert_eq!(rejected.reason, RejectReason::UnknownLane { lane: 2 });
    assert_eq!(
        rejected.to_string(),
        "message of 7 bytes not accepted: lane 2 is not one of this sender's"
    );
}
