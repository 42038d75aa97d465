use super::*;

const FULL: RejectReason = RejectReason::QueueFull;

#[test]
fn credit_ends_in_messages_and_in_bytes() {
    let mut few = mailbox(2, 1_000);
    assert!(push(&mut few, 1).is_ok() && push(&mut few, 0).is_ok());
    assert_eq!(push(&mut few, 0), Err(FULL));

    let mut small = mailbox(10, 150);
    assert!(push(&mut small, 100).is_ok());
    assert_eq!(push(&mut small, 51), Err(FULL));
    assert!(push(&mut small, 50).is_ok());
}

#[test]
fn a_message_above_the_limit_is_refused_however_full_it_is() {
    let mut mailbox = mailbox(0, 0);
    let (bytes, max) = (101, 100);
    let reason = RejectReason::TooLarge { bytes, max };
    assert_eq!(push(&mut mailbox, 101), Err(reason));
    assert_eq!(
        Caller::new(101).poll(&mut mailbox),
        Poll::Ready(Err(reason))
    );
}

#[test]
fn lanes_have_credit_and_lines_of_their_own() {
    let mut mailbox = mailbox(1, 100);
    let one = Lane(1);
    push(&mut mailbox, 1).unwrap();
    let mut first = Caller::new(1);
    assert!(first.poll(&mut mailbox).is_pending());
    push_on(&mut mailbox, one, 1).unwrap();
    let mut other = Caller::new(1);
    other.lane = one;
    assert!(other.poll(&mut mailbox).is_pending());
    handed_over(&mut mailbox);

    room_on(&mut mailbox, one, 1, 100);
    assert_eq!((first.woken.get(), other.woken.get()), (0, 1));
    assert!(other.poll(&mut mailbox).is_ready());
    room(&mut mailbox, 1, 100);
    assert!(first.poll(&mut mailbox).is_ready());
    assert_eq!(handed_over(&mut mailbox), [3, 4], "one counter for all");
}

#[test]
fn a_lane_beyond_the_limit_is_refused() {
    let mut mailbox = mailbox(1, 100);
    let reason = RejectReason::UnknownLane { lane: 2 };
    assert_eq!(push_on(&mut mailbox, Lane(2), 1), Err(reason));
    room_on(&mut mailbox, Lane(2), 5, 5);
    assert_eq!(
        push_on(&mut mailbox, Lane(255), 1).map(|_| ()),
        Err(RejectReason::UnknownLane { lane: 255 })
    );
    let mut caller = Caller::new(1);
    caller.lane = Lane(2);
    assert_eq!(caller.poll(&mut mailbox), Poll::Ready(Err(reason)));
}

#[test]
fn room_counts_what_waits_here() {
    let mut mailbox = mailbox(4, 400);
    for _ in 0..3 {
        push(&mut mailbox, 10).unwrap();
    }
    room(&mut mailbox, 4, 400);
    assert_eq!(credit(&mailbox), (1, 370));
    assert_eq!(handed_over(&mut mailbox), [1, 2, 3]);
    room(&mut mailbox, 1, 370);
    assert_eq!(credit(&mailbox), (1, 370));
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
    assert_eq!(push(&mut mailbox, 1), Err(FULL));
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
    assert_eq!(push(&mut mailbox, 1), Err(FULL));

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
    assert_eq!(credit(&mailbox), (4, 40));
}

#[test]
fn nobody_passes_a_caller_that_has_not_come_back_for_its_room() {
    let mut mailbox = mailbox(0, 1_000);
    let (mut first, mut newcomer) = (Caller::new(10), Caller::new(10));
    assert!(first.poll(&mut mailbox).is_pending());
    room(&mut mailbox, 3, 1_000);
    assert_eq!(push(&mut mailbox, 1), Err(FULL));
    assert!(newcomer.poll(&mut mailbox).is_pending());
    assert_eq!(newcomer.woken.get(), 1, "there is room for it as well");
    assert!(first.poll(&mut mailbox).is_ready());
    assert!(newcomer.poll(&mut mailbox).is_ready());
    assert!(push(&mut mailbox, 1).is_ok());
    assert_eq!(mailbox.places(), 0);
}

