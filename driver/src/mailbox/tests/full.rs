//! A queue that puts out its oldest messages when it is full.

use super::*;

const DISPLACED: Outcome = Outcome::Failed(FailReason::Displaced);

fn dropping(messages: usize, bytes: usize) -> Mailbox {
    let mut limits = limits(messages, bytes);
    limits.policy.when_full = WhenFull::DropOldest;
    Mailbox::new(limits, clock())
}

/// The outcome that somebody waits for, if it is there.
fn outcome(mailbox: &mut Mailbox, ticket: Ticket) -> Option<Outcome> {
    mailbox.slots.poll(ticket.slot, Waker::noop()).ok()
}

#[test]
fn the_oldest_that_waits_is_put_out_and_settled_at_once() {
    let mut mailbox = dropping(2, 1_000);
    let tickets: Vec<_> = (0..5).map(|_| push(&mut mailbox, 1).unwrap()).collect();
    for &ticket in &tickets[..3] {
        assert_eq!(outcome(&mut mailbox, ticket), Some(DISPLACED));
    }
    assert_eq!(mailbox.slots.live(), 2);
    assert_eq!(handed_over(&mut mailbox), [4, 5]);
    // What the driver has is the machine's to put out.
    push(&mut mailbox, 1).unwrap();
    for &ticket in &tickets[3..] {
        assert_eq!(outcome(&mut mailbox, ticket), None);
    }
    let unseen = mailbox.take(&mut Accepted::default()).unseen;
    assert_eq!((unseen.cancelled, unseen.displaced), (0, 3));
    let mut stats = PeerStats::default();
    unseen.add_to(&mut stats);
    assert_eq!((stats.machine.accepted, stats.machine.failed), (3, 3));
}

#[test]
fn as_many_are_put_out_as_the_bytes_need_and_only_of_the_lane() {
    let mut mailbox = dropping(10, 100);
    let other = push_on(&mut mailbox, Lane(1), 90).unwrap();
    let first = push(&mut mailbox, 40).unwrap();
    let second = push(&mut mailbox, 40).unwrap();
    let third = push(&mut mailbox, 20).unwrap();
    let mut out = PutOut::default();
    mailbox.take_room(ZERO, 50).unwrap();
    mailbox.put(ZERO, None, payload(50), &mut out);
    let ids: Vec<_> = out.messages.iter().map(|message| message.id).collect();
    assert_eq!(ids, [first.id, second.id]);
    assert_eq!(outcome(&mut mailbox, other), None);
    assert_eq!(outcome(&mut mailbox, third), None);
    assert_eq!(handed_over(&mut mailbox), [1, 4, 5]);
    assert_eq!(
        push(&mut mailbox, 101).map(drop),
        Err(RejectReason::TooLarge {
            bytes: 101,
            max: 100
        })
    );
}

/// Takes a minute where each message that is put out looks through those of the other lane.
#[test]
fn what_waits_on_another_lane_is_not_looked_through() {
    const MESSAGES: usize = 8_192;
    let mut mailbox = dropping(MESSAGES, 1 << 20);
    for _ in 0..MESSAGES {
        push_on(&mut mailbox, Lane(1), 1).unwrap();
    }
    for _ in 0..20 * MESSAGES {
        push(&mut mailbox, 1).unwrap();
    }
    let ids = handed_over(&mut mailbox);
    assert_eq!(ids.len(), 2 * MESSAGES);
    assert!(ids.is_sorted());
}

#[test]
fn nobody_waits_for_room() {
    let mut mailbox = dropping(1, 100);
    for posts in [false, true] {
        for _ in 0..3 {
            let mut caller = Caller::new(100);
            caller.posts = posts;
            assert!(caller.poll(&mut mailbox).is_ready());
        }
    }
    // However full the machine is.
    room(&mut mailbox, 0, 0);
    assert!(push(&mut mailbox, 100).is_ok());
    assert_eq!(mailbox.places(), 0);
    assert_eq!(handed_over(&mut mailbox), [7]);
}

#[test]
fn a_message_that_is_cancelled_here_makes_its_room_once() {
    let mut mailbox = dropping(2, 1_000);
    let [first, second] = [1, 1].map(|bytes| push(&mut mailbox, bytes).unwrap());
    assert!(woken(|wakers| mailbox.cancel(first.id, wakers)).is_some());
    let third = push(&mut mailbox, 1).unwrap();
    assert_eq!(outcome(&mut mailbox, second), None);
    push(&mut mailbox, 1).unwrap();
    assert_eq!(outcome(&mut mailbox, first), Some(Outcome::Cancelled));
    assert_eq!(outcome(&mut mailbox, second), Some(DISPLACED));
    assert_eq!(outcome(&mut mailbox, third), None);
    assert_eq!(handed_over(&mut mailbox), [3, 4]);
}

#[test]
fn readers_of_outcomes_and_flushes_hear_of_what_was_put_out() {
    let mut mailbox = dropping(1, 100);
    let key = mailbox.join_readers();
    let first = post(&mut mailbox).unwrap();
    let mut place = None;
    assert!(mailbox.poll_flush(&mut place, Waker::noop()).is_err());
    let (woken, waker) = CountingWaker::new();
    let mut told = VecDeque::new();
    let polled = mailbox.poll_outcomes(key, &mut told, &waker, &mut Vec::new());
    assert!(polled.is_err());
    let mut out = PutOut::default();
    mailbox.put_posted(ZERO, None, payload(1), &mut out);
    out.wakers.into_iter().for_each(Waker::wake);
    assert_eq!(woken.get(), 1);
    let polled = mailbox.poll_outcomes(key, &mut told, &waker, &mut Vec::new());
    assert!(polled.is_ok());
    assert_eq!(told, [(first, DISPLACED)]);
    assert!(mailbox.poll_flush(&mut place, Waker::noop()).is_ok());
}
