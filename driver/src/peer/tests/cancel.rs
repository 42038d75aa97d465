//! Every wait, dropped at every point of it.

use std::future::poll_fn;

use futures_sink::Sink;

use super::*;

type Waiting<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

/// Runs what `start` begins, dropping it after no poll, after one, and so on until it is ready.
/// `world` happens between polls; after the last one it does or does not. Each time, nothing may be lost, doubled or left behind:
///
/// - as many messages were accepted as `start` says at most, and all of them if it came to its
///   end;
/// - a caller behind it in line gets its turn;
/// - each accepted message has one outcome;
/// - every place, every promise and every waker is gone.
fn dropped_anywhere(
    setup: impl Fn() -> Bench,
    start: impl for<'a> Fn(&'a PeerSender) -> Waiting<'a>,
    accepts: u64,
    world: impl Fn(&mut Bench),
) {
    for half_polls in 0..200 {
        let (polls, world_at_last) = (half_polls / 2, half_polls % 2 == 1);
        let mut bench = setup();
        let peer = bench.peer.clone();
        let before = bench.accepted();
        let (count, waker) = CountingWaker::new();
        let mut waiting = start(&peer);
        let mut ready = false;
        for number in 1..=polls {
            ready = poll(&mut waiting, &waker).is_ready();
            if ready {
                break;
            }
            if number < polls || world_at_last {
                world(&mut bench);
            }
        }
        let mut behind = Box::pin(peer.send("behind"));
        let early = poll(&mut behind, &waker);
        drop(waiting);
        let places = bench.mailbox(|mailbox| mailbox.places());
        let behinds = usize::from(early.is_pending());
        assert_eq!(places, behinds, "after {polls} polls");
        let accepted = bench.accepted() - before - u64::from(matches!(early, Poll::Ready(Ok(_))));
        match ready {
            true => assert_eq!(accepted, accepts, "after {polls} polls"),
            false => assert!(accepted <= accepts, "{accepted} after {polls} polls"),
        }

        bench.turn();
        bench.answer();
        let stopped = bench
            .peer
            .shared
            .mailbox
            .lock()
            .unwrap()
            .stopped()
            .is_some();
        if early.is_pending() {
            let late = poll(&mut behind, &waker);
            assert!(matches!(late, Poll::Ready(answer) if answer.is_ok() || stopped));
        }
        drop(behind);
        bench.turn();
        bench.answer();
        let ids = bench.taken.iter().map(|message| message.id.0);
        assert!(stopped || ids.eq(1..=bench.accepted()), "{:?}", bench.taken);
        bench.mailbox(|mailbox| {
            assert!(mailbox.slots.is_empty(), "after {polls} polls");
            assert_eq!(mailbox.places(), 0, "after {polls} polls");
        });
        drop((early_of(early), waker));
        assert_eq!(Arc::strong_count(&count), 1, "after {polls} polls");
        if ready {
            assert!(polls > 0);
            return;
        }
    }
    panic!("it never ended");
}

/// What a poll gave, so that it is dropped here.
fn early_of<T>(polled: Poll<T>) -> Option<T> {
    match polled {
        Poll::Ready(answer) => Some(answer),
        Poll::Pending => None,
    }
}

/// With its only place taken.
fn full() -> Bench {
    let bench = Bench::new(1);
    bench.peer.try_post("first").unwrap();
    bench
}

/// With outcomes that nobody has read, and the stream of them.
fn unread() -> (Bench, Outcomes) {
    let mut bench = Bench::new(100_000);
    let outcomes = bench.peer.outcomes();
    while bench.peer.try_post("unread").is_ok() {
        bench.turn();
        bench.answer();
    }
    (bench, outcomes)
}

#[test]
fn send() {
    let start: for<'a> fn(&'a PeerSender) -> Waiting<'a> = |peer| {
        Box::pin(async {
            let _receipt = peer.send("message").await.unwrap();
        })
    };
    dropped_anywhere(full, start, 1, Bench::turn);
}

#[test]
fn send_and_its_receipt() {
    let start: for<'a> fn(&'a PeerSender) -> Waiting<'a> = |peer| {
        Box::pin(async {
            let receipt = peer.send("message").await.unwrap();
            assert_eq!(receipt.await, DELIVERED);
        })
    };
    dropped_anywhere(full, start, 1, |bench| {
        bench.turn();
        bench.answer();
    });
}

