use std::time::Duration;

use futures_sink::Sink;
use peer_sender_core::FailReason;

use super::*;

#[test]
fn handles_go_to_any_thread_and_are_shared_by_them() {
    fn any_thread<T: Send + Sync + 'static>() {}
    any_thread::<PeerSender>();
    any_thread::<Receipt>();
    any_thread::<Permit>();
    any_thread::<Outcomes>();
    any_thread::<PeerSink>();
    any_thread::<Events>();
    any_thread::<crate::Incoming<String>>();
    any_thread::<crate::AutoIncoming<String>>();
    any_thread::<crate::IncomingMessage<String>>();
    any_thread::<crate::Received<String>>();
}

#[test]
fn waits_go_to_any_thread() {
    fn any_thread<T: Send>(_: &T) {}
    let bench = Bench::new(1);
    let (peer, mut outcomes) = (&bench.peer, bench.peer.outcomes());
    any_thread(&peer.send("message"));
    any_thread(&peer.post("message"));
    any_thread(&peer.reserve(1));
    any_thread(&peer.flush());
    any_thread(&peer.stats());
    any_thread(&peer.snapshot());
    any_thread(&peer.stop(StopMode::Abort));
    any_thread(&outcomes.next());
}

#[test]
fn what_is_not_accepted_is_handed_back() {
    let bench = Bench::new(1);
    let rejected = |reason, payload: &'static str| Rejected {
        reason,
        payload: payload.into(),
    };
    let unknown = RejectReason::UnknownLane { lane: 2 };
    let of_none = bench.peer.lane(Lane(2));
    let lost = [
        now(of_none.send("message")).map(drop),
        of_none.try_send("message").map(drop),
        now(of_none.post("message")).map(drop),
        of_none.try_post("message").map(drop),
    ];
    for answer in lost {
        assert_eq!(answer, Err(rejected(unknown, "message")));
    }
    assert_eq!(now(of_none.reserve(1)).err(), Some(unknown));
    assert_eq!(of_none.try_reserve(1).err(), Some(unknown));

    let (bytes, max) = (101, 100);
    let large = RejectReason::TooLarge { bytes, max };
    assert_eq!(now(bench.peer.reserve(101)).err(), Some(large));
    bench.peer.try_post("fills the queue").unwrap();
    let full = RejectReason::QueueFull;
    let answer = bench.peer.try_post("message");
    assert_eq!(answer, Err(rejected(full, "message")));
    assert_eq!(bench.peer.try_reserve(1).err(), Some(full));
    assert!(bench.peer.lane(Lane(1)).try_send("message").is_ok());
}

#[test]
fn a_permit_takes_its_place_when_it_is_used() {
    let mut bench = Bench::new(3);
    let permit = bench.peer.try_reserve(9).unwrap();
    let unused = now(bench.peer.reserve(9)).unwrap();
    let first = bench.peer.try_send("first").unwrap();
    assert!(bench.peer.try_send("no room").is_err());
    let second = permit.send("second").unwrap();
    assert_eq!((first.id(), second.id()), (MessageId(1), MessageId(2)));

    let (bytes, reserved) = (12, 9);
    let rejected = unused.send("far too long").unwrap_err();
    assert_eq!(
        rejected.reason,
        RejectReason::BeyondReserved { bytes, reserved }
    );
    let third = bench.peer.try_send("third").unwrap();
    bench.turn();
    bench.answer();
    for receipt in [first, second, third] {
        assert_eq!(now(receipt), DELIVERED);
    }
    let payloads: Vec<_> = bench
        .taken
        .iter()
        .map(|message| &message.payload[..])
        .collect();
    assert_eq!(payloads, [&b"first"[..], b"second", b"third"]);
}

#[test]
fn a_permit_outlives_the_end() {
    let mut bench = Bench::new(1);
    let permits = [bench.peer.try_reserve(9).unwrap()];
    bench.peer.shared.stop(StopMode::Abort);
    bench.turn();
    for permit in permits {
        let rejected = permit.send("late").unwrap_err();
        assert_eq!(rejected.reason, RejectReason::Stopped);
        assert_eq!(rejected.payload, "late");
    }
    assert_eq!(bench.mailbox(|mailbox| mailbox.places()), 0);
}

#[test]
fn a_cancelled_message_that_the_driver_has_not_seen_never_gets_there() {
    let mut bench = Bench::new(2);
    let kept = bench.peer.try_send("kept").unwrap();
    let cancelled = bench.peer.try_send("cancelled").unwrap();
    bench.peer.cancel(cancelled.id());
    bench.peer.cancel(cancelled.id());
    bench.peer.cancel(MessageId(99));
    bench.turn();
    bench.answer();
    assert_eq!(now(cancelled), Outcome::Cancelled);
    assert_eq!(now(kept), DELIVERED);
    assert_eq!(bench.taken.len(), 1);
}

