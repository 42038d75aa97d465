//! The way back: what those who were dialled send to those who dialled them.

use std::time::Duration;

use crate::nodes::*;
use peer_sender_driver::{
    Lane, Outcome, PeerEvent, PeerSender, RejectReason, Runtime, StopMode, StopReason,
};
use smol::future::zip;

/// Answers each request with its own bytes, until the node stops.
async fn echo<R: Runtime>(listener: Node<R>) {
    let mut incoming = listener.incoming();
    while let Some(request) = incoming.next().await {
        let reply = [b"re: ", &request.payload()[..]].concat();
        let lane = request.lane();
        let posted = request.peer().lane(lane).post(reply).await;
        posted.expect("nobody stopped it");
        request.accept();
    }
}

/// A first request, so that there is a session; and the sender of replies to it.
async fn asked<R: Runtime>(listener: &Node<R>, peer: &PeerSender) -> PeerSender {
    let receipt = peer.send("request").await.expect("nobody stopped it");
    let request = listener.incoming().next().await.expect("it runs");
    let back = request.peer();
    request.accept();
    assert!(receipt.await.is_delivered());
    back
}

pub(crate) async fn each_request_gets_its_reply_in_order<R: Runtime>() {
    const REQUESTS: u64 = 500;
    let listener = listener::<R>().await;
    let server = spawn::<R, _>(echo(listener.clone()));
    let node = dialler::<R>().await;
    let peer = peer(&node, listener.local_addr());
    let asking = async {
        for number in 0..REQUESTS {
            let lane = Lane((number % 2) as u8);
            peer.lane(lane).post(number.to_string()).await.unwrap();
        }
    };
    let mut incoming = node.incoming();
    let reading = async {
        let mut next = [0, 1];
        for _ in 0..REQUESTS {
            let reply = incoming.next().await.unwrap();
            assert_eq!(reply.from().key, bob().key());
            assert_eq!(reply.from().peer.as_deref(), Some("bob"));
            let number = &mut next[usize::from(reply.lane().0)];
            assert_eq!(reply.accept(), format!("re: {number}"));
            *number += 2;
        }
    };
    zip(asking, reading).await;
    peer.flush().await;
    assert_eq!(peer.stats().await.machine.delivered, REQUESTS);
    listener.stop(StopMode::Abort).await;
    server.await.unwrap();
}

pub(crate) async fn a_reply_is_delivered_when_its_application_accepts_it_and_can_be_answered<
    R: Runtime,
>() {
    let listener = listener::<R>().await;
    let node = dialler::<R>().await;
    let peer = peer(&node, listener.local_addr());
    let back = asked(&listener, &peer).await;

    let accepted = back.send("one").await.unwrap();
    let refused = back.send("two").await.unwrap();
    let mut incoming = node.incoming();
    let one = incoming.next().await.unwrap();
    let answer = one.peer().send("answer").await.unwrap();
    one.accept();
    incoming.next().await.unwrap().refuse();
    assert!(accepted.await.is_delivered());
    assert!(matches!(refused.await, Outcome::Refused(_)));

    let message = listener.incoming().next().await.unwrap();
    assert_eq!(message.accept(), "answer");
    assert!(answer.await.is_delivered());
    assert_eq!(
        peer.stats().await.machine.delivered,
        2,
        "it is the same sender"
    );
}

pub(crate) async fn replies_go_on_over_connections_that_are_cut<R: Runtime>() {
    const REPLIES: u64 = 200;
    let listener = listener::<R>().await;
    let node = dialler::<R>().await;
    let peer = peer(&node, listener.local_addr());
    let back = asked(&listener, &peer).await;
    let mut receipts = Vec::new();
    let mut incoming = node.incoming();
    for number in 0..REPLIES {
        receipts.push(back.send(numbered(number)).await.unwrap());
        if number % 50 == 25 {
            listener.cut_accepted();
        }
    }
    for number in 0..REPLIES {
        let reply = incoming.next().await.unwrap();
        assert_eq!(reply.accept(), numbered(number));
    }
    for receipt in receipts {
        assert!(receipt.await.is_delivered());
    }
}

pub(crate) async fn the_session_of_who_is_gone_is_forgotten_with_what_was_to_be_sent_to_it<
    R: Runtime,
>() {
    let short = Duration::from_secs(1);
    let listener: Node<R> = listener_with(|config| {
        config
            .idle_timeout(short)
            .keep_alive(short / 4)
            .session_ttl(short)
    })
    .await;
    let node = dialler::<R>().await;
    let peer = peer(&node, listener.local_addr());
    let back = asked(&listener, &peer).await;
    let mut events = back.events();
    let receipt = back.send("to nobody").await.unwrap();
    node.stop(StopMode::Abort).await;
    let reason = StopReason::SessionForgotten;
    let last = event_where(&mut events, |_| true).await;
    assert_eq!(last, PeerEvent::SenderStopped { reason });
    let outcome = receipt.await;
    assert!(
        matches!(outcome, Outcome::Failed(_) | Outcome::Unknown(_)),
        "{outcome:?}"
    );
    let rejected = back.send("too late").await.unwrap_err();
    assert_eq!(rejected.reason, RejectReason::Stopped);
}

pub(crate) async fn a_session_that_is_stopped_ends_in_good_order_and_a_new_one_takes_its_place<
    R: Runtime,
>() {
    let listener = listener::<R>().await;
    let node = dialler::<R>().await;
    let peer = peer(&node, listener.local_addr());
    let back = asked(&listener, &peer).await;
    let reply = back.send("last reply").await.unwrap();
    let stopping = async { back.stop(StopMode::Drain(Duration::from_secs(10))).await };
    let reading = async { node.incoming().next().await.unwrap().accept() };
    let (stopped, last) = zip(stopping, reading).await;
    assert_eq!(
        (stopped.reason, &last[..]),
        (StopReason::Drained, &b"last reply"[..])
    );
    assert!(reply.await.is_delivered());

    let again = asked(&listener, &peer).await;
    assert!(again.try_send("to the new session").is_ok());
    let reply = node.incoming().next().await.unwrap();
    assert_eq!(reply.accept(), "to the new session");
}
