use std::task::Waker;

use bytes::Bytes;
use peer_sender_core::{
    FailReason, IncomingMessage as FromMachine, Lane, Outcome, PeerKey, RejectReason, SendLimits,
    SessionHandle, StopMode, StopReason, Time,
};
use peer_sender_quic::{Sender, Source};

use super::*;
use crate::bell::Bell;
use crate::peer::{Kind, PeerShared};
use crate::testing::{CountingWaker, clock};

const SESSION: SessionHandle = SessionHandle(7);

fn inbox() -> Arc<Inbox<String>> {
    let limits = SendLimits {
        lanes: 1,
        ..SendLimits::default()
    };
    Arc::new(Inbox::new(Arc::new(Bell::new()), limits, clock()))
}

fn deliver(inbox: &Inbox<String>, number: u64, back: Option<&Arc<PeerShared>>) {
    let message = FromMachine {
        lane: Lane(0),
        number,
        payload: Bytes::from_static(b"request"),
        received_at: Time::ZERO,
    };
    let from = Sender {
        key: PeerKey([1; 32]),
        peer: None,
    };
    inbox.deliver(Source::Session(SESSION), from, back, vec![message]);
    wake_takers(inbox);
}

fn stopped(message: &IncomingMessage<String>) -> Option<StopReason> {
    message.peer().stopped()
}

#[test]
fn all_messages_of_a_session_have_one_sender_of_replies() {
    let inbox = inbox();
    deliver(&inbox, 0, None);
    let mut incoming = Incoming::new(Arc::clone(&inbox));
    let first = incoming.try_next().unwrap();
    let reply = first.peer().try_send("reply").unwrap();
    assert_eq!(reply.id().0, 1);
    deliver(&inbox, 1, None);
    let second = incoming.try_next().unwrap();
    for (message, id) in [(&first, 2), (&second, 3)] {
        assert_eq!(message.peer().try_post("reply").unwrap().0, id);
    }
    let made = inbox.take_made();
    assert_eq!(made.len(), 1, "the driver hears of it once");
    assert_eq!(made[0].0, SESSION);
    assert!(inbox.take_made().is_empty());

    let of_none = first.peer().lane(Lane(1)).try_send("reply").unwrap_err();
    let unknown = RejectReason::UnknownLane { lane: 1 };
    assert_eq!(of_none.reason, unknown, "the limits of replies hold");
}

#[test]
fn what_is_accepted_by_itself_can_be_answered_too() {
    let inbox = inbox();
    deliver(&inbox, 0, None);
    let mut auto = Incoming::new(Arc::clone(&inbox)).auto();
    let cx = &mut Context::from_waker(Waker::noop());
    let Poll::Ready(Some(received)) = Pin::new(&mut auto).poll_next(cx) else {
        panic!("a message is there");
    };
    received.clone().peer().try_post("reply").unwrap();
    received.peer().try_post("reply").unwrap();
    assert_eq!(inbox.take_made().len(), 1);
}

#[test]
fn a_reply_to_a_session_that_is_gone_is_refused() {
    let inbox = inbox();
    deliver(&inbox, 0, None);
    deliver(&inbox, 1, None);
    let mut incoming = Incoming::new(Arc::clone(&inbox));
    let [asked, other] = [0, 1].map(|_| incoming.try_next().unwrap());
    let before = asked.peer();
    assert_eq!(inbox.take_made().len(), 1);
    inbox.forget(Source::Session(SESSION));
    assert_eq!(stopped(&other), Some(StopReason::SessionForgotten));
    let rejected = other.peer().try_send("reply").unwrap_err();
    assert_eq!(rejected.reason, RejectReason::Stopped);
    assert!(
        before.stopped().is_none(),
        "the driver ends it, once all is settled"
    );
}

