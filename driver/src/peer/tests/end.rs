//! What is handed back with the end, and to whom.

use peer_sender_core::Unsent;

use super::*;

/// Asks for the end.
fn asked<'a>(peer: &'a PeerSender, mode: StopMode) -> Pin<Box<dyn Future<Output = Stopped> + 'a>> {
    let mut stop: Pin<Box<dyn Future<Output = Stopped>>> = Box::pin(peer.stop(mode));
    assert!(poll(&mut stop, Waker::noop()).is_pending());
    stop
}

fn unsent(id: u64, lane: u8, payload: &'static str) -> Unsent {
    Unsent {
        id: MessageId(id),
        lane: Lane(lane),
        payload: payload.into(),
    }
}

fn hand_back(bench: &Bench, messages: Vec<Unsent>) -> Vec<Unsent> {
    bench.mailbox(|mailbox| mailbox.hand_back(messages))
}

fn finish(bench: &Bench, reason: StopReason) {
    bench.peer.shared.finish(reason, PeerStats::default());
}

const DRAIN: StopMode = StopMode::Drain(Duration::from_secs(60));

#[test]
fn whoever_asks_for_the_end_is_handed_what_was_not_sent_in_order() {
    let mut bench = Bench::new(9);
    for number in 0..3 {
        bench.peer.lane(Lane(number % 2)).try_post("sent").unwrap();
    }
    bench.turn();
    bench.peer.try_post("left here").unwrap();
    let drains = asked(&bench.peer, DRAIN);
    let aborts = asked(&bench.peer, StopMode::Abort);
    // The machine hands back lane by lane.
    let unwanted = hand_back(&bench, vec![unsent(3, 0, "sent"), unsent(2, 1, "sent")]);
    assert!(unwanted.is_empty());
    finish(&bench, StopReason::Aborted);
    let stopped = Stopped {
        reason: StopReason::Aborted,
        unsent: vec![
            unsent(2, 1, "sent"),
            unsent(3, 0, "sent"),
            unsent(4, 0, "left here"),
        ],
    };
    for asked in [drains, aborts, Box::pin(bench.peer.stop(DRAIN))] {
        assert_eq!(now(asked), stopped);
    }
}

#[test]
fn who_gives_up_waiting_for_the_end_may_come_again_for_what_was_not_sent() {
    let bench = Bench::new(9);
    bench.peer.try_post("message").unwrap();
    drop(asked(&bench.peer, DRAIN));
    finish(&bench, StopReason::DeadlineReached);
    let stopped = now(bench.peer.stop(DRAIN));
    assert_eq!(stopped.unsent, [unsent(1, 0, "message")]);
}

#[test]
fn nothing_is_kept_that_nobody_asked_for() {
    let bench = Bench::new(9);
    bench.peer.try_post("message").unwrap();
    bench.mailbox(|mailbox| mailbox.close_with_node(StopMode::Abort, &mut Vec::new()));
    let message = vec![unsent(9, 0, "of the machine")];
    assert_eq!(hand_back(&bench, message.clone()), message);
    finish(&bench, StopReason::GaveUp);
    assert_eq!(now(bench.peer.stop(DRAIN)).unsent, []);
}

#[test]
fn who_asks_when_some_is_dropped_already_is_handed_nothing() {
    let mut bench = Bench::new(9);
    bench.peer.try_post("sent").unwrap();
    bench.turn();
    bench.peer.try_post("left here").unwrap();
    let message = vec![unsent(1, 0, "sent")];
    assert_eq!(hand_back(&bench, message.clone()), message);
    let stop = asked(&bench.peer, DRAIN);
    let late = vec![unsent(2, 0, "late")];
    assert_eq!(hand_back(&bench, late.clone()), late);
    finish(&bench, StopReason::GaveUp);
    assert_eq!(now(stop).unsent, []);
}

#[test]
fn whom_one_answers_is_aborted_instead_of_removed() {
    for (kind, mode) in [
        (Kind::Dialled, StopMode::Remove),
        (Kind::Replies, StopMode::Abort),
    ] {
        let bench = Bench::of(kind, 9);
        let mut removes = Box::pin(bench.peer.remove());
        assert!(poll(&mut removes, Waker::noop()).is_pending());
        let news = bench.mailbox(|mailbox| mailbox.take(&mut Accepted::default()));
        assert_eq!(news.stop, Some(mode));
    }
}
