use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use peer_sender_core::Level;

use super::*;
use crate::testing::CountingWaker;

fn mailbox(messages: usize, bytes: usize) -> Mailbox {
    Mailbox::new(100, Capacity { messages, bytes })
}

fn payload(bytes: usize) -> Bytes {
    Bytes::from(vec![7; bytes])
}

/// A caller in line.
struct Caller {
    place: Option<u64>,
    payload: Bytes,
    woken: Arc<CountingWaker>,
    waker: Waker,
}

impl Caller {
    fn new(bytes: usize) -> Self {
        let (woken, waker) = CountingWaker::new();
        Self {
            place: None,
            payload: payload(bytes),
            woken,
            waker,
        }
    }

    fn poll(&mut self, mailbox: &mut Mailbox) -> Poll<Result<Ticket, RejectReason>> {
        let mut wakers = Vec::new();
        let polled =
            mailbox.poll_push(&mut self.place, &mut self.payload, &self.waker, &mut wakers);
        wakers.into_iter().for_each(Waker::wake);
        polled.map_or(Poll::Pending, Poll::Ready)
    }

    fn leave(self, mailbox: &mut Mailbox) {
        let mut wakers = Vec::new();
        let _ = mailbox.leave_line(self.place.unwrap(), &mut wakers);
        wakers.into_iter().for_each(Waker::wake);
    }
}

fn room(mailbox: &mut Mailbox, messages: usize, bytes: usize) {
    let mut wakers = Vec::new();
    mailbox.set_room(Capacity { messages, bytes }, &mut wakers);
    wakers.into_iter().for_each(Waker::wake);
}

fn handed_over(mailbox: &mut Mailbox) -> Vec<u64> {
    let mut messages = Vec::new();
    mailbox.take(&mut messages);
    messages.into_iter().map(|(id, _, _)| id.0).collect()
}

#[test]
fn credit_ends_in_messages_and_in_bytes() {
    let mut few = mailbox(2, 1_000);
    assert!(few.push(payload(1)).is_ok() && few.push(payload(0)).is_ok());
    assert_eq!(
        few.push(payload(0)).unwrap_err().reason,
        RejectReason::QueueFull
    );

    let mut small = mailbox(10, 150);
    assert!(small.push(payload(100)).is_ok());
    let rejected = small.push(payload(51)).unwrap_err();
    assert_eq!(
        rejected,
        Rejected {
            reason: RejectReason::QueueFull,
            payload: payload(51)
        }
    );
    assert!(small.push(payload(50)).is_ok());
}

#[test]
fn a_message_above_the_limit_is_handed_back_however_full_it_is() {
    let mut mailbox = mailbox(0, 0);
    let reason = RejectReason::TooLarge {
        bytes: 101,
        max: 100,
    };
    assert_eq!(
        mailbox.push(payload(101)).unwrap_err(),
        Rejected {
            reason,
            payload: payload(101)
        }
    );
    assert_eq!(
        Caller::new(101).poll(&mut mailbox),
        Poll::Ready(Err(reason))
    );
}

#[test]
fn room_counts_what_waits_here() {
    let mut mailbox = mailbox(4, 400);
    for _ in 0..3 {
        mailbox.push(payload(10)).unwrap();
    }
    room(&mut mailbox, 4, 400);
    assert_eq!(
        mailbox.credit,
        Capacity {
            messages: 1,
            bytes: 370
        }
    );
    assert_eq!(handed_over(&mut mailbox), [1, 2, 3]);
    room(&mut mailbox, 1, 370);
    assert_eq!(
        mailbox.credit,
        Capacity {
            messages: 1,
            bytes: 370
        }
    );
}

#[test]
fn room_goes_to_the_first_in_line_and_wakes_nobody_else() {
    let mut mailbox = mailbox(0, 1_000);
    let mut callers: Vec<_> = (0..3).map(|_| Caller::new(10)).collect();
    for caller in &mut callers {
        assert_eq!(caller.poll(&mut mailbox), Poll::Pending);
    }
    room(&mut mailbox, 2, 1_000);
    let woken: Vec<_> = callers.iter().map(|caller| caller.woken.get()).collect();
    assert_eq!(woken, [1, 1, 0]);
    assert_eq!(
        mailbox.push(payload(1)).unwrap_err().reason,
        RejectReason::QueueFull
    );
    assert!(callers[1].poll(&mut mailbox).is_ready());
    assert!(callers[0].poll(&mut mailbox).is_ready());
    assert_eq!(callers[2].poll(&mut mailbox), Poll::Pending);
    assert_eq!(handed_over(&mut mailbox), [1, 2]);
}

#[test]
fn a_large_message_in_front_is_not_passed_by_small_ones() {
    let mut mailbox = mailbox(10, 50);
    let (mut large, mut small) = (Caller::new(100), Caller::new(1));
    assert_eq!(large.poll(&mut mailbox), Poll::Pending);
    assert_eq!(small.poll(&mut mailbox), Poll::Pending);
    assert_eq!(
        mailbox.push(payload(1)).unwrap_err().reason,
        RejectReason::QueueFull
    );

    room(&mut mailbox, 10, 99);
    assert_eq!((large.woken.get(), small.woken.get()), (0, 0));
    room(&mut mailbox, 10, 100);
    assert_eq!((large.woken.get(), small.woken.get()), (1, 0));
    assert!(large.poll(&mut mailbox).is_ready());
    assert_eq!(handed_over(&mut mailbox), [1]);
    room(&mut mailbox, 9, 50);
    assert!(small.poll(&mut mailbox).is_ready());
}