#[test]
fn reserve() {
    let start: for<'a> fn(&'a PeerSender) -> Waiting<'a> = |peer| {
        Box::pin(async {
            drop(peer.reserve(10).await.unwrap());
        })
    };
    dropped_anywhere(full, start, 0, Bench::turn);
    let start: for<'a> fn(&'a PeerSender) -> Waiting<'a> = |peer| {
        Box::pin(async {
            let permit = peer.reserve(10).await.unwrap();
            permit.post("message").unwrap();
        })
    };
    dropped_anywhere(full, start, 1, Bench::turn);
}

#[test]
fn post() {
    let start: for<'a> fn(&'a PeerSender) -> Waiting<'a> = |peer| {
        Box::pin(async {
            peer.post("message").await.unwrap();
        })
    };
    dropped_anywhere(full, start, 1, Bench::turn);
}

#[test]
fn post_held_back_by_outcomes_that_nobody_reads() {
    let start: for<'a> fn(&'a PeerSender) -> Waiting<'a> = |peer| {
        Box::pin(async {
            peer.post("message").await.unwrap();
        })
    };
    let held = std::cell::RefCell::new(None);
    let setup = || {
        let (bench, outcomes) = unread();
        *held.borrow_mut() = Some(outcomes);
        bench
    };
    dropped_anywhere(setup, start, 1, |bench| {
        bench.turn();
        drop(held.borrow_mut().take());
    });
}

#[test]
fn flush() {
    let start: for<'a> fn(&'a PeerSender) -> Waiting<'a> = |peer| Box::pin(peer.flush());
    dropped_anywhere(full, start, 0, |bench| {
        bench.turn();
        bench.answer();
    });
}

#[test]
fn questions() {
    let start: for<'a> fn(&'a PeerSender) -> Waiting<'a> = |peer| {
        Box::pin(async {
            peer.stats().await;
            assert_eq!(peer.snapshot().await, None);
        })
    };
    dropped_anywhere(full, start, 0, Bench::turn);
}

#[test]
fn stop() {
    let start: for<'a> fn(&'a PeerSender) -> Waiting<'a> = |peer| {
        Box::pin(async {
            assert_eq!(peer.stop(StopMode::Abort).await.reason, StopReason::Aborted);
        })
    };
    dropped_anywhere(full, start, 0, Bench::turn);
}

#[test]
fn sink() {
    let start: for<'a> fn(&'a PeerSender) -> Waiting<'a> = |peer| {
        Box::pin(async {
            let mut sink = peer.sink();
            for message in ["one", "two"] {
                poll_fn(|cx| Pin::new(&mut sink).poll_ready(cx))
                    .await
                    .unwrap();
                Pin::new(&mut sink).start_send(message.into()).unwrap();
            }
            poll_fn(|cx| Pin::new(&mut sink).poll_flush(cx))
                .await
                .unwrap();
            Pin::new(&mut sink).start_send("three".into()).unwrap();
            poll_fn(|cx| Pin::new(&mut sink).poll_close(cx))
                .await
                .unwrap();
        })
    };
    dropped_anywhere(full, start, 3, |bench| {
        bench.turn();
        bench.answer();
    });
}

#[test]
fn no_outcome_and_no_event_is_lost_with_a_wait_for_it() {
    let mut bench = Bench::new(10);
    let mut outcomes = bench.peer.outcomes();
    let mut events = bench.peer.events();
    let (count, waker) = CountingWaker::new();
    for _ in 0..3 {
        assert!(poll(&mut Box::pin(outcomes.next()), &waker).is_pending());
        assert!(poll(&mut Box::pin(events.next()), &waker).is_pending());
        let id = bench.peer.try_post("message").unwrap();
        bench.turn();
        bench.answer();
        drop(outcomes.next());
        assert_eq!(now(outcomes.next()), Some((id, DELIVERED)));
    }
    bench.peer.shared.stop(StopMode::Abort);
    bench.turn();
    assert_eq!(now(outcomes.next()), None);
    let reason = StopReason::Aborted;
    let last = peer_sender_core::PeerEvent::SenderStopped { reason };
    assert_eq!(now(events.next()), Some(last));
    assert_eq!(now(events.next()), None);
    drop((outcomes, events, waker));
    assert_eq!(Arc::strong_count(&count), 1);
}
