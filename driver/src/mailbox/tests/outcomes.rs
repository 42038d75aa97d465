use super::*;

/// What is read at once; nothing after the last one, none if there is nothing yet.
fn some(mailbox: &mut Mailbox, key: u64, waker: &Waker) -> Option<Vec<(MessageId, Outcome)>> {
    let mut into = VecDeque::new();
    let polled = woken(|wakers| mailbox.poll_outcomes(key, &mut into, waker, wakers));
    polled.ok().map(|()| into.into())
}

/// Reads all that is there.
fn read(mailbox: &mut Mailbox, key: u64) -> Vec<u64> {
    let each = std::iter::from_fn(|| some(mailbox, key, Waker::noop()));
    let each = each.take_while(|some| !some.is_empty());
    each.flatten().map(|(id, _)| id.0).collect()
}

fn post_and_settle(mailbox: &mut Mailbox, count: usize) {
    for _ in 0..count {
        let id = post(mailbox).unwrap();
        settle(mailbox, id, DELIVERED);
    }
    handed_over(mailbox);
    room(mailbox, 100_000, 100_000);
}

#[test]
fn each_reader_gets_the_outcomes_of_what_was_posted_since_it_came() {
    let mut mailbox = mailbox(100, 1_000);
    let unread = post(&mut mailbox).unwrap();
    let first = mailbox.join_readers();
    let posted = post(&mut mailbox).unwrap();
    let sent = push(&mut mailbox, 1).unwrap();
    let second = mailbox.join_readers();
    let later = post(&mut mailbox).unwrap();
    for id in [later, sent.id, posted, unread] {
        settle(&mut mailbox, id, DELIVERED);
    }
    assert_eq!(read(&mut mailbox, first), [later.0, posted.0]);
    assert_eq!(read(&mut mailbox, second), [later.0]);
}

#[test]
fn a_reader_is_woken_and_hears_the_end() {
    let mut mailbox = mailbox(100, 1_000);
    let key = mailbox.join_readers();
    let (count, waker) = CountingWaker::new();
    let id = post(&mut mailbox).unwrap();
    assert_eq!(some(&mut mailbox, key, &waker), None);
    settle(&mut mailbox, id, DELIVERED);
    assert_eq!(count.get(), 1);
    assert_eq!(some(&mut mailbox, key, &waker), Some(vec![(id, DELIVERED)]));

    assert_eq!(some(&mut mailbox, key, &waker), None);
    woken(|wakers| mailbox.finish(StopReason::Drained, PeerStats::default(), wakers));
    assert_eq!(count.get(), 2);
    assert_eq!(some(&mut mailbox, key, &waker), Some(vec![]));
}

#[test]
fn a_reader_that_lags_holds_posting_back_and_loses_nothing() {
    let mut mailbox = mailbox(100_000, 100_000);
    let key = mailbox.join_readers();
    let in_flight = post(&mut mailbox).unwrap();
    post_and_settle(&mut mailbox, UNREAD_MAX);
    let reason = RejectReason::OutcomesUnread { max: UNREAD_MAX };
    assert_eq!(post(&mut mailbox), Err(reason));
    assert!(push(&mut mailbox, 1).is_ok(), "what has a receipt goes on");
    let mut poster = Caller::new(1);
    poster.posts = true;
    let mut leaver = Caller::new(1);
    leaver.posts = true;
    assert!(poster.poll(&mut mailbox).is_pending());
    assert!(leaver.poll(&mut mailbox).is_pending());
    leaver.leave(&mut mailbox);
    settle(&mut mailbox, in_flight, DELIVERED);
    assert_eq!(mailbox.unread(key), UNREAD_MAX + 1);

    while mailbox.unread(key) > UNREAD_MAX / 2 {
        assert_eq!(poster.woken.get(), 0, "{} are left", mailbox.unread(key));
        assert!(some(&mut mailbox, key, Waker::noop()).is_some());
    }
    assert_eq!(poster.woken.get(), 1);
    assert!(poster.poll(&mut mailbox).is_ready());
    assert!(read(&mut mailbox, key).len() <= UNREAD_MAX / 2);
}