#[test]
fn a_permit_keeps_its_room_and_lets_others_pass() {
    let mut mailbox = mailbox(3, 200);
    mailbox.take_room(ZERO, 100).unwrap();
    mailbox.hold(ZERO, 100);
    push(&mut mailbox, 50).unwrap();
    room(&mut mailbox, 3, 200);
    assert_eq!(credit(&mailbox), (1, 50));
    handed_over(&mut mailbox);
    room(&mut mailbox, 2, 150);
    assert_eq!(credit(&mailbox), (1, 50), "it still has its room");
    let mut waiting = Caller::new(60);
    assert!(waiting.poll(&mut mailbox).is_pending());

    let (bytes, reserved) = (101, 100);
    let reason = RejectReason::BeyondReserved { bytes, reserved };
    assert_eq!(
        mailbox.use_held(ZERO, 100, 101, &mut Vec::new()),
        Err(reason)
    );
    woken(|wakers| mailbox.use_held(ZERO, 100, 90, wakers)).unwrap();
    assert_eq!(
        mailbox
            .put(ZERO, None, payload(90), &mut PutOut::default())
            .id,
        MessageId(2)
    );
    assert_eq!(
        waiting.woken.get(),
        1,
        "what it did not need goes to the next"
    );
    assert!(waiting.poll(&mut mailbox).is_ready());
    assert_eq!(credit(&mailbox), (0, 0));
    assert_eq!(mailbox.places(), 0);
}

#[test]
fn a_permit_that_is_dropped_gives_its_room_to_the_first_in_line() {
    let mut mailbox = mailbox(1, 200);
    mailbox.take_room(ZERO, 100).unwrap();
    mailbox.hold(ZERO, 100);
    let mut waiting = Caller::new(10);
    assert!(waiting.poll(&mut mailbox).is_pending());
    woken(|wakers| mailbox.release(ZERO, 100, wakers));
    assert_eq!(waiting.woken.get(), 1);
    assert!(waiting.poll(&mut mailbox).is_ready());
    assert_eq!(credit(&mailbox), (0, 190));
}

#[test]
fn what_is_cancelled_here_gives_its_room_back() {
    let mut mailbox = mailbox(2, 200);
    let [first, second] = [40, 50].map(|bytes| push(&mut mailbox, bytes).unwrap());
    let mut waiting = Caller::new(40);
    assert!(waiting.poll(&mut mailbox).is_pending());
    let taken = woken(|wakers| mailbox.cancel(first.id, wakers)).unwrap();
    assert_eq!(taken, Queued::new(first.id, ZERO, payload(40)));
    assert_eq!(waiting.woken.get(), 1);
    assert_eq!(waiting.poll(&mut mailbox), Poll::Ready(Ok(MessageId(3))));
    let outcome = mailbox.slots.poll(first.slot, Waker::noop()).ok();
    assert_eq!(outcome, Some(Outcome::Cancelled));

    assert_eq!(woken(|wakers| mailbox.cancel(first.id, wakers)), None);
    let mut messages = Accepted::default();
    let news = mailbox.take(&mut messages);
    assert_eq!(messages.len(), 2);
    assert!(news.cancels.is_empty(), "it is settled");
    assert_eq!(news.unseen.cancelled, 1);
    for _ in 0..2 {
        assert_eq!(woken(|wakers| mailbox.cancel(second.id, wakers)), None);
    }
    assert_eq!(
        mailbox.take(&mut Accepted::default()).cancels,
        [second.id].into()
    );
}

#[test]
fn news_are_announced_once_until_they_are_taken() {
    let mut mailbox = mailbox(3, 100);
    assert!(mailbox.announce());
    assert!(!mailbox.announce());
    mailbox.take(&mut Accepted::default());
    assert!(mailbox.announce());
}
