mod credit;
mod end;
mod full;
mod outcomes;

use std::sync::Arc;
use std::task::Poll;

use peer_sender_core::{FailReason, Level, UnknownReason};

use super::*;
use crate::testing::{CountingWaker, clock};

const DELIVERED: Outcome = Outcome::Delivered(Level::Application);
const ZERO: Lane = Lane(0);

/// Limits of two lanes, with messages of up to 100 bytes.
fn limits(messages: usize, bytes: usize) -> SendLimits {
    SendLimits {
        lanes: 2,
        message_bytes_max: 100,
        queue_messages_max: messages,
        queue_bytes_max: bytes,
        ..SendLimits::default()
    }
}

fn mailbox(messages: usize, bytes: usize) -> Mailbox {
    Mailbox::new(limits(messages, bytes), clock())
}

fn payload(bytes: usize) -> Bytes {
    Bytes::from(vec![7; bytes])
}

/// As a sender does it.
fn push_on(mailbox: &mut Mailbox, lane: Lane, bytes: usize) -> Result<Ticket, RejectReason> {
    mailbox.take_room(lane, bytes)?;
    Ok(mailbox.put(lane, None, payload(bytes), &mut PutOut::default()))
}

fn push(mailbox: &mut Mailbox, bytes: usize) -> Result<Ticket, RejectReason> {
    push_on(mailbox, ZERO, bytes)
}

fn post(mailbox: &mut Mailbox) -> Result<MessageId, RejectReason> {
    mailbox.take_room_to_post(ZERO, 1)?;
    Ok(mailbox.put_posted(ZERO, None, payload(1), &mut PutOut::default()))
}

fn settle(mailbox: &mut Mailbox, id: MessageId, outcome: Outcome) {
    woken(|wakers| mailbox.settle(id, outcome, wakers));
}

/// Wakes whoever is to be woken.
fn woken<T>(what: impl FnOnce(&mut Vec<Waker>) -> T) -> T {
    let mut wakers = Vec::new();
    let done = what(&mut wakers);
    wakers.into_iter().for_each(Waker::wake);
    done
}

/// A caller in line.
struct Caller {
    lane: Lane,
    places: Places,
    bytes: usize,
    posts: bool,
    woken: Arc<CountingWaker>,
    waker: Waker,
}

impl Caller {
    fn new(bytes: usize) -> Self {
        let (woken, waker) = CountingWaker::new();
        Self {
            lane: ZERO,
            places: Places::default(),
            bytes,
            posts: false,
            woken,
            waker,
        }
    }

    fn poll(&mut self, mailbox: &mut Mailbox) -> Poll<Result<MessageId, RejectReason>> {
        let (lane, bytes, places) = (self.lane, self.bytes, &mut self.places);
        let polled = woken(|wakers| match self.posts {
            true => mailbox.poll_room_to_post(lane, bytes, places, &self.waker, wakers),
            false => mailbox.poll_room(lane, bytes, places, &self.waker, wakers),
        });
        match polled {
            Ok(Ok(())) => Poll::Ready(Ok(mailbox
                .put(lane, None, payload(bytes), &mut PutOut::default())
                .id)),
            Ok(Err(reason)) => Poll::Ready(Err(reason)),
            Err(_replaced) => Poll::Pending,
        }
    }

    fn leave(mut self, mailbox: &mut Mailbox) {
        let _replaced = woken(|wakers| mailbox.leave(self.lane, &mut self.places, wakers));
        assert!(!self.places.are_taken());
    }
}

fn room_on(mailbox: &mut Mailbox, lane: Lane, messages: usize, bytes: usize) {
    let capacity = Capacity { messages, bytes };
    woken(|wakers| mailbox.set_room(lane, capacity, wakers));
}

fn room(mailbox: &mut Mailbox, messages: usize, bytes: usize) {
    room_on(mailbox, ZERO, messages, bytes);
}

fn credit(mailbox: &Mailbox) -> (usize, usize) {
    let Capacity { messages, bytes } = mailbox.desks[0].credit();
    (messages, bytes)
}

fn handed_over(mailbox: &mut Mailbox) -> Vec<u64> {
    let mut messages = Accepted::default();
    mailbox.take(&mut messages);
    messages.map(|message| message.id.0).collect()
}
