//! What a handle, or its peer's configuration, asks for beside the lane.

use futures_sink::Sink;
use peer_sender_core::{FailReason, Time, WhenFull};

use super::*;
use crate::testing::wait;

const SECOND: Duration = Duration::from_secs(1);

/// When each message that was taken expires, in seconds from then on.
fn expiries(bench: &Bench, start: Time) -> Vec<Option<u64>> {
    let taken = bench.taken.iter();
    let expiries = taken.map(|message| message.options.expires_at);
    expiries
        .map(|at| at.map(|at| at.saturating_since(start).as_secs()))
        .collect()
}

fn start(bench: &Bench) -> Time {
    bench.mailbox(|mailbox| mailbox.now())
}

#[test]
fn a_message_expires_so_long_after_it_was_accepted() {
    let mut bench = Bench::new(9);
    let start = start(&bench);
    let quick = bench.peer.ttl(5 * SECOND);
    let _plain = bench.peer.try_send("for ever").unwrap();
    let _sent = quick.try_send("accepted at 0").unwrap();
    let permit = quick.try_reserve(20).unwrap();
    wait(SECOND);
    quick.lane(Lane(1)).try_post("accepted at 1").unwrap();
    wait(SECOND);
    let _used = permit.send("accepted at 2").unwrap();
    let cx = &mut Context::from_waker(Waker::noop());
    let mut sink = quick.ttl(SECOND).sink();
    let mut sink = Pin::new(&mut sink);
    sink.as_mut().start_send("accepted at 2".into()).unwrap();
    assert!(sink.as_mut().poll_ready(cx).is_ready());
    // What the driver does later is of no account.
    wait(90 * SECOND);
    bench.turn();
    let expected = [None, Some(5), Some(6), Some(7), Some(3)];
    assert_eq!(expiries(&bench, start), expected);
}

#[test]
fn the_wait_for_room_is_no_part_of_a_message_s_life() {
    let mut bench = Bench::new(1);
    let start = start(&bench);
    bench.peer.try_post("fills the queue").unwrap();
    let quick = bench.peer.ttl(SECOND);
    let mut send = Box::pin(quick.send("waits"));
    assert!(poll(&mut send, Waker::noop()).is_pending());
    wait(60 * SECOND);
    bench.turn();
    assert!(poll(&mut send, Waker::noop()).is_ready());
    bench.turn();
    assert_eq!(expiries(&bench, start), [None, Some(61)]);
}

#[test]
fn of_two_times_to_live_the_shorter_counts() {
    let policy = SendPolicy {
        ttl: Some(5 * SECOND),
        ..SendPolicy::default()
    };
    for kind in [Kind::Dialled, Kind::Replies] {
        let mut bench = Bench::with(kind, 9, policy.clone());
        let start = start(&bench);
        bench.peer.try_post("the peer's").unwrap();
        bench.peer.ttl(9 * SECOND).try_post("the peer's").unwrap();
        bench.peer.ttl(2 * SECOND).try_post("its own").unwrap();
        wait(SECOND);
        bench.turn();
        assert_eq!(expiries(&bench, start), [5, 5, 2].map(Some));
    }
}

#[test]
fn a_time_to_live_of_zero_is_refused_wherever_it_is_asked_for() {
    let bench = Bench::new(9);
    let none = bench.peer.ttl(Duration::ZERO);
    let zero = RejectReason::TtlZero;
    let rejected = Rejected {
        reason: zero,
        payload: "message".into(),
    };
    let cx = &mut Context::from_waker(Waker::noop());
    let mut sink = none.sink();
    let mut sink = Pin::new(&mut sink);
    assert!(sink.as_mut().poll_ready(cx).is_ready());
    let answers = [
        now(none.send("message")).map(drop),
        none.try_send("message").map(drop),
        now(none.post("message")).map(drop),
        none.try_post("message").map(drop),
        sink.start_send("message".into()),
    ];
    for answer in answers {
        assert_eq!(answer, Err(rejected.clone()));
    }
    assert_eq!(now(none.reserve(1)).err(), Some(zero));
    assert_eq!(none.try_reserve(1).err(), Some(zero));
    assert_eq!(bench.accepted(), 0);
    assert_eq!(bench.mailbox(|mailbox| mailbox.places()), 0);
}

/// As many messages as their queue holds survive, and each of the others has its outcome at once,
/// although the driver never has its turn.
#[test]
fn a_queue_that_drops_its_oldest_is_never_full_and_cannot_be_reserved() {
    let policy = SendPolicy {
        when_full: WhenFull::DropOldest,
        ..SendPolicy::default()
    };
    let mut bench = Bench::with(Kind::Dialled, 3, policy);
    let none = RejectReason::NothingToReserve;
    assert_eq!(now(bench.peer.reserve(1)).err(), Some(none));
    assert_eq!(bench.peer.try_reserve(1).err(), Some(none));
    let mut receipts = Vec::new();
    for number in 0..10_000 {
        receipts.push(match number % 2 {
            0 => bench.peer.try_send("message").unwrap(),
            _ => now(bench.peer.send("message")).unwrap(),
        });
    }
    let kept = receipts.split_off(9_997);
    for receipt in receipts {
        assert_eq!(now(receipt), Outcome::Failed(FailReason::Displaced));
    }
    bench.turn();
    bench.answer();
    for receipt in kept {
        assert_eq!(now(receipt), DELIVERED);
    }
    assert_eq!(bench.taken.len(), 3);
}