#[test]
fn addresses_are_checked_before_they_are_taken() {
    let bench = Bench::new(1);
    let good = "127.0.0.1:7".parse().unwrap();
    let bad = "0.0.0.0:7".parse().unwrap();
    let error = bench.peer.set_addresses(vec![good, bad]).unwrap_err();
    assert!(matches!(error, AddressesError::Invalid(_)), "{error}");
    let news = bench.mailbox(|mailbox| mailbox.take(&mut Accepted::default()));
    assert_eq!((news.addresses, news.wake), (None, false));

    for addresses in [vec![good], Vec::new()] {
        bench.peer.set_addresses(addresses.clone()).unwrap();
        bench.peer.wake();
        let news = bench.mailbox(|mailbox| mailbox.take(&mut Accepted::default()));
        assert_eq!((news.addresses, news.wake), (Some(addresses), true));
    }
    bench.peer.shared.stop(StopMode::Drain(Duration::ZERO));
    let error = bench.peer.set_addresses(vec![good]).unwrap_err();
    assert_eq!(error, AddressesError::Stopped);
}

#[test]
fn a_sender_of_replies_does_not_dial() {
    let bench = Bench::of(Kind::Replies, 1);
    let error = bench.peer.set_addresses(Vec::new()).unwrap_err();
    assert_eq!(error, AddressesError::Replies);
    bench.peer.wake();
    let news = bench.mailbox(|mailbox| mailbox.take(&mut Accepted::default()));
    assert!(!news.wake);
}

#[test]
fn a_sink_takes_the_next_message_when_the_one_before_is_accepted() {
    let mut bench = Bench::new(1);
    let mut sink = bench.peer.sink();
    let (count, waker) = CountingWaker::new();
    let cx = &mut Context::from_waker(&waker);
    let mut sink = Pin::new(&mut sink);
    for message in ["one", "two"] {
        assert_eq!(sink.as_mut().poll_ready(cx), Poll::Ready(Ok(())));
        sink.as_mut().start_send(message.into()).unwrap();
    }
    assert!(sink.as_mut().poll_ready(cx).is_pending());
    let rejected = sink.as_mut().start_send("three".into()).unwrap_err();
    assert_eq!(rejected.reason, RejectReason::QueueFull);
    assert_eq!(rejected.payload, "three");
    bench.turn();
    assert_eq!(count.get(), 1);
    assert_eq!(sink.as_mut().poll_ready(cx), Poll::Ready(Ok(())));

    assert!(sink.as_mut().poll_flush(cx).is_pending());
    bench.answer();
    assert!(
        sink.as_mut().poll_flush(cx).is_pending(),
        "two is not settled"
    );
    bench.turn();
    bench.answer();
    assert_eq!(sink.as_mut().poll_flush(cx), Poll::Ready(Ok(())));
}

#[test]
fn a_sink_hands_back_what_is_not_accepted_and_goes_on() {
    let bench = Bench::new(1);
    let mut sink = bench.peer.sink();
    let cx = &mut Context::from_waker(Waker::noop());
    let mut sink = Pin::new(&mut sink);
    let large = vec![0; 101];
    let rejected = sink.as_mut().start_send(large.into()).unwrap_err();
    assert_eq!(rejected.payload.len(), 101);
    assert_eq!(sink.as_mut().poll_ready(cx), Poll::Ready(Ok(())));
    sink.as_mut().start_send("one".into()).unwrap();
    sink.as_mut().start_send("two".into()).unwrap();
    assert!(sink.as_mut().poll_ready(cx).is_pending());
    bench.peer.shared.stop(StopMode::Abort);
    let rejected = Rejected {
        reason: RejectReason::Stopped,
        payload: "two".into(),
    };
    assert_eq!(sink.as_mut().poll_flush(cx), Poll::Ready(Err(rejected)));
}

#[test]
fn outcomes_of_the_end_are_read_after_it() {
    let bench = Bench::new(1);
    let mut outcomes = bench.peer.outcomes();
    let id = bench.peer.try_post("message").unwrap();
    let reason = StopReason::GaveUp;
    bench.peer.shared.finish(reason, PeerStats::default());
    assert_eq!(outcomes.unread(), 1);
    let failed = Outcome::Failed(FailReason::GaveUp);
    assert_eq!(now(outcomes.next()), Some((id, failed)));
    assert_eq!(now(outcomes.next()), None);
    now(bench.peer.flush());
    assert_eq!(now(bench.peer.snapshot()), None);
    assert_eq!(now(bench.peer.stop(StopMode::Abort)).reason, reason);
}