#[test]
fn who_leaves_with_promised_room_passes_it_on() {
    let mut mailbox = mailbox(0, 1_000);
    let (mut first, mut second) = (Caller::new(10), Caller::new(10));
    assert!(first.poll(&mut mailbox).is_pending() && second.poll(&mut mailbox).is_pending());
    room(&mut mailbox, 1, 1_000);
    first.leave(&mut mailbox);
    assert_eq!(second.woken.get(), 1);
    assert!(second.poll(&mut mailbox).is_ready());
}

#[test]
fn who_leaves_the_front_lets_smaller_ones_go_on() {
    let mut mailbox = mailbox(1, 50);
    let (mut large, mut small) = (Caller::new(100), Caller::new(1));
    assert!(large.poll(&mut mailbox).is_pending() && small.poll(&mut mailbox).is_pending());
    large.leave(&mut mailbox);
    assert_eq!(small.woken.get(), 1);
    assert!(small.poll(&mut mailbox).is_ready());
}

#[test]
fn room_told_again_keeps_what_was_promised() {
    let mut mailbox = mailbox(0, 0);
    let (mut first, mut second) = (Caller::new(60), Caller::new(60));
    assert!(first.poll(&mut mailbox).is_pending() && second.poll(&mut mailbox).is_pending());
    room(&mut mailbox, 5, 100);
    room(&mut mailbox, 5, 100);
    assert_eq!((first.woken.get(), second.woken.get()), (1, 0));
    assert!(first.poll(&mut mailbox).is_ready());
    assert_eq!(
        mailbox.credit,
        Capacity {
            messages: 4,
            bytes: 40
        }
    );
}

#[test]
fn stopping_wakes_the_line_and_hands_everything_back() {
    let mut mailbox = mailbox(1, 100);
    mailbox.push(payload(1)).unwrap();
    let (mut promised, mut waiting) = (Caller::new(1), Caller::new(1));
    assert!(promised.poll(&mut mailbox).is_pending() && waiting.poll(&mut mailbox).is_pending());
    room(&mut mailbox, 2, 100);
    let mut wakers = Vec::new();
    mailbox.stop(StopMode::Abort, &mut wakers);
    assert_eq!(wakers.len(), 1, "only who still waits for room");
    for caller in [&mut promised, &mut waiting] {
        assert_eq!(
            caller.poll(&mut mailbox),
            Poll::Ready(Err(RejectReason::Stopped))
        );
        assert_eq!(caller.payload, payload(1));
    }
    assert_eq!(
        mailbox.push(payload(1)).unwrap_err().reason,
        RejectReason::Stopped
    );
}

#[test]
fn a_second_stop_only_shortens_the_first() {
    let seconds = |seconds| StopMode::Drain(Duration::from_secs(seconds));
    for (first, second, both) in [
        (seconds(5), seconds(9), seconds(5)),
        (seconds(5), seconds(2), seconds(2)),
        (seconds(5), StopMode::Abort, StopMode::Abort),
        (StopMode::Abort, seconds(5), StopMode::Abort),
    ] {
        let mut mailbox = mailbox(1, 1);
        mailbox.stop(first, &mut Vec::new());
        mailbox.stop(second, &mut Vec::new());
        assert_eq!(mailbox.take(&mut Vec::new()).stop, Some(both));
    }
}

#[test]
fn the_end_tells_what_left_the_mailbox_from_what_did_not() {
    let mut mailbox = mailbox(3, 100);
    let taken = mailbox.push(payload(1)).unwrap();
    let settled = mailbox.push(payload(1)).unwrap();
    handed_over(&mut mailbox);
    let kept = mailbox.push(payload(1)).unwrap();
    let delivered = Outcome::Delivered(Level::Application);
    mailbox
        .slots
        .settle(settled.id, delivered.clone(), &mut Vec::new());
    mailbox.settle_all(&mut Vec::new());
    assert_eq!(mailbox.stopped(), None, "whoever listens hears of it first");
    let stats = PeerStats::default();
    mailbox.finish(StopReason::Aborted, stats, &mut Vec::new());

    let mut outcome = |ticket: Ticket| mailbox.slots.poll(ticket.slot, Waker::noop()).ok();
    assert_eq!(
        outcome(taken),
        Some(Outcome::Unknown(UnknownReason::Stopped))
    );
    assert_eq!(outcome(settled), Some(delivered));
    assert_eq!(outcome(kept), Some(Outcome::Failed(FailReason::Stopped)));
    assert_eq!(mailbox.stopped(), Some(StopReason::Aborted));
    assert_eq!(
        mailbox.push(payload(1)).unwrap_err().reason,
        RejectReason::Stopped
    );
}

#[test]
fn news_are_announced_once_until_they_are_taken() {
    let mut mailbox = mailbox(3, 100);
    assert!(mailbox.announce());
    assert!(!mailbox.announce());
    mailbox.take(&mut Vec::new());
    assert!(mailbox.announce());
}

#[test]
fn nobody_passes_a_caller_that_has_not_come_back_for_its_room() {
    let mut mailbox = mailbox(0, 1_000);
    let (mut first, mut newcomer) = (Caller::new(10), Caller::new(10));
    assert!(first.poll(&mut mailbox).is_pending());
    room(&mut mailbox, 3, 1_000);
    assert_eq!(
        mailbox.push(payload(1)).unwrap_err().reason,
        RejectReason::QueueFull
    );
    assert!(newcomer.poll(&mut mailbox).is_pending());
    assert_eq!(newcomer.woken.get(), 1, "there is room for it as well");
    assert!(first.poll(&mut mailbox).is_ready());
    assert!(newcomer.poll(&mut mailbox).is_ready());
    assert!(mailbox.push(payload(1)).is_ok());
    assert_eq!(mailbox.line.promised_bytes, 0);
}