#[test]
fn neither_a_permit_nor_a_place_in_line_leads_past_a_reader_that_lags() {
    let mut mailbox = mailbox(100_000, 100_000);
    let key = mailbox.join_readers();
    mailbox.take_room(ZERO, 10).unwrap();
    mailbox.hold(ZERO, 10);
    room(&mut mailbox, 1, 10);
    let (mut poster, mut sender) = (Caller::new(1), Caller::new(1));
    poster.posts = true;
    assert!(poster.poll(&mut mailbox).is_pending() && sender.poll(&mut mailbox).is_pending());
    for _ in 0..UNREAD_MAX {
        let id = mailbox.put_posted(ZERO, None, payload(0), &mut PutOut::default());
        settle(&mut mailbox, id, DELIVERED);
    }
    handed_over(&mut mailbox);

    let unread = RejectReason::OutcomesUnread { max: UNREAD_MAX };
    let used = mailbox.use_held_to_post(ZERO, 10, 1, &mut Vec::new());
    assert_eq!(used, Err(unread), "it still has its room");
    let beyond = mailbox.use_held_to_post(ZERO, 10, 11, &mut Vec::new());
    let (bytes, reserved) = (11, 10);
    assert_eq!(
        beyond,
        Err(RejectReason::BeyondReserved { bytes, reserved })
    );
    // Room for one beside the permit: the poster is first in line, and cannot use it.
    room(&mut mailbox, 2, 20);
    assert_eq!((poster.woken.get(), sender.woken.get()), (1, 0));
    assert!(poster.poll(&mut mailbox).is_pending());
    assert_eq!(sender.woken.get(), 1, "it is the next one's turn");
    assert!(sender.poll(&mut mailbox).is_ready());
    handed_over(&mut mailbox);
    room(&mut mailbox, 2, 20);

    assert_eq!(read(&mut mailbox, key).len(), UNREAD_MAX);
    assert_eq!(poster.woken.get(), 2);
    assert!(poster.poll(&mut mailbox).is_ready());
    let used = mailbox.use_held_to_post(ZERO, 10, 1, &mut Vec::new());
    assert_eq!(used, Ok(()));
    assert_eq!(mailbox.places(), 0);
}

#[test]
fn the_slowest_reader_counts_until_it_goes() {
    let mut mailbox = mailbox(100_000, 100_000);
    let (slow, quick) = (mailbox.join_readers(), mailbox.join_readers());
    post_and_settle(&mut mailbox, UNREAD_MAX);
    assert_eq!(read(&mut mailbox, quick).len(), UNREAD_MAX);
    assert!(post(&mut mailbox).is_err());
    let mut poster = Caller::new(1);
    poster.posts = true;
    assert!(poster.poll(&mut mailbox).is_pending());
    let _reader = woken(|wakers| mailbox.leave_readers(slow, wakers));
    assert_eq!(poster.woken.get(), 1);
    assert!(poster.poll(&mut mailbox).is_ready());
}

#[test]
fn without_readers_outcomes_are_not_kept() {
    let mut mailbox = mailbox(100_000, 100_000);
    post_and_settle(&mut mailbox, 3 * UNREAD_MAX);
    let key = mailbox.join_readers();
    assert_eq!(mailbox.unread(key), 0);
}

#[test]
fn the_stop_wakes_who_waits_to_post() {
    let mut mailbox = mailbox(100_000, 100_000);
    let _key = mailbox.join_readers();
    post_and_settle(&mut mailbox, UNREAD_MAX);
    let mut poster = Caller::new(1);
    poster.posts = true;
    assert!(poster.poll(&mut mailbox).is_pending());
    woken(|wakers| mailbox.stop(StopMode::Abort, wakers));
    assert_eq!(poster.woken.get(), 1);
    let stopped = Poll::Ready(Err(RejectReason::Stopped));
    assert_eq!(poster.poll(&mut mailbox), stopped);
}

#[test]
fn a_flush_waits_for_what_was_accepted_before_it_and_for_nothing_else() {
    let mut mailbox = mailbox(100, 1_000);
    let (count, waker) = CountingWaker::new();
    let mut none = None;
    assert!(mailbox.poll_flush(&mut none, &waker).is_ok());
    let [first, second] = [1, 1].map(|bytes| push(&mut mailbox, bytes).unwrap().id);
    let (mut place, mut left) = (None, None);
    assert!(mailbox.poll_flush(&mut place, &waker).is_err());
    assert!(mailbox.poll_flush(&mut left, &waker).is_err());
    let third = push(&mut mailbox, 1).unwrap().id;
    settle(&mut mailbox, second, DELIVERED);
    assert_eq!(count.get(), 0);
    let _replaced = mailbox.leave_flush(left.unwrap());
    settle(&mut mailbox, first, Outcome::Failed(FailReason::Stopped));
    assert_eq!(count.get(), 1);
    assert!(mailbox.poll_flush(&mut place, &waker).is_ok());
    assert_eq!(mailbox.places(), 0);

    let mut later = None;
    assert!(mailbox.poll_flush(&mut later, &waker).is_err());
    settle(
        &mut mailbox,
        third,
        Outcome::Unknown(UnknownReason::Stopped),
    );
    assert_eq!(count.get(), 2);
}