#[test]
fn a_sender_of_replies_ends_with_its_session_although_the_driver_never_knew_it() {
    let inbox = inbox();
    deliver(&inbox, 0, None);
    let message = Incoming::new(Arc::clone(&inbox)).try_next().unwrap();
    let peer = message.peer();
    let mut reply = peer.try_send("reply").unwrap();
    inbox.forget(Source::Session(SESSION));
    assert!(inbox.take_made().is_empty(), "nobody would ever end it");
    assert_eq!(peer.stopped(), Some(StopReason::SessionForgotten));
    let cx = &mut Context::from_waker(Waker::noop());
    let failed = Outcome::Failed(FailReason::SessionForgotten);
    assert_eq!(Pin::new(&mut reply).poll(cx), Poll::Ready(failed));
}

#[test]
fn a_node_that_stops_accepts_no_more_replies() {
    let inbox = inbox();
    deliver(&inbox, 0, None);
    let mut incoming = Incoming::new(Arc::clone(&inbox));
    let message = incoming.try_next().unwrap();
    let before = message.peer();
    inbox.stop_replies(StopMode::Abort);
    for peer in [&before, &message.peer()] {
        let rejected = peer.try_send("reply").unwrap_err();
        assert_eq!(rejected.reason, RejectReason::Stopped);
    }
    assert_eq!(inbox.take_made().len(), 1);
}

#[test]
fn a_message_that_outlives_its_node_has_nobody_to_answer() {
    let inbox = inbox();
    deliver(&inbox, 0, None);
    let message = Incoming::new(Arc::clone(&inbox)).try_next().unwrap();
    inbox.close();
    assert_eq!(stopped(&message), Some(StopReason::Aborted));
}

#[test]
fn a_session_asked_for_after_the_stop_has_replies_that_are_closed() {
    let inbox = inbox();
    deliver(&inbox, 0, None);
    let message = Incoming::new(Arc::clone(&inbox)).try_next().unwrap();
    inbox.stop_replies(StopMode::Abort);
    let rejected = message.peer().try_send("reply").unwrap_err();
    assert_eq!(rejected.reason, RejectReason::Stopped);
    assert_eq!(inbox.close().len(), 1, "its end is still to be told");
}

#[test]
fn a_reply_of_a_peer_is_answered_through_the_sender_to_that_peer() {
    let inbox = inbox();
    let limits = SendLimits::default();
    let bell = Arc::new(Bell::new());
    let back = Arc::new(PeerShared::new(Kind::Dialled, bell, limits, clock()));
    deliver(&inbox, 0, Some(&back));
    let message = Incoming::new(Arc::clone(&inbox)).try_next().unwrap();
    inbox.forget(Source::Session(SESSION));
    let answer = message.peer().try_send("answer").unwrap();
    let other = crate::PeerSender::new(back).try_send("other").unwrap();
    assert_eq!((answer.id().0, other.id().0), (1, 2), "they are the same");
    assert!(inbox.take_made().is_empty());
}

#[test]
fn no_message_is_lost_with_a_wait_for_it() {
    let inbox = inbox();
    let (count, waker) = CountingWaker::new();
    let cx = &mut Context::from_waker(&waker);
    let mut incoming = Incoming::new(Arc::clone(&inbox));
    for number in 0..3 {
        let mut next = Box::pin(incoming.next());
        assert!(next.as_mut().poll(cx).is_pending());
        deliver(&inbox, number, None);
        drop(next);
        drop(incoming.next());
        let mut next = Box::pin(incoming.next());
        let Poll::Ready(Some(message)) = next.as_mut().poll(cx) else {
            panic!("{number} is lost");
        };
        assert_eq!(message.number(), number);
        message.accept();
    }
    assert_eq!(count.get(), 3);
    let mut auto = incoming.auto();
    for number in 3..6 {
        let mut next = Box::pin(auto.next());
        assert!(next.as_mut().poll(cx).is_pending());
        deliver(&inbox, number, None);
        drop(next);
        drop(auto.next());
        let mut next = Box::pin(auto.next());
        let Poll::Ready(Some(message)) = next.as_mut().poll(cx) else {
            panic!("{number} is lost");
        };
        assert_eq!(message.number, number);
    }
    drop((auto, waker));
    assert_eq!(Arc::strong_count(&count), 1, "a waker is left behind");
}
